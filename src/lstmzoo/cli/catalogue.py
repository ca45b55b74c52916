"""``lstmzoo list`` and ``lstmzoo check``: what is registered, and whether it is as the commands need it."""

import re
import sys
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from inspect import getdoc
from pathlib import Path

from lstmzoo.discovery import import_own
from lstmzoo.errors import LstmzooError, unknown_choice
from lstmzoo.io.terminal import print_plain
from lstmzoo.registry import Registry, datasets, models, tasks

LIST = """\
usage: lstmzoo list models|weights|cells|encoders|data|tasks|experiments [pattern]

Examples
  lstmzoo list models
  lstmzoo list models 'caption*'        names that match a pattern
"""


CHECK = """\
usage: lstmzoo check [MODULE ...]

Imports modules of your own and tests every cell, model, data set and task that they register: that models can be built
from their settings, run, carry their state from frame to frame and are rebuilt from a checkpoint with the same numbers;
that data sets and tasks declare what the commands need. Exit code 1 if something fails. Without a module: everything
that is registered.

Example
  lstmzoo check my_module
"""


def run_list(argv: Sequence[str]) -> None:
    """Print the names of one kind, each with a line about it."""
    if not argv or {"-h", "--help"} & {*argv}:
        print(LIST, end="")
        return
    if argv[0] not in KINDS:
        raise LstmzooError(unknown_choice("kind", argv[0], KINDS))
    if len(argv) > 2:
        raise LstmzooError(
            f"list takes one pattern, not {len(argv) - 1}; put it in quotes: lstmzoo list {argv[0]} 'l*'"
        )
    pattern = argv[1] if len(argv) > 1 else "*"
    known = KINDS[argv[0]]()
    found = {name: text for name, text in known.items() if fnmatchcase(name, pattern)}
    if not found:
        raise LstmzooError(unknown_choice(argv[0], pattern, known))
    width = max(map(len, found))
    for name, text in found.items():
        print(f"{name:<{width}}  {text}".rstrip())


def run_check(argv: Sequence[str]) -> None:
    """Check what the modules register.

    Raises:
        LstmzooError: a module that cannot be imported, or registers nothing.
        SystemExit: 1 where something fails.
    """
    if {"-h", "--help"} & set(argv):
        print(CHECK, end="")
        return
    from lstmzoo.conformance import checks, registered, registered_by

    known = registered() if argv else set()
    for name in argv:
        import_own(name)
    theirs = (registered() - known).union(*map(registered_by, argv))
    found = checks(sorted(theirs))
    if not found:
        raise LstmzooError(f"{', '.join(argv)}: nothing is registered there; use @register_model or the like")
    failed = 0
    for name, check in found:
        try:
            check()
        except Exception as error:  # whatever a part raises is a finding
            failed += 1
            print_plain(f"FAILED  {name}: {type(error).__name__}: {error}")
        else:
            print_plain(f"ok      {name}")
    print(f"{len(found) - failed} of {len(found)} checks passed")
    if failed:
        sys.exit(1)


def _registered(registry: Registry) -> Callable[[], dict[str, str]]:
    return lambda: {name: registry.get(name).summary for name in registry.names()}


def _cells() -> dict[str, str]:
    from lstmzoo.nn import get_cell, list_cells

    return {name: (getdoc(type(get_cell(name))) or "").partition("\n")[0] for name in list_cells()}


def _weights() -> dict[str, str]:
    """The weights in this package: task, model, data, score, parameters, size and the licence of the data."""
    from lstmzoo.models.pretrained.card import headline, model_of
    from lstmzoo.models.pretrained.names import shipped
    from lstmzoo.models.pretrained.weights_folder import read_config

    rows = {}
    for name, folder in shipped().items():
        config = read_config(folder)
        metadata, card = config["lstmzoo"], config["card"]
        size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
        cells = [card["task"], model_of(config), metadata["data"].get("name", ""), headline(card)]
        rows[name] = [*cells, f"{config['weights']['parameters']:,} parameters", f"{size:.1f} MB", card["licence"]]
    widths = [max(map(len, column)) for column in zip(*rows.values(), strict=True)]
    return {
        name: "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for name, row in rows.items()
    }


def _encoders() -> dict[str, str]:
    from lstmzoo.models.encoder_names import SMALL, list_encoders

    kinds: dict[str, list[str]] = {}
    for kind in SMALL:
        for name in list_encoders(kind):
            kinds.setdefault(name, []).append(kind)
    return {name: ", ".join(found) for name, found in kinds.items()}


def _experiments() -> dict[str, str]:
    """The experiments, each with the first line of comment in its file; those in ./configs, too."""
    from lstmzoo.config.groups import config_dir

    found = {}
    for path in sorted(p for place in (config_dir(), Path("configs")) for p in (place / "experiment").glob("*.yaml")):
        comment = re.search(r"^# (?!@)(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        found[path.stem] = comment[1] if comment else ""
    return found


KINDS: dict[str, Callable[[], dict[str, str]]] = {
    "models": _registered(models),
    "weights": _weights,
    "cells": _cells,
    "encoders": _encoders,
    "data": _registered(datasets),
    "tasks": _registered(tasks),
    "experiments": _experiments,
}
