"""What a test of a segmenter found: a table and files."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from lstmzoo.cli.run_folder import write_json
from lstmzoo.inference.davis_tables import scores_table, write_official_tables
from lstmzoo.inference.segment_plots import frames_sheet
from lstmzoo.tasks.segmentation_results import SegmentationResults

SHOWN = 8
"""Frames in each of the two pictures."""


def save_segmentation(results: SegmentationResults, folder: Path) -> None:
    """Write metrics.json, the tables as CSV, and the worst and the best frames as pictures."""
    write_json(folder / "metrics.json", results.as_dict())
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
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(f"{title}, {results.protocol}", soft_wrap=True, highlight=False)
    console.print(scores_table(results.scores, sequences=details))
    if results.occlusions:
        words = {
            "J-during": "J while objects are hidden",
            "J-after": "J after that",
            "J&F-Mean": "J&F of sequences in which objects are hidden",
        }
        parts = (f"{words[name]} {100 * value:.1f}" for name, value in results.occlusions.items())
        console.print("; ".join(parts), soft_wrap=True, highlight=False)
