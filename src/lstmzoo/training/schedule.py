"""The learning rate as a pure function of the step, so that nothing needs saving and overrides take effect."""

from __future__ import annotations

import math

SCHEDULES = ("constant", "cosine")


def learning_rate(step: int, *, peak: float, schedule: str, warmup: float, total: float) -> float:
    """Return the learning rate of one optimiser step.

    With s = step, w = warmup, n = total: ::

        peak (s + 1) / w                                 while s + 1 < w
        peak                                             constant
        peak (1 + cos(π min(1, (s − w) / (n − w)))) / 2  cosine (Loshchilov & Hutter 2017, without restarts)

    Args:
        step: steps done before this one, from 0.
        peak: the largest learning rate.
        schedule: one of `SCHEDULES`.
        warmup: steps of linear warm-up; 0 for none.
        total: steps until the cosine ends.
    """
    if step + 1 < warmup:
        return peak * (step + 1) / warmup
    if schedule == "constant":
        return peak
    share = (step - warmup) / max(total - warmup, 1)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, share))))
