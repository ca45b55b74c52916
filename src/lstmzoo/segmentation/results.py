"""The outcome of a test, and scores of masks that any method made."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from lstmzoo.io.atomic import write_json
from lstmzoo.io.terminal import wide_console
from lstmzoo.segmentation.metrics import DavisScores, SequenceScores
from lstmzoo.segmentation.tables import scores_table, write_official_tables

SHOWN = 8
"""Frames in each of the two images."""

OCCLUSION = {
    "J-during": "J, frames with an occluded object",
    "J-after": "J, frames after an occlusion",
    "J&F-Mean": "J&F, sequences with occlusion",
}
"""What the numbers of `occlusion_scores` are called."""


@dataclass(frozen=True)
class Example:
    """One frame of a test."""

    name: str
    position: int  # the frame's number in it, from 0
    j: float  # its J, the mean over the objects
    frame: np.ndarray  # uint8 (H, W, 3)
    predicted: np.ndarray  # uint8 (H, W), numbers of objects
    truth: np.ndarray  # uint8 (H, W), likewise; 255 void


@dataclass(frozen=True)
class VideoScore:
    """One video of a test: its place in the data set, its scores, its worst and its best frame."""

    index: int
    scores: SequenceScores
    examples: tuple[Example, Example] | None


@dataclass(frozen=True)
class SegmentationResults:
    """The outcome of a test."""

    scores: DavisScores  # J and F of every object in every frame, and what is made of them
    protocol: str  # by which they were measured
    split: str  # the list of the sequences
    worst: list[Example]  # the worst frame of each sequence
    best: list[Example]  # the best frame of each sequence
    occlusions: dict[str, float]  # of simulated sets, what `occlusion_scores` gives; empty for others

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers, ready for JSON."""
        return {
            **self.scores.summary(),
            "protocol": self.protocol,
            "occlusions": self.occlusions,
            "sequences": self.scores.by_sequence(),
        }

    def save(self, folder: Path, about: dict[str, Any]) -> list[str]:
        """Write metrics.json, the official tables, and images of the worst and the best frames."""
        from lstmzoo.segmentation.overlays import frames_sheet  # loads Matplotlib

        write_json(folder / "metrics.json", self.as_dict() | about)
        files = [folder / "metrics.json", *write_official_tables(self.scores, folder, self.split)]
        for name, examples, sign in (("worst", self.worst, 1), ("best", self.best, -1)):
            chosen = sorted(examples, key=lambda example: sign * example.j)[:SHOWN]
            files.append(folder / f"{name}_frames.png")
            frames_sheet(
                [(one.frame, one.truth, one.predicted) for one in chosen],
                [f"{one.name}, frame {one.position}: J {100 * one.j:.1f}" for one in chosen],
                files[-1],
                title=f"{name.capitalize()} frame per sequence: true and predicted masks",
            )
        return [file.name for file in files]

    def show(self, title: str, details: bool) -> None:
        """Print J and F, with `details` of every sequence, and those of occluded objects."""
        console = wide_console()
        console.print(f"{title}, {self.protocol}", soft_wrap=True)
        console.print(scores_table(self.scores, sequences=details))
        if self.occlusions:
            parts = (f"{OCCLUSION[name]}: {100 * value:.1f}" for name, value in self.occlusions.items())
            console.print("; ".join(parts), soft_wrap=True)


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
    """Measure how well objects are segmented while they are occluded, and after that.

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
