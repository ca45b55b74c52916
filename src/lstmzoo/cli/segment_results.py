"""What a test of a segmenter found: a table and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lstmzoo.io.atomic import write_json
from lstmzoo.io.terminal import wide_console
from lstmzoo.segmentation.tables import scores_table, write_official_tables
from lstmzoo.segmentation.overlays import frames_sheet
from lstmzoo.segmentation.results import SegmentationResults

SHOWN = 8
"""Frames in each of the two pictures."""


def save_segmentation(results: SegmentationResults, folder: Path, about: dict[str, Any]) -> None:
    """Write metrics.json (with what is known about the test), tables as CSV, and images of the worst and best."""
    write_json(folder / "metrics.json", results.as_dict() | about)
    write_official_tables(results.scores, folder, results.split)
    for name, examples, worst_first in (("worst", results.worst, 1), ("best", results.best, -1)):
        chosen = sorted(examples, key=lambda example: worst_first * example.j)[:SHOWN]
        frames_sheet(
            [(one.frame, one.truth, one.predicted) for one in chosen],
            [f"{one.name}, frame {one.position}: J {100 * one.j:.1f}" for one in chosen],
            folder / f"{name}_frames.png",
            title=f"The {name} frame of each sequence: the truth on the left, what was found on the right",
        )


def show_segmentation(results: SegmentationResults, title: str, details: bool) -> None:
    """Print J and F, with `details` of every sequence, and what was found of things that are hidden for a while."""
    console = wide_console()
    console.print(f"{title}, {results.protocol}", soft_wrap=True)
    console.print(scores_table(results.scores, sequences=details))
    if results.occlusions:
        words = {
            "J-during": "J while objects are hidden",
            "J-after": "J after that",
            "J&F-Mean": "J&F of sequences with occlusion",
        }
        parts = (f"{words[name]} {100 * value:.1f}" for name, value in results.occlusions.items())
        console.print("; ".join(parts), soft_wrap=True)
