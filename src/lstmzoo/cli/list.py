"""``lstmzoo list models | cells | experiments | data``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from fnmatch import fnmatchcase

from lstmzoo.errors import LstmzooError, unknown_choice

USAGE = """\
usage: lstmzoo list models|cells|experiments|data [pattern]

Examples
  lstmzoo list models
  lstmzoo list cells 'l*'        names that match a pattern
"""


def run(argv: list[str]) -> None:
    """Print the names of one kind, each with a line about it."""
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE, end="")
        return
    if argv[0] not in KINDS:
        raise LstmzooError(unknown_choice("kind", argv[0], KINDS))
    if len(argv) > 2:
        raise LstmzooError(f"list takes one pattern, not {len(argv) - 1}: {' '.join(argv[1:])}")
    pattern = argv[1] if len(argv) > 1 else "*"
    found = {name: text for name, text in KINDS[argv[0]]().items() if fnmatchcase(name, pattern)}
    if not found:
        raise LstmzooError(f"none of the {argv[0]} match {pattern!r}; `lstmzoo list {argv[0]}` shows all")
    width = max(map(len, found))
    for name, text in found.items():
        print(f"{name:<{width}}  {text}".rstrip())


def _models() -> dict[str, str]:
    from lstmzoo.models import create_model, list_models

    return {name: _first_line(type(create_model(name))) for name in list_models()}


def _cells() -> dict[str, str]:
    from lstmzoo.nn import get_cell, list_cells

    return {name: _first_line(type(get_cell(name))) for name in list_cells()}


def _experiments() -> dict[str, str]:
    return _configs("experiment")


def _data() -> dict[str, str]:
    return _configs("data")


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _configs(group: str) -> dict[str, str]:
    """The choices of a config group, each with the first line of comment in its file."""
    from lstmzoo.config.groups import config_dir

    found = {}
    for path in sorted((config_dir() / group).glob("*.yaml")):
        comment = re.search(r"^# (?!@)(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        found[path.stem] = comment[1] if comment else ""
    return found


KINDS: dict[str, Callable[[], dict[str, str]]] = {
    "models": _models,
    "cells": _cells,
    "experiments": _experiments,
    "data": _data,
}
