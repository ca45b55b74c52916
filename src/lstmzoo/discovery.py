"""Finds what registers itself: every room of this package, and installed plug-ins.

A room is a folder of this package with a ``task.py``. What it offers is registered by decorators in its modules, so
that a model, a data set or a task is one new file, and no list of them is kept anywhere. Modules from elsewhere are
imported, too: entry points of the group ``lstmzoo.plugins``, and those that the environment variable LSTMZOO_IMPORT
lists, with commas between them.
"""

import importlib
import os
import pkgutil
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from lstmzoo.errors import DataWarning, LstmzooError

ROOT = Path(__file__).parent
PLUGINS = "lstmzoo.plugins"
"""The group of the entry points."""
VARIABLE = "LSTMZOO_IMPORT"


@cache
def rooms() -> tuple[str, ...]:
    """The names of the tasks' folders, sorted."""
    return tuple(sorted(folder.parent.name for folder in ROOT.glob("*/task.py")))


@cache
def import_all(part: str) -> None:
    """Import a part of every room that has it, and all plug-ins.

    Args:
        part: ``models``, ``data`` or ``task``; of a package all modules are imported.
    """
    for room in rooms():
        name = f"lstmzoo.{room}.{part}"
        if find_spec(name) is None:
            continue
        package = importlib.import_module(name)
        for module in pkgutil.iter_modules(getattr(package, "__path__", []), f"{name}."):
            importlib.import_module(module.name)
    import_plugins()


@cache
def import_plugins() -> None:
    """Import installed plug-ins and the modules that LSTMZOO_IMPORT lists; one that cannot be is warned of."""
    for name, load in _plugins():
        try:
            load()
        except Exception as error:  # whatever it raises, everything else has to go on without it
            warnings.warn(f"{name} is left out: {error or type(error).__name__}", DataWarning, stacklevel=2)


def import_own(module: str) -> ModuleType:
    """Import a module that a person has named, from the working directory, too.

    Raises:
        LstmzooError: it cannot be imported.
    """
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module)
    except Exception as error:  # whatever the module raises, it is theirs
        where = "; work in the folder that holds it, or name that folder in PYTHONPATH"
        remedy = where if isinstance(error, ModuleNotFoundError) else ""
        raise LstmzooError(
            f"the module {module!r} cannot be imported: {type(error).__name__}: {error}{remedy}"
        ) from error


def _plugins() -> Iterator[tuple[str, Callable[[], Any]]]:
    for entry in entry_points(group=PLUGINS):
        yield f"the plug-in {entry.name} ({entry.value})", entry.load
    for module in filter(None, map(str.strip, os.environ.get(VARIABLE, "").split(","))):
        yield f"{VARIABLE}={module}", partial(import_own, module)
