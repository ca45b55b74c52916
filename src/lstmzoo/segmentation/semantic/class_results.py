"""The outcome of a test with a class for every pixel."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from lstmzoo.io.atomic import csv_file, write_json
from lstmzoo.io.terminal import wide_console
from lstmzoo.segmentation.metrics.classes import ClassCounts
from lstmzoo.segmentation.results import SHOWN
from lstmzoo.segmentation.semantic.class_scoring import ClassifiedFrame, ClassifiedVideo

MEANS = {
    "mIoU": "mean IoU",
    "pixel-accuracy": "pixel accuracy",
    "mean-class-accuracy": "mean class accuracy",
    "temporal-consistency": "temporal consistency",
}
"""What the numbers of `ClassCounts.summary` are called on the terminal."""


@dataclass(frozen=True)
class ClassResults:
    """The outcome of a test."""

    classes: list[str]
    videos: Sequence[ClassifiedVideo]

    @property
    def counts(self) -> ClassCounts:
        """Those of all videos."""
        return sum_counts(self.videos, len(self.classes))

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers, ready for JSON; one that is not defined is None."""
        return {
            **_plain(self.counts.summary()),
            "protocol": "semantic",
            "classes": self.counts.by_class(self.classes),
            "sequences": {video.name: _plain(video.counts.summary()) for video in self.videos},
        }

    def save(self, folder: Path, about: dict[str, Any]) -> list[str]:
        """Write metrics.json, the confusion matrix, and images of the worst and the best frames."""
        from lstmzoo.segmentation.semantic.class_overlays import classes_sheet  # loads Matplotlib

        write_json(folder / "metrics.json", self.as_dict() | about)
        with csv_file(folder / "confusion.csv", ["true class", *self.classes]) as write:
            for name, row in zip(self.classes, self.counts.confusion.tolist(), strict=True):
                write([name, *row])
        names = ["metrics.json", "confusion.csv"]
        for title, place, sign in (("worst", 0, 1), ("best", 1, -1)):
            found: list[ClassifiedFrame] = [one.examples[place] for one in self.videos if one.examples is not None]
            if chosen := sorted(found, key=lambda one: sign * one.iou)[:SHOWN]:
                path = folder / f"{title}_frames.png"
                classes_sheet(chosen, self.classes, path, f"{title.capitalize()} frame per sequence: truth, prediction")
                names.append(path.name)
        return names

    def show(self, title: str, details: bool) -> None:
        """Print the means, with `details` a line for every class."""
        console = wide_console()
        console.print(f"{title}, semantic", soft_wrap=True)
        table = Table(header_style="bold")
        table.add_column("× 100", overflow="fold")
        for column in ("IoU", "accuracy", "share of pixels"):
            table.add_column(column, justify="right")
        for name, numbers in self.counts.by_class(self.classes).items() if details else ():
            table.add_row(name, *(_percent(value) for value in numbers.values()))
        summary = self.counts.summary()
        table.add_section()
        table.add_row("mean", _percent(summary["mIoU"]), _percent(summary["mean-class-accuracy"]), "", style="bold")
        console.print(table)
        rest = (f"{MEANS[name]} {_percent(summary[name])}" for name in ("pixel-accuracy", "temporal-consistency"))
        console.print("; ".join(rest), soft_wrap=True)


def sum_counts(videos: Sequence[ClassifiedVideo], classes: int) -> ClassCounts:
    """Add up what was counted in some videos."""
    return sum((video.counts for video in videos), ClassCounts(np.zeros((classes, classes), np.int64)))


def _plain(numbers: dict[str, float]) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else value for name, value in numbers.items()}


def _percent(value: float | None) -> str:
    return "–" if value is None or np.isnan(value) else f"{100 * value:.1f}"
