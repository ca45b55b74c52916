"""Runs side by side: what differs between them, and what they reached, as mean and standard deviation over seeds."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from lstmzoo.config.options import written
from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.io.atomic import csv_file, write_atomically
from lstmzoo.io.terminal import print_plain, wide_console
from lstmzoo.runs.run_folder import read_config
from lstmzoo.training.run_log import read_rows
from lstmzoo.viz.comparison import Line, comparison

LARGEST = 100_000_000
"""Bytes of a metrics.json that may be ours."""

IGNORED = ("seed", "resume", "data.root", "data.cache_dir", "trainer.default_root_dir")
"""Settings in which runs of one kind may differ."""


@dataclass(frozen=True)
class Run:
    """A run that has ended."""

    folder: Path
    settings: Mapping[str, Any]  # its configuration, by full key
    monitor: str | None  # the validation result by which its best checkpoint was chosen
    measures: Mapping[str, float]  # numbers by name: best validation result, those of the test, parameters, seconds
    curve: Mapping[int, float]  # the monitored result by epoch


@dataclass(frozen=True)
class Row:
    """Runs that differ in their seeds only."""

    keys: tuple[str, ...]  # the values of the settings that differ between rows
    runs: tuple[Run, ...]

    def mean(self, measure: str) -> tuple[float, float | None] | None:
        """Mean and standard deviation of a measure; None where no run has it, or only one does."""
        values = [run.measures[measure] for run in self.runs if measure in run.measures]
        if not values:
            return None
        return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def compare(folders: Sequence[Path], output: Path) -> None:
    """Compare runs: a table on the terminal, summary.csv, summary.md and summary.png in a folder.

    Raises:
        LstmzooError: a folder without a run that has ended.
    """
    runs = [read_run(folder) for folder in folders]
    keys = _differing(runs)
    rows = _rows(runs, keys)
    measures = list(dict.fromkeys(name for run in runs for name in run.measures))
    heads = [*keys, "runs", *measures]
    cells = [[*row.keys, str(len(row.runs)), *(_shown(row.mean(name)) for name in measures)] for row in rows]
    table = Table(title="Runs: mean ± standard deviation over seeds", title_justify="left")
    for head in heads:
        table.add_column(
            head.replace("_", " ") if head in measures else head,
            justify="right" if head in measures else "left",
            overflow="fold",
        )
    for row in cells:
        table.add_row(*row)
    console = wide_console()
    if not console.is_terminal:  # for a file or a pipe, as wide as it needs
        console.width = max(console.width, console.measure(table).maximum)
    console.print(table)
    _write(output, heads, cells, rows, measures)
    lines = [
        Line(
            ", ".join(f"{key}={value}" for key, value in zip(keys, row.keys, strict=True)),
            [run.curve for run in row.runs],
        )
        for row in rows
    ]
    monitors = {run.monitor for run in runs}
    files = ["summary.csv", "summary.md"]
    if len(monitors) == 1 and None not in monitors and any(run.curve for run in runs):
        files.append(comparison(lines, output / "summary.png", str(monitors.pop())).name)
    print_plain(f"Written to {output}: {', '.join(files)}")


def read_run(folder: Path) -> Run:
    """Read what a run has left in its folder.

    Raises:
        LstmzooError: there is no run, or it has not ended.
    """
    file = folder / "metrics.json"
    config = read_config(folder)
    try:
        if file.stat().st_size > LARGEST:
            raise ValueError(f"it is larger than {LARGEST:,} bytes")
        found = json.loads(file.read_text(encoding="utf-8"))
        test = {
            name: value
            for name, value in (found["test"] or {}).items()
            if _is_number(value) and not name.startswith("num_")
        }
        monitor, best = found["monitor"], found["best"]
        measures = {f"best {monitor}": best} if _is_number(best) else {}
        measures |= {f"test {name}": value for name, value in test.items()}
        measures |= {name: found[name] for name in ("parameters", "seconds")}
    except FileNotFoundError as error:
        raise LstmzooError(f"{folder} has no metrics.json: the run has not ended") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{file} is not that of a run: {error}") from error
    rows = read_rows(folder / "metrics.csv")
    curve = {epoch + 1: row[monitor] for epoch, row in rows.items() if monitor in row}
    return Run(folder, _flat(config), monitor, measures, curve)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in config.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def _differing(runs: Sequence[Run]) -> list[str]:
    """The settings in which runs differ; of a group that differs by its name, the name alone."""
    keys = list(dict.fromkeys(key for run in runs for key in run.settings if key not in IGNORED))
    differing = [key for key in keys if len({repr(run.settings.get(key)) for run in runs}) > 1]
    named = {key.removesuffix("name") for key in differing if key in ("model.name", "data.name", "task.name")}
    return [key for key in differing if key.endswith(".name") or not key.startswith(tuple(named) or "\0")]


def _rows(runs: Sequence[Run], keys: Sequence[str]) -> list[Row]:
    grouped: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        grouped.setdefault(tuple(written(run.settings.get(key)) for key in keys), []).append(run)
    return [Row(values, tuple(members)) for values, members in grouped.items()]


def _shown(found: tuple[float, float | None] | None) -> str:
    if found is None:
        return ""
    mean, deviation = found
    form = ".3f" if abs(mean) < 10 else ",.1f" if mean % 1 else ",.0f"
    return f"{mean:{form}}" if deviation is None else f"{mean:{form}} ± {deviation:{form}}"


def _write(
    output: Path, heads: Sequence[str], cells: Sequence[Sequence[str]], rows: Sequence[Row], measures: Sequence[str]
) -> None:
    """Write summary.md, as the terminal has it, and summary.csv, a line for each run with all its digits."""
    lines = [heads, ["---"] * len(heads), *cells]
    write_atomically(output / "summary.md", "".join(f"| {' | '.join(line)} |\n" for line in lines))
    keys = heads[: heads.index("runs")]
    with csv_file(output / "summary.csv", ["run", *keys, "seed", *measures]) as write:
        for row in rows:
            for run in row.runs:
                numbers = [run.measures.get(name, "") for name in measures]
                write([str(run.folder), *row.keys, run.settings.get("seed", ""), *numbers])
