"""``lstmzoo data simulate|prepare|check davis``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmzoo.io.atomic import write_atomically

if TYPE_CHECKING:
    from lstmzoo.segmentation.data.check import DAVISReport


def simulate(root: str, **options: Any) -> None:
    """Write a simulated DAVIS."""
    from lstmzoo.segmentation.data.simulator import simulate_davis

    simulate_davis(Path(root), **options)
    print(f"Simulated DAVIS written to {root}. Look at it with `lstmzoo data check davis root={root}`.")


def prepare(root: str, dataset: str = "2017", resolution: str = "480p", source: str | None = None) -> None:
    """Fetch a real DAVIS."""
    from lstmzoo.segmentation.data.prepare import TERMS
    from lstmzoo.segmentation.data.prepare import prepare as fetch

    print(TERMS)
    fetch(Path(root), dataset, resolution=resolution, source=source)
    print(f"DAVIS is in {root}. Compare it with the published numbers: `lstmzoo data check davis root={root}`.")


def check(root: str, resolution: str = "480p", unsupervised: bool = False, json: str | None = None) -> None:
    """Count what is there; exit code 1 if something is missing."""
    from lstmzoo.segmentation.data.check import check as count

    report = count(root, resolution, unsupervised=unsupervised)
    if json is not None:
        write_atomically(Path(json), f"{report.to_json()}\n")
    _print(report)
    if not report.complete:
        raise SystemExit(1)


def _print(report: DAVISReport) -> None:
    from rich.table import Table

    from lstmzoo.io.terminal import PlainConsole

    table = Table(title=f"DAVIS in {report.root}", title_justify="left")
    table.add_column("split")
    for head in ("sequences\nlisted", "sequences\nfound", "frames\nfound", "masks\nfound", "objects\nfound"):
        table.add_column(head, justify="right")
    if not report.simulated:
        table.add_column("published: sequences,\nframes, objects", justify="right")
    for split, count in report.splits.items():
        found = (count.sequences_listed, count.sequences, count.frames, count.masks, count.objects)
        published = (count.sequences_published, count.frames_published, count.objects_published)
        known = ", ".join(str(number) for number in published if number is not None)
        table.add_row(split, *map(str, found), *([] if report.simulated else [known]))
    console = PlainConsole()
    console.print(table)
    for line in _remarks(report):
        console.print(line, soft_wrap=True)


def _remarks(report: DAVISReport) -> Iterator[str]:
    """Word what the table does not show."""
    from lstmzoo.io.wording import listed

    if report.simulated:
        yield "This is a simulated DAVIS. The published numbers do not apply."
    else:
        yield from (
            f"{split} is not the published list: {count.sequences_listed} sequences instead of "
            f"{count.sequences_published}."
            for split, count in report.splits.items()
            if count.sequences_published not in (None, count.sequences_listed)
        )
    yield f"Sizes: {listed(f'{size} ({number} sequences)' for size, number in report.sizes.items())}"
    if report.empty_masks:
        masks = sum(report.empty_masks.values())
        yield f"Masks without an object: {masks}, in {listed(report.empty_masks)}"
    if report.void:
        yield f"With void pixels: {listed(report.void)}"
    if report.unlisted:
        yield f"In no list: {listed(report.unlisted)}"
    if report.jumping:
        numbers = (f"{name} ({listed(numbers)})" for name, numbers in report.jumping.items())
        yield f"Numbers of objects that are not 1, 2, …: {listed(numbers)}"
    yield from (f"Cannot be used: {name}: {problem}" for name, problem in report.problems.items())
    yield from (f"{fault}." for fault in report.faults)
    if report.complete:
        yield "Complete."
    else:
        yield f"Not complete. {report.remedy}." if report.remedy else "Not complete."
