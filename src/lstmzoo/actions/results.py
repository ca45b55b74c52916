"""What a test of action recognition found: numbers, files, tables on the terminal."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from lstmzoo.actions import metrics
from lstmzoo.io.atomic import csv_file, write_json
from lstmzoo.io.terminal import wide_console

MOST_CLASSES = 12
"""A confusion matrix of more classes is only written to files: no terminal is that wide."""


@dataclass(frozen=True)
class SequencePrediction:
    """What was predicted for one sequence; frames are counted from 1, the last one included, as in 00sequences.txt."""

    video: str
    scenario: str
    first: int
    last: int
    label: str
    prediction: str
    probabilities: list[float]


@dataclass(frozen=True)
class RecognitionResults:
    """The outcome of a test."""

    report: metrics.Report  # accuracies and confusion matrix
    # the same with the frames of every clip in random order: what is lost is owed to their order
    shuffled: metrics.Report
    sequences: list[SequencePrediction]  # the prediction for every sequence

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers, ready for JSON."""
        return {**self.report.as_dict(), "shuffled_frames_accuracy": self.shuffled.sequence_accuracy}

    def save(self, folder: Path, about: dict[str, Any]) -> list[str]:
        """Write metrics.json (with what is known about the test), the confusion matrix and the predictions."""
        from lstmzoo.viz import plots

        report = self.report
        write_json(folder / "metrics.json", self.as_dict() | about)
        with csv_file(folder / "confusion_matrix.csv", ["true \\ predicted", *report.classes]) as write:
            for name, counts in zip(report.classes, report.confusion.tolist(), strict=True):
                write([name, *counts])
        plots.confusion_matrix(report.confusion, report.classes, folder / "confusion_matrix.png")
        columns = ["video", "scenario", "first", "last", "label", "prediction"]
        with csv_file(folder / "predictions.csv", [*columns, *(f"p_{name}" for name in report.classes)]) as write:
            for sequence in self.sequences:
                cells = [getattr(sequence, column) for column in columns]
                write([*cells, *(f"{p:.4f}" for p in sequence.probabilities)])
        return ["metrics.json", "confusion_matrix.csv", "confusion_matrix.png", "predictions.csv"]

    def show(self, title: str, details: bool) -> None:
        """Print the accuracies, and with `details` those of the classes beside the confusion matrix."""
        report = self.report
        console = wide_console()
        console.print(title, soft_wrap=True)
        summary = Table()
        summary.add_column("measure")
        summary.add_column("accuracy", justify="right")
        summary.add_column("over", justify="right")
        summary.add_row("sequences", f"{report.sequence_accuracy:.1%}", f"{report.num_sequences} sequences")
        summary.add_row("videos", f"{report.video_accuracy:.1%}", f"{report.num_videos} videos")
        summary.add_row(
            "sequences, frames shuffled", f"{self.shuffled.sequence_accuracy:.1%}", f"{report.num_sequences} sequences"
        )
        for name, accuracy in report.subsets.items():
            summary.add_row(f"sequences, {name} only", f"{accuracy:.1%}", "")
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
