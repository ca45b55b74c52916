"""What a test of the sequence task found: numbers, files, a table on the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.table import Table

from lstmzoo.io.atomic import csv_file, write_json
from lstmzoo.io.terminal import wide_console
from lstmzoo.sequences.answers import answer_cells, answer_heads
from lstmzoo.sequences.data.sequence_dataset import SequenceDataset

Z = 1.959964  # 95 % of a normal distribution lie within


class Answered(NamedTuple):
    """The answers about one sequence.

    Attributes:
        item: the sequence, by its index in the data set.
        target: (S,) true answers.
        answers: (S, K) outputs of the model.
        right: (S,) which are right.
    """

    item: int
    target: list[float]
    answers: list[list[float]]
    right: list[bool]


@dataclass(frozen=True)
class SequenceResults:
    """The outcome of a test.

    Attributes:
        dataset: what was tested on.
        sequences: the answers about each sequence.
    """

    dataset: SequenceDataset
    sequences: Sequence[Answered]

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers, ready for JSON; the score is corrected for chance, (accuracy - chance) / (1 - chance)."""
        chance = self.dataset.chance
        accuracy = float(np.mean([one.right for one in self.sequences]))
        interval = wilson(accuracy, len(self.sequences))
        found: dict[str, Any] = {
            "accuracy": accuracy,
            "accuracy_interval": list(interval),
            "chance": chance,
            "score": (accuracy - chance) / (1 - chance),
            "score_interval": [(end - chance) / (1 - chance) for end in interval],
            "distance": self.dataset.distance,
            "num_sequences": len(self.sequences),
        }
        if self.dataset.num_classes is None:
            errors = [np.subtract(one.target, np.squeeze(one.answers, 1)) for one in self.sequences]
            found |= {"mse": float(np.square(errors).mean()), "baseline_mse": self.dataset.baseline_mse}
        return found

    def save(self, folder: Path, about: dict[str, Any]) -> list[str]:
        """Write metrics.json (with what is known about the test) and predictions.csv, one line per answer."""
        write_json(folder / "metrics.json", self.as_dict() | about)
        dataset = self.dataset
        first = dataset.num_steps - dataset.target_steps + 1
        heads = ["sequence", "step", *answer_heads(dataset.classes), "target", "right"]
        with csv_file(folder / "predictions.csv", heads) as write:
            for one in self.sequences:
                answered = zip(one.answers, one.target, one.right, strict=True)
                for step, (output, true, right) in enumerate(answered, start=first):
                    write([one.item, step, *answer_cells(dataset.classes, output), self.named(true), int(right)])
        return ["metrics.json", "predictions.csv"]

    def named(self, value: float) -> str:
        """A target for a table: the name of its class, or the number of a regression."""
        return self.dataset.classes[int(value)] if self.dataset.num_classes else f"{value:.6f}"

    def show(self, title: str, details: bool) -> None:
        """Print the numbers."""
        numbers = self.as_dict()
        console = wide_console()
        console.print(title, soft_wrap=True)
        table = Table()
        for head in ("measure", "value", "95 % interval"):
            table.add_column(head, justify="left" if head == "measure" else "right")
        table.add_row("accuracy", f"{numbers['accuracy']:.1%}", _interval(numbers["accuracy_interval"]))
        table.add_row("corrected for chance", f"{numbers['score']:.1%}", _interval(numbers["score_interval"]))
        table.add_row("chance", f"{numbers['chance']:.1%}", "")
        if "mse" in numbers:
            table.add_row("mean squared error", f"{numbers['mse']:.5f}", "")
            table.add_row("that of the best constant", f"{numbers['baseline_mse']:.5f}", "")
        console.print(table)


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927).

    Args:
        share: of the sequences, 0..1; where a sequence has several answers, the interval is rather too wide.
        count: sequences.
    """
    middle = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z * (share * (1 - share) / count + Z**2 / (4 * count**2)) ** 0.5 / (1 + Z**2 / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def _interval(ends: Sequence[float]) -> str:
    return " to ".join(f"{end:.1%}" for end in ends)
