"""Adaptive attention: when to look at the image, and when to rely on what is in memory."""

from typing import Any

import torch
from torch import Tensor, nn

from lstmzoo.captioning.models.attention import AdditiveAttention, weighted_sum
from lstmzoo.captioning.models.captioner import RecurrentCaptioner, Tensors
from lstmzoo.models.model_registry import register_model


@register_model("caption_adaptive")
class Adaptive(RecurrentCaptioner):
    """Knowing when to look: attention with a visual sentinel (Lu et al., CVPR 2017, section 2).

        x_t = [E w_t; v̄]      h_t, m_t = cell(x_t, h_{t−1})      s_t = σ(W_x x_t + W_h h_{t−1}) ⊙ tanh m_t
        e_i = w_hᵀ tanh(W_v v_i + W_g h_t)        e_s = w_hᵀ tanh(W_s s_t + W_g h_t)
        [α_t; β_t] = softmax([e; e_s])            ĉ_t = Σ_i α_ti v_i + β_t s_t        p = softmax(W_p norm(ĉ_t + h_t))

    m is the cell's memory: c where it has one, else h. The attention has N + 1 places; the last is β.

    The paper has a map for the regions, ReLU(W_a a_i), and one for the whole image, ReLU(W_b ā); here one map serves
    both, v_i = ReLU(W_a a_i), and v̄ is their mean.

    Args:
        attention_size: A, hidden units of the attention.
        hidden_size: H, units of the cell, and length to which the features of each region are mapped.
        **settings: those of `RecurrentCaptioner`, but feature_size, which is H.
    """

    NOT_SETTINGS = ("feature_size",)

    def __init__(self, attention_size: int = 256, hidden_size: int = 512, **settings: Any) -> None:
        super().__init__(hidden_size=hidden_size, feature_size=hidden_size, **settings)
        H, input_size = hidden_size, self.embedding_size + hidden_size
        self.core = self.new_cell(input_size)
        names = [*self.core.shapes]
        self.memory = names.index("c") if "c" in names and len(self.core.shapes["c"]) == 1 else 0
        self.sentinel_gate = nn.Linear(input_size + H, H)
        self.attention = AdditiveAttention(H, H, attention_size)
        self.sentinel_key = nn.Linear(H, attention_size)
        self.logits = nn.Linear(H, self.vocab_size)

    def encode_image(self, v: Tensor) -> Tensors:
        return self.attention.keys(v), v, v.mean(1)

    def initial_state(self, image: Tensors) -> Tensors:
        return self.core.zeros(image[2])

    def read_word(self, image: Tensors, state: Tensors, x: Tensor) -> tuple[Tensor, Tensors, Tensor]:
        keys, v, mean = image
        x = torch.cat([x, mean], dim=1)
        gate = self.sentinel_gate(torch.cat([x, state[0]], dim=1)).sigmoid()
        h, state = self.core(x, state)
        sentinel = gate * state[self.memory].tanh()  # (R, H)
        keys = torch.cat([keys, self.sentinel_key(sentinel).unsqueeze(1)], dim=1)
        weights = self.attention.scores(keys, h).softmax(1)  # (R, N + 1)
        context = weighted_sum(weights[:, :-1], v) + weights[:, -1:] * sentinel
        return context + h, state, weights
