"""``scripts/stress``: what becomes of lstmzoo among strangers' files, full disks and signals, in figures."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from stress import checkpoints, disks, fuzz, kills, trial

QUICK = 20
"""A quick run makes one in so many of the trials, at least two of each kind."""


def main(argv: list[str] | None = None) -> int:
    """Run the trials; the exit code is 1 where one of them went wrong."""
    parser = argparse.ArgumentParser(prog="scripts/stress", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"which of {', '.join(PARTS)}; all by default")
    parser.add_argument("--quick", action="store_true", help=f"one in {QUICK} of the trials")
    parser.add_argument("--seed", type=int, default=0, help="another seed makes other inputs and moments")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    options = parser.parse_args(argv)
    if unknown := set(options.parts) - PARTS.keys():
        parser.error(f"unknown part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    trial.warm_up()
    console = Console(markup=False, width=None if sys.stdout.isatty() else 120)
    figures: dict[str, list[dict[str, Any]]] = {}
    for part in options.parts or PARTS:
        with tempfile.TemporaryDirectory(prefix="lstmzoo-stress-") as folder:
            figures[part] = PARTS[part](Path(folder), 1 / QUICK if options.quick else 1.0, options.seed)
        _show(console, part, figures[part])
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return int(any(row["wrong"] for rows in figures.values() for row in rows))


def _show(console: Console, part: str, rows: list[dict[str, Any]]) -> None:
    table = Table(title=part, title_justify="left")
    columns = [column for column in rows[0] if column != "examples"]
    for column in columns:
        table.add_column(column, justify="left" if column == "what" else "right")
    for row in rows:
        table.add_row(*(str(row[column]) for column in columns))
    console.print(table)
    for row in rows:
        for example in row["examples"]:
            console.print(f"{row['what']}: {example}")


def _fuzz(folder: Path, share: float, seed: int) -> list[dict[str, Any]]:
    rows = []
    for number, target in enumerate(fuzz.TARGETS):
        count = max(2, round(target.share * share))
        rows.append(_row(target.name, list(fuzz.outcomes(target, folder / str(number), count, seed))))
    return rows


def _disks(folder: Path, share: float, seed: int) -> list[dict[str, Any]]:
    rows = []
    for number, writer in enumerate(disks.WRITERS):
        sizes = writer.sizes if share == 1 else writer.sizes[-1:]
        rows.append(_row(writer.name, list(disks.outcomes(writer, folder / str(number), sizes))))
    return rows


def _kills(folder: Path, share: float, seed: int) -> list[dict[str, Any]]:
    rows = []
    for work in kills.WORKS:
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            name = f"{work.name}, {number.name}"
            count = max(1, round(10 * share))
            found = list(kills.outcomes(work, number, folder / str(len(rows)), count, seed))
            rows.append(_row(name, found))
    return rows


def _checkpoints(folder: Path, share: float, seed: int) -> list[dict[str, Any]]:
    rows = []
    for command in checkpoints.COMMANDS:
        found = list(checkpoints.outcomes(command, folder / command, round(1 / share)))
        rows.append(_row(f"{command} of a crafted checkpoint", found))
    return rows


def _row(what: str, found: list[tuple[str, trial.Outcome]]) -> dict[str, Any]:
    """Count the outcomes of one kind of trial; `wrong` is what should be 0."""
    kinds = Counter(outcome.kind for _, outcome in found)
    wrong = [what for what, _ in found if what]
    return {
        "what": what,
        "trials": len(found),
        "read": kinds["read"],
        "refused": kinds["refused"],
        "traceback": kinds["traceback"],
        "crash": kinds["crash"],
        "hang": kinds["hang"],
        "> 10 s CPU": sum(outcome.slow for _, outcome in found),
        "> 4 GiB": sum(outcome.greedy for _, outcome in found),
        "wrong": len(wrong),
        "examples": sorted(set(wrong))[:5],
    }


PARTS = {"checkpoints": _checkpoints, "disks": _disks, "kills": _kills, "fuzz": _fuzz}

if __name__ == "__main__":
    sys.exit(main())
