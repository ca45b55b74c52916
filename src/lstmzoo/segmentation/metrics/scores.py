"""What an evaluation found: J and F (and T) of every object in every frame, and the numbers made of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

STABILITY_SCALE = 5.0
"""The official code shows T times five, "to put it in a similar range"."""

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


@dataclass(frozen=True)
class SequenceScores:
    """The scores of one sequence of N scored frames with K objects."""

    name: str
    frames: list[str]  # names of the scored frames, N of them
    j: np.ndarray  # (K, N) region similarity in 0..1; nan where an object does not count yet
    f: np.ndarray  # (K, N) contour accuracy in 0..1, likewise
    # (K,) the number in the result that was taken for each object 1..K; where the result has too few, numbers beyond
    # its highest
    proposals: np.ndarray
    # (K, N) cost of matching with the frame before, not scaled, nan where a mask is empty; None: not asked for
    t: np.ndarray | None = None
    highest: int = 0  # the highest number in the result's scored frames
    numbers: tuple[int, ...] = ()  # what the K objects are called in the data set; empty: 1, 2, …, K
    unscored: tuple[int, ...] = ()  # numbers of objects that appear too late to be scored
    # numbers that are scored although no mask of the data set has them, as the official rule has it
    absent: tuple[int, ...] = ()

    def objects(self) -> list[tuple[str, Statistics, Statistics]]:
        """Return name (``<sequence>_<object>``), J's statistics and F's of every object, in their order."""
        return [
            (f"{self.name}_{number}", statistics(j), statistics(f))
            for number, j, f in zip(self.numbers or range(1, len(self.j) + 1), self.j, self.f, strict=True)
        ]

    @property
    def stability(self) -> float | None:
        """T, the mean over all objects and frames in which both masks have something in them, times five."""
        return None if self.t is None else STABILITY_SCALE * _nanmean([_nanmean(t) for t in self.t])


@dataclass(frozen=True)
class DavisScores:
    """The scores of a set."""

    sequences: list[SequenceScores]  # the scores of each

    def summary(self) -> dict[str, float]:
        """Return the numbers of a set, by the names of the official table: every object counts the same.

        Returns:
            ``J&F-Mean``, ``J-Mean``, ``J-Recall``, ``J-Decay``, ``F-Mean``, ``F-Recall``, ``F-Decay``, and ``T-Mean``
            where T was asked for.
        """
        return _summary(self.sequences)

    def by_sequence(self) -> dict[str, dict[str, float]]:
        """Return the numbers of `summary` for every sequence by itself."""
        return {sequence.name: _summary([sequence]) for sequence in self.sequences if len(sequence.j)}

    def objects(self) -> list[tuple[str, Statistics, Statistics]]:
        """Return name (``<sequence>_<object>``), J's statistics and F's of every object."""
        return [found for sequence in self.sequences for found in sequence.objects()]

    def as_dict(self) -> dict[str, Any]:
        """Return everything, to the single frame, as plain numbers, lists and dictionaries, ready for JSON."""
        return {
            "summary": _no_nan(self.summary()),
            "sequences": {name: _no_nan(numbers) for name, numbers in self.by_sequence().items()},
            "objects": {name: {"J": j._asdict(), "F": f._asdict()} for name, j, f in self.objects()},
            "frames": {
                one.name: {
                    "frames": one.frames,
                    "J": [[None if np.isnan(value) else value for value in of] for of in one.j.tolist()],
                    "F": [[None if np.isnan(value) else value for value in of] for of in one.f.tolist()],
                    "proposals": one.proposals.tolist(),
                }
                for one in self.sequences
            },
        }


def _summary(sequences: list[SequenceScores]) -> dict[str, float]:
    objects = [found for sequence in sequences for found in sequence.objects()]
    numbers: dict[str, float] = {}
    measures: list[tuple[str, Callable[[tuple[str, Statistics, Statistics]], Statistics]]]
    measures = [("J", lambda found: found[1]), ("F", lambda found: found[2])]
    for measure, of in measures:
        for kind in Statistics._fields:
            numbers[f"{measure}-{kind.capitalize()}"] = float(np.mean([getattr(of(found), kind) for found in objects]))
    both = {"J&F-Mean": (numbers["J-Mean"] + numbers["F-Mean"]) / 2, **numbers}
    stability = [STABILITY_SCALE * _nanmean(t) for one in sequences if one.t is not None for t in one.t]
    return {**both, "T-Mean": _nanmean(stability)} if stability else both


def _nanmean(values: Any) -> float:
    """The mean over what is not nan; nan if nothing is."""
    values = np.asarray(values, np.float64)
    return float(values[~np.isnan(values)].mean()) if not np.isnan(values).all() else float("nan")


def _no_nan(numbers: dict[str, float]) -> dict[str, float | None]:
    """JSON has no nan."""
    return {name: None if np.isnan(value) else value for name, value in numbers.items()}
