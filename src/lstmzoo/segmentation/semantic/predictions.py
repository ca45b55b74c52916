"""What ``lstmzoo predict`` writes of a class for every pixel, beside the label images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from lstmzoo.io.atomic import csv_file

MOST_COLUMNS = 12
"""Videos in the table on the terminal."""


def write_shares(path: Path, classes: Sequence[str], frames: Sequence[str], shares: np.ndarray) -> Path:
    """Write the share of every class in every frame as CSV.

    Args:
        path: the file.
        classes: the K names.
        frames: the T names.
        shares: (T, K).
    """
    with csv_file(path, ["frame", *classes]) as write:
        for name, row in zip(frames, shares, strict=True):
            write([name, *(f"{share:.5f}" for share in row)])
    return path


def shares_table(classes: Sequence[str], videos: Sequence[Any]) -> Table:
    """Return one line per class, its mean share in each video, and below them how fast it went."""
    table = Table(title="Share of pixels", title_justify="left", title_style="bold", header_style="bold")
    table.add_column("class", overflow="fold")
    means = np.array([video.shares().mean(0) for video in videos[:MOST_COLUMNS]])  # (videos, K)
    for video in videos[:MOST_COLUMNS]:
        table.add_column(video.name, justify="right", overflow="fold")
    for name, row in zip(classes, means.T, strict=True):
        table.add_row(name, *(f"{share:.1%}" for share in row))
    table.add_section()
    table.add_row("frames", *(f"{len(video.frames):,}" for video in videos[:MOST_COLUMNS]))
    table.add_row("frames/s", *(f"{video.speed:.1f}" for video in videos[:MOST_COLUMNS]))
    table.add_row("network only", *(f"{video.network_speed:.1f}" for video in videos[:MOST_COLUMNS]))
    return table
