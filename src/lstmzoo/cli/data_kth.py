"""``lstmzoo data simulate|prepare|check kth``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmzoo.io.atomic import write_atomically

if TYPE_CHECKING:
    from lstmzoo.actions.data.kth_check import KTHReport


def simulate(root: str, **options: Any) -> None:
    """Write a simulated KTH."""
    from lstmzoo.actions.data.kth_simulated import simulate_kth

    simulate_kth(Path(root), **options)
    print(f"Simulated KTH written to {root}. Look at it with `lstmzoo data check kth root={root}`.")


def prepare(root: str, source: str | None = None) -> None:
    """Fetch the real KTH."""
    from lstmzoo.actions.data import kth_prepare

    print("KTH is free for non-commercial use; cite Schuldt, Laptev, Caputo (ICPR 2004).")
    kth_prepare.prepare(Path(root), source=source)
    print(f"KTH is in {root}. Compare it with the published numbers: `lstmzoo data check kth root={root}`.")


def check(root: str, json: str | None = None) -> None:
    """Count what is there; exit code 1 if something is missing."""
    from lstmzoo.actions.data import kth_check

    report = kth_check.check(root)
    if json is not None:
        write_atomically(Path(json), f"{report.to_json()}\n")
    _print(report)
    if not report.complete:
        raise SystemExit(1)


def _print(report: KTHReport) -> None:
    from rich.table import Table

    from lstmzoo.io.terminal import PlainConsole

    heads = ("found", "listed", "published")[: 3 if report.published and not report.simulated else 2]
    table = Table(title=f"KTH in {report.root}: official splits", title_justify="left")
    table.add_column("split")
    for what in ("sequences", "videos"):
        for head in heads:
            table.add_column(f"{what}\n{head}", justify="right")
    columns = len(heads)
    rows = {
        name: (
            *(count.sequences, count.sequences_listed, count.sequences_published)[:columns],
            *(count.videos, count.videos_listed, count.videos_published)[:columns],
        )
        for name, count in report.splits.items()
    }
    for name, row in rows.items():
        table.add_row(name, *map(str, row))
    table.add_section()
    table.add_row("all", *(str(sum(column)) for column in zip(*rows.values(), strict=True)))
    console = PlainConsole()
    console.print(table)
    for line in _remarks(report):
        console.print(line, soft_wrap=True)


def _remarks(report: KTHReport) -> Iterator[str]:
    """Word what the table does not show."""
    from lstmzoo.io.wording import listed

    holds = f"{len(report.persons)} persons, {len(report.actions)} actions"
    if report.simulated:
        yield f"This is a simulated KTH: {holds}. The published numbers do not apply."
    elif not report.published:
        yield f"00sequences.txt lists a part of KTH: {holds}. The published numbers do not apply."
    if report.missing:
        yield f"Missing: {len(report.missing)} video(s): {listed(report.missing)}"
    yield from (f"Damaged: {name}: {what}" for name, what in report.damaged.items())
    yield from (f"Cut short, as it was published: {name}: {what}" for name, what in report.as_published.items())
    yield from (f"Cannot be used: {reason}" for reason in report.undecodable.values())
    yield from (f"Found more than once: {name}; not used: {listed(paths)}" for name, paths in report.duplicates.items())
    if report.unlisted:
        yield f"Not used, because 00sequences.txt has no frame ranges for them: {listed(report.unlisted)}"
    lacking = [split for split, count in report.splits.items() if not count.sequences_listed]
    if len(report.persons) < 2:
        yield "One person cannot be both trained on and tested on."
    elif lacking:
        other = "kfold" if len(report.persons) > 2 else "leave_one_out"
        yield f"The official protocol would have no {listed(lacking)} split here: train with data.protocol={other}."
    yield "Complete." if report.complete else f"Not complete. {report.remedy}."
