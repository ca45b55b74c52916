"""Show, Attend and Tell."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lstmzoo.captioning.models.attention import AdditiveAttention
from lstmzoo.captioning.models.base import Captioner, Tensors
from lstmzoo.captioning.models.steps import FirstState, StepCell
from lstmzoo.models.registry import register_model


@register_model("soft_attention")
class SoftAttention(Captioner):
    """Show, Attend and Tell with soft attention (Xu et al., ICML 2015).

        h₀, c₀ from the mean v̄            α_t = attention(v, h_{t−1})       β_t = σ(w_β h_{t−1})
        ẑ_t = β_t Σ_i α_ti v_i            h_t = cell([E s_t; ẑ_t], h_{t−1})
        p_{t+1} = softmax(L_o tanh(E s_t + L_h h_t + L_z ẑ_t))              (deep output)

    Equation 7 has no tanh there; with it the deep output has a hidden layer, as in Pascanu et al. 2014.

    Args:
        vocab_size: V, words including the four special ones.
        cell: one of :func:`lstmzoo.nn.list_cells`.
        hidden_size: H, units of the cell.
        embedding_size: E, length of a word's vector.
        picture_size: D, length of a grid cell's features after the first map.
        attention_size: A.
        doubly_stochastic: λ of the penalty λ mean_i (1 − Σ_t α_ti)², which asks that every place is looked at; the sum
            is over real steps only.
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
        attention_size: int = 256,
        doubly_stochastic: float = 1.0,
        dropout: float = 0.5,
        encoder: str = "small",
        pretrained_encoder: bool = True,
        forget_bias: float | None = 1.0,
    ) -> None:
        super().__init__(vocab_size, encoder, pretrained_encoder, picture_size, embedding_size, dropout)
        self.attention = AdditiveAttention(picture_size, hidden_size, attention_size)
        self.gate = nn.Linear(hidden_size, 1)
        self.core = StepCell(cell, embedding_size + picture_size, hidden_size, forget_bias)
        self.first = FirstState(self.core, picture_size)
        self.from_hidden = nn.Linear(hidden_size, embedding_size)
        self.from_picture = nn.Linear(picture_size, embedding_size)
        self.logits = nn.Linear(embedding_size, vocab_size)
        self.sizes = (embedding_size, hidden_size, picture_size)
        self.doubly_stochastic = doubly_stochastic

    def look(self, features: Tensor) -> Tensors:
        v = self.project(features)  # (B, N, D)
        return self.attention.keys(v), v

    def begin(self, picture: Tensors) -> Tensors:
        return self.first(picture[1].mean(1))

    def advance(self, picture: Tensors, memory: Tensors, x: Tensor) -> tuple[Tensor, Tensors, Tensor]:
        keys, v = picture
        h = memory[0]
        z, weights = self.attention(keys, v, h)
        z = self.gate(h).sigmoid() * z
        h, memory = self.core(torch.cat([x, z], dim=1), memory)
        return torch.cat([x, h, z], dim=1), memory, weights

    def output(self, read: Tensor) -> Tensor:
        x, h, z = read.split(self.sizes, dim=-1)
        deep = x + self.from_hidden(self.dropout(h)) + self.from_picture(z)
        return self.logits(self.dropout(deep.tanh()))

    def penalty(self, attention: Tensor | None, real: Tensor) -> Tensor | float:
        assert attention is not None
        looked = (attention * real.unsqueeze(2)).sum(1)  # (R, N)
        return self.doubly_stochastic * ((1 - looked) ** 2).mean()
