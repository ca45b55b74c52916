"""The summary of ``lstmzoo predict``, on the terminal and as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table

from lstmzoo.actions.annotate import Outcome
from lstmzoo.io.atomic import csv_file


def summary_table(outcomes: Sequence[Outcome]) -> Table:
    """Return one line per video: overall label, confidence, share of time per label, length and speed."""
    table = Table(title="Predictions", title_justify="left", title_style="bold", header_style="bold")
    table.add_column("video", overflow="fold")
    table.add_column("label", style="bold")
    table.add_column("mean p", justify="right")
    table.add_column("share of the time")
    table.add_column("length", justify="right")
    table.add_column("frames/s", justify="right")
    for outcome in outcomes:
        table.add_row(
            outcome.name,
            outcome.label,
            f"{outcome.confidence:.0%}",
            _shares(outcome.shares),
            f"{outcome.seconds:.1f} s",
            f"{outcome.speed:.0f}",
        )
    return table


def write_summary(path: str | Path, outcomes: Sequence[Outcome], failures: Mapping[str, str]) -> Path:
    """Write one line per video as CSV; a video that could not be read has its error and no label."""
    header = ["video", "label", "confidence", "shares", "frames", "seconds", "error"]
    with csv_file(path, header) as write_row:
        for outcome in outcomes:
            numbers = [f"{outcome.confidence:.4f}", _shares(outcome.shares), outcome.frames, f"{outcome.seconds:.3f}"]
            write_row([outcome.name, outcome.label, *numbers, ""])
        for name, message in failures.items():
            write_row([name, "", "", "", "", "", message])
    return Path(path)


def _shares(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{label} {share:.0%}" for label, share in shares.items())
