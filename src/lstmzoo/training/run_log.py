"""metrics.csv: one row per epoch, and a line about it for the person who waits."""

import csv
import itertools
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from lstmzoo.errors import DataError, DataWarning
from lstmzoo.io.atomic import csv_file

FIRST, LAST = ("epoch", "step", "train/loss"), ("lr", "seconds", "data_wait")
"""The first and the last columns; what else is logged stands between them."""


class RunLog(Logger):
    """Writes what is logged once per epoch to ``metrics.csv``.

    Args:
        folder: the run folder.
        echo: called with a one-line summary of every finished epoch; None for silence.
        resumed: go on with the rows that are there; a file that cannot be read is kept under another name.
        shown: what the summary holds beside the loss, with the format of each.
    """

    def __init__(
        self,
        folder: Path,
        echo: Callable[[str], None] | None = None,
        resumed: bool = False,
        shown: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.shown = shown or {}
        self.folder = folder
        self.path = folder / "metrics.csv"
        self.echo = echo
        self.max_epochs = 0
        self.rows = _rows_so_far(self.path) if resumed and rank_zero_only.rank == 0 else {}  # type: ignore[attr-defined]

    @property
    def name(self) -> str:
        return "lstmzoo"

    @property
    def version(self) -> str:
        return ""

    @property
    def log_dir(self) -> str:
        return str(self.folder)

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Nothing to do: config.yaml has them."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Add numbers to the row of their epoch; those without an epoch, and of tests, are not kept here."""
        if "epoch" not in metrics or any(name.startswith("test/") for name in metrics):
            return
        row = self.rows.setdefault(int(metrics["epoch"]), {})
        row.update({**metrics, "epoch": int(metrics["epoch"]), "step": step or 0})
        self._write()
        if self.echo and "train/loss" in metrics:
            self.echo(summary(row, self.max_epochs, self.shown))

    def _write(self) -> None:
        names = dict.fromkeys(name for row in self.rows.values() for name in row)
        between = sorted((name for name in names if name not in (*FIRST, *LAST)), key=lambda name: name[0])
        columns = [*(name for name in FIRST if name in names), *between, *(name for name in LAST if name in names)]
        with csv_file(self.path, columns) as write:
            for epoch in sorted(self.rows):
                row = self.rows[epoch]
                write([f"{row[name]:.6g}" if name in row else "" for name in columns])


def _rows_so_far(path: Path) -> dict[int, dict[str, float]]:
    try:
        return read_rows(path)
    except DataError as error:
        names = (path.with_name(f"metrics-damaged-{number}.csv") for number in itertools.count(1))
        kept = path.rename(next(name for name in names if not name.exists()))
        warnings.warn(f"{error}; it is kept as {kept.name}, and a new one begins", DataWarning, stacklevel=2)
        return {}


def read_rows(path: Path) -> dict[int, dict[str, float]]:
    """Return the rows of a metrics.csv by epoch; none if there is no such file, or nothing in it.

    Raises:
        DataError: it is damaged.
    """
    if not path.is_file() or not path.stat().st_size:
        return {}
    rows: dict[int, dict[str, float]] = {}
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        try:
            if not {"epoch", "step"} <= {*(reader.fieldnames or ())}:
                raise KeyError
            for found in reader:
                row = {name: float(value) for name, value in found.items() if value}
                epoch, step = int(row["epoch"]), int(row["step"])
                rows[epoch] = {**row, "epoch": epoch, "step": step}
        except (ValueError, TypeError, KeyError, OverflowError, csv.Error) as error:
            raise DataError(f"{path} is damaged in line {max(reader.line_num, 1)}") from error
    return rows


def summary(row: Mapping[str, float], max_epochs: int, shown: Mapping[str, str]) -> str:
    """One line: ``epoch  3/20   loss 0.512   accuracy 81.2%   val accuracy 79.4%   12.3 s (0.8% waiting for data)``."""
    total = f"/{max_epochs}" if max_epochs > 0 else ""
    parts = [f"epoch {int(row['epoch']) + 1:>{len(total) - 1 if total else 1}}{total}"]
    for name, form in {"train/loss": ".3f", **shown}.items():
        if name in row:
            parts.append(f"{name.removeprefix('train/').replace('val/', 'val ')} {row[name]:{form}}")
    if "seconds" in row:
        parts.append(f"{row['seconds']:.1f} s ({row.get('data_wait', 0.0):.1%} waiting for data)")
    return "   ".join(parts)
