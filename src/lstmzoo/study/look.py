"""What a network remembers, seen from inside: how far back its gradient reaches, and how long its gates keep."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Generator, nn

from lstmzoo.nn import trace
from lstmzoo.sequences.data.sequence_dataset import SequenceDataset

SEQUENCES = 32
"""Sequences that are looked at."""

LONGEST_HALF_LIFE = 1e6
"""Steps; a gate that is open all the time forgets nothing, and this stands for never."""


def gradient_by_distance(model: nn.Module, data: SequenceDataset, points: int = 16) -> list[tuple[int, float]]:
    """How much the answer depends on the input k steps back, against how much it depends on the last one.

    ‖∂y/∂x_{T−k}‖ / ‖∂y/∂x_T‖, where y is a random projection of the answer at the last step; root mean square over
    sequences.

    Source: Hochreiter & Schmidhuber 1997, section 3; Bengio, Simard & Frasconi 1994.

    Args:
        model: a model of sequences.
        data: a problem for it.
        points: how many distances, spaced evenly on a logarithmic scale.

    Returns:
        Pairs of k and the relative gradient.
    """
    generator = Generator().manual_seed(0)
    x, _ = data.draw(SEQUENCES, generator)
    x.requires_grad_()
    answers = model(x)[:, -1]  # (B, K)
    directions = torch.randn(answers.shape, generator=generator)
    (gradient,) = torch.autograd.grad((answers * directions).sum(), x)
    sizes = gradient.double().square().sum((0, 2)).sqrt().flip(0)  # (T,), the last step first
    furthest = len(sizes) - 1
    distances = sorted({round(furthest ** (k / (points - 1))) for k in range(points)})
    return [(k, float(sizes[k] / sizes[0]) if sizes[0] > 0 else 0.0) for k in distances]


@torch.no_grad()
def forgetting(model: Any, data: SequenceDataset) -> dict[str, float] | None:
    """After how many steps half of a memory is gone, by the network's own gates.

    A unit that keeps the share f_t of its state at step t keeps ∏ f_t; its half-life is ln ½ / mean(ln f_t).

    Args:
        model: a model of sequences with a recurrent core ``rnn``.
        data: a problem for it.

    Returns:
        The half-life of the middle unit and of the one that keeps longest, in steps, at most `LONGEST_HALF_LIFE`;
        None for a cell without a gate that decides what is kept.
    """
    if (retention := model.rnn.cell.retention_gate) is None:
        return None
    gate, sign = retention
    x, _ = data.draw(SEQUENCES, Generator().manual_seed(0))
    with trace(model) as seen:
        model(x)
    kept = seen.gates[gate][-1].double()  # (T, B, H)
    kept = kept if sign > 0 else 1 - kept
    if kept.min() < 0 or kept.max() > 1:
        return None  # a gate with another activation does not say what share is kept
    rates = -kept.clamp_min(1e-12).log().mean((0, 1))  # (H,)
    lives = (math.log(2) / rates.clamp_min(math.log(2) / LONGEST_HALF_LIFE)).sort().values
    return {"median": float(lives[len(lives) // 2]), "longest": float(lives[-1])}
