"""Bottom-up and top-down attention, over a grid."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lstmzoo.captioning.models.attention import AdditiveAttention, per_row
from lstmzoo.captioning.models.base import Captioner, Tensors
from lstmzoo.captioning.models.steps import StepCell
from lstmzoo.models.registry import register_model


@register_model("updown")
class UpDown(Captioner):
    """One cell decides where to look, another what to say (Anderson et al., CVPR 2018, section 3.2).

        h¹_t = cell¹([h²_{t−1}; v̄; E s_t], h¹_{t−1})      α_t = attention(v, h¹_t)      v̂_t = Σ_i α_ti v_i
        h²_t = cell²([v̂_t; h¹_t], h²_{t−1})               p_{t+1} = softmax(W_o h²_t)

    The paper's v are the features of detected objects; here they are those of a grid.

    Args:
        vocab_size: V, words including the four special ones.
        cell: one of :func:`lstmzoo.nn.list_cells`.
        hidden_size: H, units of each of the two cells.
        embedding_size: E, length of a word's vector.
        picture_size: D, length of a grid cell's features after the first map.
        attention_size: A.
        dropout: share of values dropped in training.
        encoder: one of :func:`lstmzoo.models.list_encoders`, of kind ``grid``.
        pretrained_encoder: start the encoder from ImageNet weights.
        forget_bias: initial bias of the forget gates; cells without one ignore it.
    """

    def __init__(
        self,
        vocab_size: int = 1000,
        cell: str = "lstm",
        hidden_size: int = 512,
        embedding_size: int = 512,
        picture_size: int = 512,
        attention_size: int = 256,
        dropout: float = 0.5,
        encoder: str = "small",
        pretrained_encoder: bool = True,
        forget_bias: float | None = 1.0,
    ) -> None:
        super().__init__(vocab_size, encoder, pretrained_encoder, picture_size, embedding_size, dropout)
        self.looking = StepCell(cell, hidden_size + picture_size + embedding_size, hidden_size, forget_bias)
        self.attention = AdditiveAttention(picture_size, hidden_size, attention_size)
        self.telling = StepCell(cell, picture_size + hidden_size, hidden_size, forget_bias)
        self.logits = nn.Linear(hidden_size, vocab_size)

    def look(self, features: Tensor) -> Tensors:
        v = self.project(features)  # (B, N, D)
        return self.attention.keys(v), v, v.mean(1)

    def begin(self, picture: Tensors) -> Tensors:
        mean = picture[2]
        return (*self.looking.zeros(len(mean), mean), *self.telling.zeros(len(mean), mean))

    def advance(self, picture: Tensors, memory: Tensors, x: Tensor) -> tuple[Tensor, Tensors, Tensor]:
        keys, v, mean = picture
        first, second = memory[: len(memory) // 2], memory[len(memory) // 2 :]
        h1, first = self.looking(torch.cat([second[0], per_row(mean, len(x)), x], dim=1), first)
        seen, weights = self.attention(keys, v, h1)
        h2, second = self.telling(torch.cat([seen, h1], dim=1), second)
        return h2, (*first, *second), weights

    def output(self, read: Tensor) -> Tensor:
        return self.logits(self.dropout(read))
