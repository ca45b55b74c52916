"""Mean, recall and decay of a measure over the frames of a sequence."""

from typing import NamedTuple

import numpy as np

RECALL_THRESHOLD = 0.5
QUARTERS = 4


class Statistics(NamedTuple):
    """A measure over the frames of one object."""

    mean: float  # over all frames
    recall: float  # the share of frames better than 0.5
    # the mean over the first quarter less the mean over the last; positive where quality is lost with time
    decay: float


def statistics(values: np.ndarray) -> Statistics:
    """Return mean, recall and decay of a measure.

    The quarters lie between the N frames' numbers 1, 1 + (N-1)/4, …, N, rounded; a frame on the border of two belongs
    to both. (The official code keeps these numbers in 8 bits, which goes wrong beyond 256 frames; here it doesn't.)

    Args:
        values: (N,) one per frame in 0..1, N ≥ 1; nan, of which there may be fewer than N, plays no part.

    Source: Perazzi et al. 2016, §4; roundings as in the official evaluation of 2017.
    """
    values = np.asarray(values, np.float64)
    values = values[~np.isnan(values)]
    borders = np.round(np.linspace(1, len(values), QUARTERS + 1) + 1e-10).astype(int) - 1
    first, last = values[: borders[1] + 1], values[borders[-2] :]
    return Statistics(
        float(values.mean()), float((values > RECALL_THRESHOLD).mean()), float(first.mean() - last.mean())
    )
