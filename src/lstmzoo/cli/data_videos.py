"""``lstmzoo data check video_folder``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmzoo.config.options import names

if TYPE_CHECKING:
    from lstmzoo.actions.data.video_folder_check import VideoFolderReport

OPTIONS: dict[str, Callable[[str], object]] = {
    "splits": str,
    "group_pattern": str,
    "group_scope": str,
    "val_groups": names,
    "test_groups": names,
    "val_fraction": float,
    "test_fraction": float,
    "split_seed": int,
    "split_dir": str,
    "label_file": str,
    "class_file": str,
    "classes": names,
    "fold": int,
}
"""Those of ``data=video_folder`` in training that say what is seen in which video, and in which split it is."""


def check(root: str, **options: Any) -> None:
    """Count what is there; exit code 1 if it cannot be trained on as it is."""
    from lstmzoo.actions.data import video_folder_check

    report = video_folder_check.check(Path(root), **options)
    _print(report)
    if not report.complete:
        raise SystemExit(1)


def _print(report: VideoFolderReport) -> None:
    from rich.table import Table

    from lstmzoo.actions.data.group_splits import SPLITS
    from lstmzoo.io.terminal import PlainConsole

    division = report.division
    table = Table(title=f"Videos in {report.root}", title_justify="left")
    table.add_column("class")
    for head in ("videos", "frames", "shortest", "longest", *SPLITS):
        table.add_column(head, justify="right")
    for label, name in enumerate(division.classes):
        paths = [video.path for video in division.videos if video.label == label]
        frames = [report.frames[path] for path in paths if path in report.frames]
        parts = [sum(video.label == label for video in division.of(split)) for split in SPLITS]
        row = (len(paths), sum(frames), min(frames, default=0), max(frames, default=0), *parts)
        table.add_row(name, *map(str, row))
    console = PlainConsole()
    console.print(table)
    for line in _remarks(report):
        console.print(line, soft_wrap=True)


def _remarks(report: VideoFolderReport) -> Iterator[str]:
    """Word what the table does not show."""
    from lstmzoo.io.wording import counted, listed

    rates = [f"{rate:g} ({counted(number, 'video')})" for rate, number in report.rates.items()]
    if report.mixed_rates:
        yield f"Mixed frame rates: {listed(rates)}. Clips show the same span of time, but see less of slow ones"
    elif rates:
        yield f"Frame rate: {listed(rates)}"
    if not report.obstacle:
        yield str(report.division).replace("split ", "Split ", 1)
    yield from (f"Note: {problem}" for problem in report.division.problems)
    if report.shared_groups and not report.obstacle:
        yield (
            f"Note: by their names, videos of one person or place are trained on and tested on: "
            f"{listed(report.shared_groups)}"
        )
    yield from (f"Cannot be used: {reason}" for reason in report.undecodable)
    if report.division.too_few_classes:
        yield f"Cannot be trained on: {report.division.too_few_classes}"
    if report.obstacle:
        yield f"Cannot be split: {report.obstacle}"
    elif not report.division.of("test"):
        yield "There is no test split: train with test_after_fit=false."
    yield "Complete." if report.complete else "Not complete."
