"""Show, Attend and Tell."""

from typing import Any

import torch
from torch import Tensor, nn

from lstmzoo.captioning.models.attention import AdditiveAttention
from lstmzoo.captioning.models.captioner import RecurrentCaptioner, Tensors
from lstmzoo.captioning.models.step_cell import FirstState
from lstmzoo.models.model_registry import register_model


@register_model("caption_soft_attention")
class SoftAttention(RecurrentCaptioner):
    """Show, Attend and Tell with soft attention (Xu et al., ICML 2015).

        h₀, c₀ from the mean v̄            α_t = attention(v, h_{t−1})       β_t = σ(w_β h_{t−1})
        ẑ_t = β_t Σ_i α_ti v_i            h_t = cell([E s_t; ẑ_t], h_{t−1})
        p_{t+1} = softmax(L_o tanh(E s_t + L_h h_t + L_z ẑ_t))              (deep output)

    Equation 7 has no tanh there; with it the deep output has a hidden layer, as in Pascanu et al. 2014.

    Args:
        attention_size: A, hidden units of the attention.
        doubly_stochastic: λ of the penalty λ mean_i (1 − Σ_t α_ti)², which asks that every region is looked at; the sum
            is over real steps only.
        **settings: those of `RecurrentCaptioner`.
    """

    def __init__(self, attention_size: int = 256, doubly_stochastic: float = 1.0, **settings: Any) -> None:
        super().__init__(**settings)
        E, H, D = self.embedding_size, self.hidden_size, self.feature_size
        self.attention = AdditiveAttention(D, H, attention_size)
        self.gate = nn.Linear(H, 1)
        self.core = self.new_cell(E + D)
        self.first = FirstState(self.core, D)
        self.from_hidden = nn.Linear(H, E)
        self.from_picture = nn.Linear(D, E)
        self.logits = nn.Linear(E, self.vocab_size)
        self.sizes = (E, H, D)
        self.doubly_stochastic = doubly_stochastic

    def encode_image(self, v: Tensor) -> Tensors:
        return self.attention.keys(v), v

    def initial_state(self, image: Tensors) -> Tensors:
        return self.first(image[1].mean(1))

    def read_word(self, image: Tensors, state: Tensors, x: Tensor) -> tuple[Tensor, Tensors, Tensor]:
        z, weights = self.attention(*image, state[0])
        z = self.gate(state[0]).sigmoid() * z
        h, state = self.core(torch.cat([x, z], dim=1), state)
        return torch.cat([x, h, z], dim=1), state, weights

    def output(self, hidden: Tensor) -> Tensor:
        x, h, z = hidden.split(self.sizes, dim=-1)
        deep = x + self.from_hidden(self.dropout(h)) + self.from_picture(z)
        return self.logits(self.dropout(deep.tanh()))

    def penalty(self, attention: Tensor | None, real: Tensor) -> Tensor | float:
        assert attention is not None
        looked = (attention * real.unsqueeze(2)).sum(1)  # (R, N)
        return self.doubly_stochastic * ((1 - looked) ** 2).mean()
