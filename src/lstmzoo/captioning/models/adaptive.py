"""Adaptive attention: when to look at the picture, and when to trust what is known already."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lstmzoo.captioning.models.attention import AdditiveAttention, per_row, weighted_sum
from lstmzoo.captioning.models.base import Captioner, Tensors
from lstmzoo.captioning.models.steps import StepCell
from lstmzoo.models.registry import register_model


@register_model("adaptive")
class Adaptive(Captioner):
    """Knowing when to look: attention with a visual sentinel (Lu et al., CVPR 2017, section 2).

        x_t = [E w_t; v̄]      h_t, m_t = cell(x_t, h_{t−1})      s_t = σ(W_x x_t + W_h h_{t−1}) ⊙ tanh m_t
        e_i = w_hᵀ tanh(W_v v_i + W_g h_t)        e_s = w_hᵀ tanh(W_s s_t + W_g h_t)
        [α_t; β_t] = softmax([e; e_s])            ĉ_t = Σ_i α_ti v_i + β_t s_t        p = softmax(W_p (ĉ_t + h_t))

    m is the cell's memory: c where it has one, else h. The attention has N + 1 places; the last is β.

    The paper has a map for the places, ReLU(W_a a_i), and one for the whole picture, ReLU(W_b ā); here one map serves
    both, v_i = ReLU(W_a a_i), and v̄ is their mean.

    Args:
        vocab_size: V, words including the four special ones.
        cell: one of :func:`lstmzoo.nn.list_cells`.
        hidden_size: H, units of the cell, and length of a grid cell's features after the first map.
        embedding_size: E, length of a word's vector.
        attention_size: A.
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
        attention_size: int = 256,
        dropout: float = 0.5,
        encoder: str = "small",
        pretrained_encoder: bool = True,
        forget_bias: float | None = 1.0,
    ) -> None:
        super().__init__(vocab_size, encoder, pretrained_encoder, hidden_size, embedding_size, dropout)
        input_size = embedding_size + hidden_size
        self.core = StepCell(cell, input_size, hidden_size, forget_bias)
        names = [*self.core.shapes]
        self.memory = names.index("c") if "c" in names and len(self.core.shapes["c"]) == 1 else 0
        self.sentinel_gate = nn.Linear(input_size + hidden_size, hidden_size)
        self.attention = AdditiveAttention(hidden_size, hidden_size, attention_size)
        self.sentinel_key = nn.Linear(hidden_size, attention_size)
        self.logits = nn.Linear(hidden_size, vocab_size)

    def look(self, features: Tensor) -> Tensors:
        v = self.project(features)  # (B, N, H)
        return self.attention.keys(v), v, v.mean(1)

    def begin(self, picture: Tensors) -> Tensors:
        return self.core.zeros(len(picture[1]), picture[1])

    def advance(self, picture: Tensors, memory: Tensors, x: Tensor) -> tuple[Tensor, Tensors, Tensor]:
        keys, v, mean = picture
        x = torch.cat([x, per_row(mean, len(x))], dim=1)
        gate = self.sentinel_gate(torch.cat([x, memory[0]], dim=1)).sigmoid()
        h, memory = self.core(x, memory)
        sentinel = gate * memory[self.memory].tanh()  # (R, H)
        places = self.attention.scores(keys, h)  # (R, N)
        own = self.attention.scores(self.sentinel_key(sentinel).unsqueeze(1), h)  # (R, 1): every row is its own picture
        weights = torch.cat([places, own], dim=1).softmax(1)
        context = weighted_sum(weights[:, :-1], v) + weights[:, -1:] * sentinel
        return context + h, memory, weights

    def output(self, read: Tensor) -> Tensor:
        return self.logits(self.dropout(read))
