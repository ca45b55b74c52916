"""Finds what registers itself: every room of this package, and installed plug-ins.

A room is a folder of this package with a ``task.py``. What it offers is registered by decorators in its modules, so
that a model, a data set or a task is one new file, and no list of them is kept anywhere.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent


@cache
def rooms() -> tuple[str, ...]:
    """The names of the tasks' folders, sorted."""
    return tuple(sorted(folder.parent.name for folder in ROOT.glob("*/task.py")))


@cache
def import_all(part: str) -> None:
    """Import a part of every room.

    Args:
        part: ``models``, ``data`` or ``task``; of a package all modules are imported.
    """
    for room in rooms():
        name = f"lstmzoo.{room}.{part}"
        package = importlib.import_module(name)
        for module in pkgutil.iter_modules(getattr(package, "__path__", []), f"{name}."):
            importlib.import_module(module.name)
