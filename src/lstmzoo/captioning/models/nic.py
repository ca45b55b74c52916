"""Show and Tell."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lstmzoo.captioning.models.attention import per_row
from lstmzoo.captioning.models.base import Captioner, Tensors
from lstmzoo.captioning.models.steps import StepCell
from lstmzoo.models.registry import register_model


@register_model("nic")
class NIC(Captioner):
    """Show and Tell: the picture is the word before the first (Vinyals et al., CVPR 2015).

        x₋₁ = LN(W_I v̄)      x_t = W_e s_t      h_t = cell(x_t, h_{t−1})      p_{t+1} = softmax(W_o h_t)

    What the cell says to the picture itself, h₋₁, is dropped. The layer normalisation is not in the paper: the picture
    is heard only once, and without it so softly that the network learns to listen more slowly.

    Args:
        vocab_size: V, words including the four special ones.
        cell: one of :func:`lstmzoo.nn.list_cells`.
        hidden_size: H, units of the cell.
        embedding_size: E, length of a word's vector.
        picture_size: D, length of a grid cell's features after the first map.
        dropout: share of values dropped in training.
        encoder: one of :func:`lstmzoo.models.list_encoders`, of kind ``grid``.
        pretrained_encoder: start the encoder from ImageNet weights.
        forget_bias: initial bias of the forget gate; cells without one ignore it.
    """

    def __init__(
        self,
        vocab_size: int = 1000,
        cell: str = "lstm",
        hidden_size: int = 512,
        embedding_size: int = 512,
        picture_size: int = 512,
        dropout: float = 0.5,
        encoder: str = "small",
        pretrained_encoder: bool = True,
        forget_bias: float | None = 1.0,
    ) -> None:
        super().__init__(vocab_size, encoder, pretrained_encoder, picture_size, embedding_size, dropout)
        self.picture = nn.Sequential(nn.Linear(picture_size, embedding_size), nn.LayerNorm(embedding_size))
        self.core = StepCell(cell, embedding_size, hidden_size, forget_bias)
        self.logits = nn.Linear(hidden_size, vocab_size)

    def look(self, features: Tensor) -> Tensors:
        return (self.picture(self.project(features).mean(1)),)

    def begin(self, picture: Tensors) -> Tensors:
        (x,) = picture
        return self.core(x, self.core.zeros(len(x), x))[1]

    def advance(self, picture: Tensors, memory: Tensors, x: Tensor) -> tuple[Tensor, Tensors, None]:
        h, memory = self.core(x, memory)
        return h, memory, None

    def output(self, read: Tensor) -> Tensor:
        return self.logits(self.dropout(read))

    def read(
        self, features: Tensor, tokens: Tensor, lengths: Tensor, sampling: float = 0.0
    ) -> tuple[Tensor, Tensor | None]:
        if sampling:
            return super().read(features, tokens, lengths, sampling)
        # Nothing that the cell reads depends on what it said: the whole sentence is one sequence, the picture first.
        (first,) = self.look(features.to(self.embedding.weight.dtype))
        x = torch.cat([per_row(first, len(tokens)).unsqueeze(1), self._embed(tokens)], dim=1)  # (R, T + 1, E)
        h, _ = self.core.rnn(x.transpose(0, 1), lengths=lengths + 1)
        return h[1:].transpose(0, 1), None
