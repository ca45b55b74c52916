"""Additive attention over the regions of an image."""

import torch
from torch import Tensor, nn


class AdditiveAttention(nn.Module):
    """Where to look, given what is in memory (Bahdanau et al. 2015; Xu et al. 2015, section 4).

        e_i = wᵀ tanh(W_v v_i + W_h h)      α = softmax(e)      z = Σ_i α_i v_i

    Args:
        value_size: D, length of v_i.
        query_size: H, length of h.
        attention_size: A.
    """

    def __init__(self, value_size: int, query_size: int, attention_size: int) -> None:
        super().__init__()
        self.keys = nn.Linear(value_size, attention_size)
        self.query = nn.Linear(query_size, attention_size, bias=False)
        self.score = nn.Linear(attention_size, 1, bias=False)

    def scores(self, keys: Tensor, query: Tensor) -> Tensor:
        """Unnormalised e (R, N), for keys W_v v (R, N, A) and h (R, H)."""
        return self.score((keys + self.query(query).unsqueeze(1)).tanh()).squeeze(-1)

    def forward(self, keys: Tensor, values: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        """Look.

        Args:
            keys: (R, N, A), what `keys` makes of the values, once per image.
            values: (R, N, D).
            query: (R, H).

        Returns:
            z (R, D), and α (R, N).
        """
        weights = self.scores(keys, query).softmax(-1)
        return weighted_sum(weights, values), weights


def weighted_sum(weights: Tensor, values: Tensor) -> Tensor:
    """Σ_i α_i v_i (R, D), for α (R, N) and v (R, N, D)."""
    return torch.bmm(weights.unsqueeze(1), values).squeeze(1)
