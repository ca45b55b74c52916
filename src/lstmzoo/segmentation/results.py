"""The outcome of a test of a segmenter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from lstmzoo.segmentation.metrics import DavisScores, SequenceScores


@dataclass(frozen=True)
class Example:
    """One frame of a test.

    Attributes:
        name: the sequence.
        position: the frame's number in it, from 0.
        j: its J, the mean over the objects.
        frame: uint8 (H, W, 3).
        predicted: uint8 (H, W), numbers of objects.
        truth: uint8 (H, W), likewise; 255 void.
    """

    name: str
    position: int
    j: float
    frame: np.ndarray
    predicted: np.ndarray
    truth: np.ndarray


@dataclass(frozen=True)
class VideoScore:
    """One video of a test: its place in the data set, its scores, its worst and its best frame."""

    index: int
    scores: SequenceScores
    examples: tuple[Example, Example] | None


@dataclass(frozen=True)
class SegmentationResults:
    """The outcome of a test.

    Attributes:
        scores: J and F of every object in every frame, and what is made of them.
        protocol: by which they were measured.
        split: the list of the sequences.
        worst: the worst frame of each sequence.
        best: the best frame of each sequence.
        occlusions: of simulated sets, what `occlusion_scores` gives; empty for others.
    """

    scores: DavisScores
    protocol: str
    split: str
    worst: list[Example]
    best: list[Example]
    occlusions: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers, ready for JSON."""
        return {
            **self.scores.summary(),
            "protocol": self.protocol,
            "occlusions": self.occlusions,
            "sequences": self.scores.by_sequence(),
        }


def find_example(
    scores: SequenceScores, positions: Sequence[int], video: Tensor, predicted: np.ndarray, truth: np.ndarray
) -> tuple[Example, Example]:
    """Return the worst and the best frame of a sequence by J.

    Args:
        scores: of the sequence; the names of its frames are their numbers in the video.
        positions: numbers of the frames that are annotated, N of them.
        video: uint8 (T, 3, H, W).
        predicted: uint8 (N, H, W).
        truth: uint8 (N, H, W).
    """
    j = np.nanmean(scores.j, axis=0)  # over the objects

    def example(number: int) -> Example:
        position = int(scores.frames[number])
        row = list(positions).index(position)
        frame = video[position].permute(1, 2, 0).cpu().numpy()
        return Example(scores.name, position, float(j[number]), frame, predicted[row], truth[row])

    return example(int(j.argmin())), example(int(j.argmax()))


def occlusion_scores(scores: DavisScores, occlusions: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Measure how well objects are found while and after they are hidden.

    Args:
        scores: of the set.
        occlusions: for each sequence the numbers of the frames, ``"during"`` and ``"after"`` it.

    Returns:
        The means of J, over the objects and then over all such frames, ``J-during`` and ``J-after``, and the
        ``J&F-Mean`` of the sequences that have any. Empty where there are none.
    """
    found: dict[str, list[float]] = {"during": [], "after": []}
    occluded = []
    for one in scores.sequences:
        frames = occlusions.get(one.name, {})
        for when, values in found.items():
            chosen = [column for column, name in enumerate(one.frames) if int(name) in frames.get(when, ())]
            values += one.j[:, chosen].mean(axis=0).tolist()
        occluded += [one] if frames.get("during") else []
    if not occluded:
        return {}
    means = {f"J-{when}": float(np.mean(values)) for when, values in found.items() if values}
    return {**means, "J&F-Mean": DavisScores(occluded).summary()["J&F-Mean"]}
