"""``lstmzoo predict`` for sequences in CSV files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch

from lstmzoo.errors import DataError
from lstmzoo.io.atomic import csv_file
from lstmzoo.io.terminal import print_plain
from lstmzoo.models.outputs import check_finite
from lstmzoo.sequences.answers import answer_cells, answer_heads
from lstmzoo.sequences.files import read_sequence
from lstmzoo.training.predictor import Predictor

TABLE = "predictions.csv"
SHOWN = 20
"""Sequences whose answers are printed."""


class SequenceFile(NamedTuple):
    """A CSV file with a step per line."""

    name: str
    path: Path


class Answers(NamedTuple):
    """The answers about a sequence of T steps, (S, K)."""

    name: str
    num_steps: int
    outputs: list[list[float]]
    ended_by: None = None


class SequencePredictor(Predictor[SequenceFile, Answers]):
    """Writes the answers at the last steps of sequences, predictions.csv."""

    noun: ClassVar[str] = "sequences"

    def find(self, wanted: str, output: Path) -> Sequence[SequenceFile]:
        """Find a CSV file, or those in a folder and its subfolders."""
        path = Path(wanted).expanduser()
        if path.is_file():
            return [SequenceFile(path.stem, path)]
        if not path.is_dir():
            raise DataError(f"input {path} does not exist; it is a CSV file with a step per line, or a folder of such")
        written = (output / TABLE).resolve()
        files = [file for file in sorted(path.rglob("*.csv")) if file.is_file() and file.resolve() != written]
        if not files:
            raise DataError(f"there is no sequence in the folder {path}; looked for files *.csv")
        return [SequenceFile(file.relative_to(path).with_suffix("").as_posix(), file) for file in files]

    def predict(self, item: SequenceFile, output: Path, *, alone: bool) -> Answers:
        x = read_sequence(item.path, self.model).to(next(self.model.parameters()).device)
        with torch.inference_mode():
            outputs = self.model(x[None])[0].float()
        check_finite(outputs, self.model, item.name)
        return Answers(item.name, len(x), outputs.tolist())

    def finish(self, outcomes: Sequence[Answers], failures: Mapping[str, str], output: Path) -> Sequence[str]:
        if not outcomes:
            return []
        classes = self.model.classes
        heads = answer_heads(classes)
        with csv_file(output / TABLE, ["sequence", "step", *heads, "error"]) as write:
            for number, one in enumerate(outcomes):
                rows = [answer_cells(classes, row) for row in one.outputs]
                for step, row in enumerate(rows, start=one.num_steps - len(rows) + 1):
                    write([one.name, step, *row, ""])
                if number < SHOWN:
                    print_plain(f"{one.name}: {' '.join(row[0] for row in rows)}")
            for name, message in failures.items():
                write([name, "", *("" for _ in heads), message])
        return [TABLE]
