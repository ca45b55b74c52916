"""``lstmzoo data``: make, fetch and check data sets."""

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from inspect import getdoc
from pathlib import Path
from typing import Any

from lstmzoo.config.options import described_options, parse_options
from lstmzoo.errors import LstmzooError, naming, unknown_choice
from lstmzoo.io.atomic import write_atomically
from lstmzoo.io.report import Report
from lstmzoo.io.terminal import PlainConsole
from lstmzoo.registry import datasets
from lstmzoo.settings import MISSING, Setting, settings_of, with_defaults

ACTIONS = {
    "simulate": "write a simulated data set, real files in the real layout",
    "prepare": "download, verify and unpack a data set, or take it from source=FOLDER",
    "check": "count what is there against what was published; exit code 1 if something is missing",
}

JSON = Setting("json", Path, None, "write the report for machines to this file, too")


def run(argv: Sequence[str]) -> None:
    """Run the command.

    Args:
        argv: the words after ``lstmzoo data``.

    Raises:
        LstmzooError: something unknown or missing in `argv`, or a data set that cannot be made or read.
        SystemExit: 1 where a check finds the data set incomplete.
    """
    if not argv or argv[0] == "help" or {"-h", "--help"} & set(argv):
        known = [word for word in argv if word in datasets.names()]
        print(usage(known or None), end="")
        return
    action, *rest = argv
    if action not in ACTIONS:
        raise LstmzooError(f"lstmzoo data: {unknown_choice('action', action, ACTIONS)}")
    choices = names_with(action)
    if not rest or "=" in rest[0]:
        raise LstmzooError(f"lstmzoo data {action}: name the data set first ({', '.join(choices)})")
    name, *words = rest
    if ":" not in name and name not in choices:
        raise LstmzooError(f"lstmzoo data {action}: {unknown_choice('data set', name, choices)}")
    function = getattr(datasets.find(name).target, action, None)
    if function is None:
        raise LstmzooError(f"lstmzoo data {action}: {name} cannot do this; one of {', '.join(choices)} can")
    command = f"lstmzoo data {action} {name}"
    root_key = next((word.partition("=")[0] for word in words if word.startswith("data.root=")), "root")
    words = [word.removeprefix("data.") for word in words]  # as they are written for train
    settings = _options(action, name)
    defaults = {key: value for key, value in datasets.find(name).defaults.items() if key in settings}
    options = {key: value for key, value in defaults.items() if key != "root"} | parse_options(words, settings, command)
    target = options.pop("json", None)
    with naming(root_key, options.get("root")):
        report = function(**options)
    if action != "check":
        root = shlex.quote(str(options["root"]))
        reader = report if isinstance(report, str) else name
        print(f"Written to {root}. Look at it with `lstmzoo data check {reader} root={root}`.")
        return
    if target is not None:
        write_atomically(target, json.dumps(report.as_dict(), indent=2) + "\n")
    show(report)
    if not report.complete:
        sys.exit(1)


def names_with(action: str) -> list[str]:
    """The data sets that have a certain action."""
    return [name for name in datasets.names() if getattr(datasets.get(name).target, action, None)]


def show(report: Report) -> None:
    """Print a report."""
    from rich.table import Table

    counts = report.table()
    table = Table(title=counts.title, title_justify="left")
    for number, head in enumerate(counts.heads):
        table.add_column(head, justify="right" if number else "left")
    for rows in (counts.rows, counts.totals):
        for row in rows:
            table.add_row(*("" if cell is None else str(cell) for cell in row))
        table.add_section()
    console = PlainConsole()
    console.print(table)
    for line in report.remarks():
        console.print(line, soft_wrap=True)


def usage(wanted: Sequence[str] | None = None) -> str:
    """The help text, from the data sets' own declarations; of all, or of some."""
    lines = ["usage: lstmzoo data simulate|prepare|check DATASET root=FOLDER [option=value ...]", ""]
    for action, about in ACTIONS.items():
        if entries := [*_entries(action, wanted)]:
            lines += [f"{action}: {about}", *entries, ""]
    return "\n".join(lines)


def _entries(action: str, wanted: Sequence[str] | None) -> Iterator[str]:
    """Every data set that has an action; those that share one stand together."""
    shared: dict[Any, list[str]] = {}
    for name in names_with(action):
        if wanted is not None and name not in wanted:
            continue
        function = getattr(datasets.get(name).target, action)
        shared.setdefault(getattr(function, "__func__", function), []).append(name)
    for function, names in shared.items():
        about = (getdoc(function) or "").partition("\n")[0]
        yield f"  {action} {'|'.join(names)}"
        yield f"      {about}"
        yield described_options(_options(action, names[0]), indent=6)


def _options(action: str, name: str) -> dict[str, Setting]:
    entry = datasets.find(name)
    options = settings_of(getattr(entry.target, action), ["opener"])
    options = with_defaults(options, {key: value for key, value in entry.defaults.items() if key in options})
    if "root" in options:  # where it is looked for is always said
        options["root"] = replace(options["root"], default=MISSING)
    return options | ({"json": JSON} if action == "check" else {})
