"""What ``lstmzoo predict`` shows of segmented videos."""

from __future__ import annotations

from collections.abc import Sequence

from lstmzoo.segmentation.inference.segment_files import Segmented
from rich.table import Table


def segmented_table(videos: Sequence[Segmented]) -> Table:
    """Return one line per segmented video: its size, its objects and how fast it went."""
    table = Table(title="Masks", title_justify="left", title_style="bold", header_style="bold")
    table.add_column("video", overflow="fold")
    for column in ("frames", "size", "objects", "mean area", "frames/s", "network only"):
        table.add_column(column, justify="right")
    for video in videos:
        height, width = video.size
        area = sum(map(sum, video.areas.values())) / (len(video.frames) * height * width)
        table.add_row(
            video.name,
            f"{len(video.frames):,}",
            f"{width}×{height}",
            f"{len(video.objects)}",
            f"{area:.1%}",
            f"{video.speed:.1f}",
            f"{video.network_speed:.1f}",
        )
    return table
