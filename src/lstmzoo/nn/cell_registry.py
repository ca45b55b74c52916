"""Cells by name."""

import importlib
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import TypeVar

from lstmzoo.errors import unknown_choice
from lstmzoo.nn.cell import Cell

_CELLS: dict[str, type[Cell]] = {}
C = TypeVar("C", bound=type[Cell])


def register_cell(name: str) -> Callable[[C], C]:
    """Class decorator that makes a cell known under a name, for `Recurrent(name, ...)` and ``model.cell=name``.

    Args:
        name: the name; lower case with underscores, as the field writes it.

    Returns:
        The decorator.

    Raises:
        ValueError: if another cell has the name.
    """

    def register(cls: C) -> C:
        if name in _CELLS:
            raise ValueError(f"a cell named {name!r} exists already: {_CELLS[name].__qualname__}; choose another name")
        cls.name = name
        _CELLS[name] = cls
        return cls

    return register


def list_cells(pattern: str = "*") -> list[str]:
    """Names of all registered cells that match a shell-style pattern, sorted.

    Args:
        pattern: e.g. ``"*lstm*"``.
    """
    return sorted(name for name in _CELLS if fnmatchcase(name, pattern))


def get_cell(cell: str | type[Cell] | Cell) -> Cell:
    """Return a cell object for a registered name, a place in a module, a Cell subclass, or a Cell object.

    Args:
        cell: e.g. ``"lstm"``, ``"my_package.my_cells:Peephole"`` (a Cell subclass, or a Cell object made with
            arguments, in a module that can be imported), ``PeepholeLSTM`` or ``PeepholeLSTM()``.

    Raises:
        ValueError: if no cell has that name, or there is none at that place; the message says what there is.
        TypeError: if it is none of the four, or a cell without gates or state.
    """
    if isinstance(cell, str):
        if ":" in cell:
            return get_cell(_find(cell))
        return registered(cell)
    if isinstance(cell, type) and issubclass(cell, Cell):
        return get_cell(cell())
    if isinstance(cell, Cell):
        if not hasattr(cell, "State"):
            name = type(cell).__name__
            raise TypeError(f"the cell {name} is incomplete: it must declare gates and state, see lstmzoo.nn.Cell")
        return cell
    raise TypeError(f"cell must be a registered name, a Cell subclass or a Cell object, got {type(cell).__name__}")


def registered(name: str) -> Cell:
    """Return a cell object for a registered name.

    Raises:
        ValueError: if no cell has that name; the message says which there are.
    """
    if name not in _CELLS:
        own = "; a cell of your own: import its module first, or name its place, my_module:MyCell"
        raise ValueError(unknown_choice("cell", name, _CELLS) + own)
    return _CELLS[name]()


def name_of(cell: Cell) -> str | None:
    """The registered name that gives a cell like this one, if there is one."""
    return cell.name if cell.name and not vars(cell) and _CELLS.get(cell.name) is type(cell) else None


def _find(place: str) -> type[Cell] | Cell:
    """The cell at ``module:name``; anything else there is refused, since the place may come from a checkpoint."""
    module_name, _, name = place.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError) as error:
        raise ValueError(
            f"cell {place!r}: can't import {module_name!r} ({error}); write module:Class, and put the folder that "
            "holds the module on PYTHONPATH, or install its package"
        ) from error
    found = getattr(module, name, None)
    if isinstance(found, Cell) or (isinstance(found, type) and issubclass(found, Cell)):
        return found
    there = [k for k, v in vars(module).items() if isinstance(v, type) and issubclass(v, Cell) and v is not Cell]
    raise ValueError(unknown_choice(f"cell in the module {module_name!r}:", name, there))
