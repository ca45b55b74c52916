"""What a test found: tables on the terminal, files in a folder. One entry per task."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from rich.table import Table

from lstmzoo.actions.task import RecognitionResults
from lstmzoo.captioning.task import CaptionResults
from lstmzoo.cli.caption_results import save_captions, show_captions
from lstmzoo.cli.segment_results import save_segmentation, show_segmentation
from lstmzoo.io.atomic import csv_file, write_json
from lstmzoo.io.terminal import wide_console
from lstmzoo.runs.measured import Measured
from lstmzoo.segmentation.results import SegmentationResults
from lstmzoo.viz import plots

MOST_CLASSES = 12
"""A confusion matrix of more classes is only written to files: no terminal is that wide."""


class SaveResults(Callback):
    """Writes and prints the results of a test, inside the process that has them.

    Args:
        folder: where the files go.
        title: heading of the tables.
        measured: what is tested; it is written with the numbers.
        details: also print the table of classes and the confusion matrix.
    """

    def __init__(self, folder: Path, title: str, measured: Measured, details: bool = True) -> None:
        self.folder, self.title, self.measured, self.details = folder, title, measured, details

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        results: Any = pl_module.results
        if trainer.is_global_zero:
            save, show = _TASKS[type(results)]
            save(results, self.folder, {"measured": self.measured.as_dict()})
            show(results, self.title, self.details)


def read_results(folder: Path) -> dict[str, Any]:
    """Read the numbers that `SaveResults` wrote, perhaps in another process, without what they were measured on."""
    numbers: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    del numbers["measured"]
    return numbers


def save_recognition(results: RecognitionResults, folder: Path, about: dict[str, Any]) -> None:
    """Write metrics.json (with what is known about the test), confusion_matrix.csv and .png, and predictions.csv."""
    report = results.report
    write_json(folder / "metrics.json", results.as_dict() | about)
    with csv_file(folder / "confusion_matrix.csv", ["true \\ predicted", *report.classes]) as write:
        for name, counts in zip(report.classes, report.confusion.tolist(), strict=True):
            write([name, *counts])
    plots.confusion_matrix(report.confusion, report.classes, folder / "confusion_matrix.png")
    columns = ["video", "scenario", "first", "last", "label", "prediction"]
    with csv_file(folder / "predictions.csv", [*columns, *(f"p_{name}" for name in report.classes)]) as write:
        for sequence in results.sequences:
            cells = [getattr(sequence, column) for column in columns]
            write([*cells, *(f"{p:.4f}" for p in sequence.probabilities)])


def show_recognition(results: RecognitionResults, title: str, details: bool) -> None:
    """Print the accuracies, and with `details` those of the classes beside the confusion matrix."""
    report = results.report
    console = wide_console()
    console.print(title, soft_wrap=True)
    summary = Table()
    summary.add_column("measure")
    summary.add_column("accuracy", justify="right")
    summary.add_column("over", justify="right")
    summary.add_row("sequences", f"{report.sequence_accuracy:.1%}", f"{report.num_sequences} sequences")
    summary.add_row("videos", f"{report.video_accuracy:.1%}", f"{report.num_videos} videos")
    summary.add_row(
        "sequences, frames shuffled", f"{results.shuffled.sequence_accuracy:.1%}", f"{report.num_sequences} sequences"
    )
    for name, accuracy in report.per_scenario.items() if details else ():
        summary.add_row(f"scenario {name}", f"{accuracy:.1%}", f"{report.scenario_counts[name]} sequences")
    console.print(summary)
    if not details or len(report.classes) > MOST_CLASSES:
        return
    console.print("True class against predicted class, in sequences")
    matrix = Table()
    matrix.add_column("true class", no_wrap=True)
    matrix.add_column("accuracy", justify="right", no_wrap=True)
    for name in report.classes:
        matrix.add_column(name, justify="right", overflow="fold")
    for name, counts in zip(report.classes, report.confusion.tolist(), strict=True):
        accuracy_of_class = report.per_class[name]
        share = "no sequences" if accuracy_of_class is None else f"{accuracy_of_class:.1%}"
        matrix.add_row(name, share, *(str(count) if count else "·" for count in counts))
    console.print(matrix)


_TASKS: dict[type, tuple[Callable[[Any, Path, dict[str, Any]], None], Callable[[Any, str, bool], None]]] = {
    CaptionResults: (save_captions, show_captions),
    RecognitionResults: (save_recognition, show_recognition),
    SegmentationResults: (save_segmentation, show_segmentation),
}
