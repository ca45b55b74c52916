"""What ``lstmzoo data check`` says of sequences: how long they are, what is in them, what chance is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lstmzoo.io.report import Report, Table
from lstmzoo.io.wording import listed


@dataclass(frozen=True)
class SequenceReport(Report):
    """The splits of a data set of sequences.

    Attributes:
        datasets: by split.
    """

    datasets: Mapping[str, Any]

    @property
    def complete(self) -> bool:
        """Always: sequences are drawn."""
        return True

    def table(self) -> Table:
        heads = ["split", "sequences", "steps", "inputs", "answers"]
        rows = [
            [split, len(data), data.num_steps, data.input_size, data.target_steps]
            for split, data in self.datasets.items()
        ]
        return Table("Sequences", heads, rows)

    def remarks(self) -> Iterator[str]:
        data = self.datasets["test"]
        if data.num_classes is None:
            yield f"An answer is a number; the best constant has the mean squared error {data.baseline_mse:.5f}."
        else:
            yield f"An answer is one of {data.num_classes}: {listed(data.classes, 12)}."
        if data.alphabet:
            yield f"A step is one of the symbols {listed(data.alphabet, 12)}."
        yield f"Chance is {data.chance:.1%}."

    def as_dict(self) -> dict[str, Any]:
        table, data = self.table(), self.datasets["test"]
        return {
            "splits": [dict(zip(table.heads, row, strict=True)) for row in table.rows],
            "distance": data.distance,
            "classes": list(data.classes),
            "alphabet": list(data.alphabet),
            "chance": data.chance,
            "baseline_mse": data.baseline_mse,
        }
