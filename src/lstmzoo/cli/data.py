"""``lstmzoo data``: make, fetch and check data sets."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmzoo.cli.options import names, parse_options
from lstmzoo.errors import LstmzooError, unknown_choice

if TYPE_CHECKING:
    from lstmzoo.data.kth_check import KTHReport

USAGE = """usage: lstmzoo data simulate|prepare|check DATASET root=FOLDER [option=value ...]

  simulate kth          write a KTH of moving figures: real AVI files in the real layout
                          persons=25 scenarios=4 actions=walking,running seed=0 workers=N
  prepare kth           download, verify and unpack the real KTH (about 1.1 GB)
                          source=FOLDER   take the archives from there, download nothing
  check kth             count sequences against the published numbers; exit code 1 if something is missing
                          json=FILE       write the report for machines, too
  check video_folder    count one's own videos, a folder per class; exit code 1 if a file cannot be decoded"""


def run(argv: list[str]) -> None:
    """Run the command.

    Args:
        argv: the words after ``lstmzoo data``.

    Raises:
        LstmzooError: something unknown or missing in `argv`, or a data set that cannot be made or read.
        SystemExit: 1 where a check finds the data set incomplete.
    """
    if not argv or argv[0] == "help" or {"-h", "--help"} & set(argv):
        print(USAGE)
        return
    action, *rest = argv
    if action not in COMMANDS:
        raise LstmzooError(f"lstmzoo data: {unknown_choice('action', action, COMMANDS)}\n{USAGE}")
    choices = COMMANDS[action]
    if not rest or "=" in rest[0]:
        raise LstmzooError(f"lstmzoo data {action}: name the data set first ({', '.join(choices)})\n{USAGE}")
    dataset, *words = rest
    if dataset not in choices:
        raise LstmzooError(f"lstmzoo data {action}: {unknown_choice('data set', dataset, choices)}")
    command, kinds = choices[dataset]
    options = parse_options(words, {"root": str, **kinds}, f"lstmzoo data {action} {dataset}")
    if "root" not in options:
        raise LstmzooError(
            f"lstmzoo data {action} {dataset}: name the folder of the data set, e.g. root=data/{dataset}"
        )
    command(**options)


def _simulate_kth(root: str, **options: Any) -> None:
    from lstmzoo.data.simulate.kth import simulate_kth

    simulate_kth(Path(root), **options)
    print(f"Simulated KTH written to {root}. Look at it with `lstmzoo data check kth root={root}`.")


def _prepare_kth(root: str, source: str | None = None) -> None:
    from lstmzoo.data.kth_prepare import prepare

    print("KTH is free for non-commercial use; cite Schuldt, Laptev, Caputo (ICPR 2004).")
    prepare(Path(root), source=source)
    print(f"KTH is in {root}. Compare it with the published numbers: `lstmzoo data check kth root={root}`.")


def _check_kth(root: str, json: str | None = None) -> None:
    from lstmzoo.data.kth_check import check

    report = check(root)
    if json is not None:
        _write(Path(json), report.to_json() + "\n")
    _print_kth(report)
    if not report.complete:
        raise SystemExit(1)


def _print_kth(report: KTHReport) -> None:
    from rich.console import Console
    from rich.table import Table

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
    console = Console()
    console.print(table)
    for line in _remarks(report):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _remarks(report: KTHReport) -> Iterator[str]:
    """Word what the table does not show."""
    from lstmzoo.data.wording import listed

    holds = f"{len(report.persons)} persons, {len(report.actions)} actions"
    if report.simulated:
        yield f"This is a simulated KTH: {holds}. The published numbers do not apply."
    elif not report.published:
        yield f"00sequences.txt lists a part of KTH: {holds}. The published numbers do not apply."
    if report.missing:
        yield f"Missing: {len(report.missing)} video(s): {listed(report.missing)}"
    yield from (f"Damaged: {name}: {what}" for name, what in report.damaged.items())
    yield from (f"Cannot be decoded: {reason}" for reason in report.undecodable.values())
    yield from (f"Found more than once: {name}; not used: {listed(paths)}" for name, paths in report.duplicates.items())
    if report.unlisted:
        yield f"Not used, because 00sequences.txt has no frame ranges for them: {listed(report.unlisted)}"
    yield "Complete." if report.complete else f"Not complete. {report.remedy}."


def _check_video_folder(root: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from lstmzoo.data.video_folder import count_videos

    per_class, failed = count_videos(Path(root))
    table = Table(title=f"Videos in {root}", title_justify="left")
    table.add_column("class")
    for head in ("videos", "frames", "shortest", "longest"):
        table.add_column(head, justify="right")
    for name, frames in per_class.items():
        row = (len(frames), sum(frames), min(frames, default=0), max(frames, default=0))
        table.add_row(name, *map(str, row))
    console = Console()
    console.print(table)
    for reason in failed:
        console.print(f"Cannot be decoded: {reason}", markup=False, highlight=False, soft_wrap=True)
    if failed:
        raise SystemExit(1)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.tmp")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)


Kind = Callable[[str], object]

SIMULATION: dict[str, Kind] = {"persons": int, "scenarios": int, "actions": names, "seed": int, "workers": int}

COMMANDS: dict[str, dict[str, tuple[Callable[..., None], dict[str, Kind]]]] = {
    "simulate": {"kth": (_simulate_kth, SIMULATION)},
    "prepare": {"kth": (_prepare_kth, {"source": str})},
    "check": {"kth": (_check_kth, {"json": str}), "video_folder": (_check_video_folder, {})},
}
