"""Additive attention over the cells of a picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AdditiveAttention(nn.Module):
    """Where to look, given what is in memory (Bahdanau et al. 2015; Xu et al. 2015, section 4).

        e_i = wᵀ tanh(W_v v_i + W_h h)      α = softmax(e)      z = Σ_i α_i v_i

    The rows of queries may be several per picture (captions, beams), one after another: row r looks at picture r // k,
    whose values and keys are held once.

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
        """Unnormalised e (R, N), for keys W_v v (B, N, A) and h (R, H)."""
        q = self.query(query).unflatten(0, (len(keys), -1))  # (B, k, A)
        return self.score((keys.unsqueeze(1) + q.unsqueeze(2)).tanh()).flatten(0, 1).squeeze(-1)

    def forward(self, keys: Tensor, values: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        """Look.

        Args:
            keys: (B, N, A), what `keys` makes of the values, once per picture.
            values: (B, N, D).
            query: (R, H), with R = B · k.

        Returns:
            z (R, D), and α (R, N).
        """
        weights = self.scores(keys, query).softmax(-1)
        return weighted_sum(weights, values), weights


def weighted_sum(weights: Tensor, values: Tensor) -> Tensor:
    """Σ_i α_i v_i (R, D), for α (R, N) and v (B, N, D) with R = B · k."""
    return torch.bmm(weights.unflatten(0, (len(values), -1)), values).flatten(0, 1)


def per_row(picture: Tensor, rows: int) -> Tensor:
    """Repeat what there is once per picture (B, ...) for every row (R, ...)."""
    return picture if rows == len(picture) else picture.repeat_interleave(rows // len(picture), dim=0)
