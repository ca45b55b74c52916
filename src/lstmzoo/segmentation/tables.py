"""Scores and predictions as tables: on the terminal, and as the CSV files that the official tools write."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.table import Table

from lstmzoo.io.atomic import replacing
from lstmzoo.segmentation.metrics import DavisScores

COLUMNS = {
    "J&F-Mean": "J&F",
    "J-Mean": "J mean",
    "J-Recall": "recall",
    "J-Decay": "decay",
    "F-Mean": "F mean",
    "F-Recall": "recall",
    "F-Decay": "decay",
    "T-Mean": "T",
}
"""Columns on the terminal, by their official names; T only where it was asked for."""

OFFICIAL = tuple(name for name in COLUMNS if name != "T-Mean")
"""Columns of the official table of a set."""


def scores_table(scores: DavisScores, *, sequences: bool = True) -> Table:
    """Return the numbers × 100, with `sequences` one line for each, and one for all objects."""
    summary = scores.summary()
    shown = [name for name in COLUMNS if name in summary]
    table = Table(header_style="bold")
    table.add_column("× 100", overflow="fold")
    table.add_column("objects", justify="right")
    for name in shown:
        table.add_column(COLUMNS[name], justify="right")
    counts = {sequence.name: len(sequence.j) for sequence in scores.sequences}
    for sequence, numbers in scores.by_sequence().items() if sequences else ():
        table.add_row(sequence, str(counts[sequence]), *_percent(numbers, shown))
    table.add_section()
    table.add_row("all objects", str(sum(counts.values())), *_percent(summary, shown), style="bold")
    return table


def write_official_tables(scores: DavisScores, folder: Path, split: str) -> list[Path]:
    """Write ``global_results-<split>.csv`` and ``per-sequence_results-<split>.csv``.

    Names, columns, rounding and order are those of the official evaluation of 2017. That of the objects of an
    unsupervised sequence is unusual: its line ``camel_1`` is the object that the first of the matched proposals was
    paired with, not object 1. ``DavisScores.objects()`` has them by their own numbers, and so have the tables of sets
    other than DAVIS.
    """
    summary = scores.summary()
    lines = []
    for sequence in scores.sequences:
        objects = sequence.objects()
        for number, place in enumerate(np.argsort(sequence.proposals), start=1):
            name, j, f = objects[place]
            name = name if sequence.numbers else f"{sequence.name}_{number}"
            lines.append([name, f"{j.mean:.3f}", f"{f.mean:.3f}"])
    return [
        _write_csv(folder / f"global_results-{split}.csv", [OFFICIAL, [f"{summary[name]:.3f}" for name in OFFICIAL]]),
        _write_csv(folder / f"per-sequence_results-{split}.csv", [("Sequence", "J-Mean", "F-Mean"), *lines]),
    ]


def _write_csv(path: Path, lines: Sequence[Sequence[str]]) -> Path:
    with replacing(path) as temporary:
        temporary.write_text("".join(",".join(line) + "\n" for line in lines), encoding="utf-8")
    return path


def _percent(numbers: Mapping[str, float], shown: Sequence[str]) -> list[str]:
    return ["–" if np.isnan(numbers[name]) else f"{100 * numbers[name]:.1f}" for name in shown]
