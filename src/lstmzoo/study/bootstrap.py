"""Intervals of means."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

RESAMPLED = 2000


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of a mean by bootstrap, with the same random numbers each time.

    Source: Efron, "Bootstrap methods: another look at the jackknife", 1979; the percentile interval.

    Args:
        values: of the seeds.

    Returns:
        Its two ends.
    """
    drawn = np.random.default_rng(0).choice(np.asarray(values), (RESAMPLED, len(values)))
    low, high = np.quantile(drawn.mean(1), [0.025, 0.975])
    return float(low), float(high)


def interval_over_items(scores: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of a mean by bootstrap over seeds and test items, each drawn on its own.

    Source: Owen, "The pigeonhole bootstrap", 2007.

    Args:
        scores: (S, N) of S seeds on the same N items.

    Returns:
        Its two ends.
    """
    rng, (seeds, items) = np.random.default_rng(0), scores.shape
    drawn = [rng.integers(seeds, size=seeds) for _ in range(RESAMPLED)]
    means = [scores[some][:, rng.integers(items, size=items)].mean() for some in drawn]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
