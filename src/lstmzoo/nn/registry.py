"""Cells by name."""

from __future__ import annotations

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
    """Return a cell object for a registered name, a Cell subclass, or a Cell object.

    Args:
        cell: e.g. ``"lstm"``, ``PeepholeLSTM`` or ``PeepholeLSTM()``.

    Raises:
        ValueError: if no cell has that name; the message lists the names there are.
        TypeError: if it is none of the three.
    """
    if isinstance(cell, str):
        if cell not in _CELLS:
            raise ValueError(unknown_choice("cell", cell, _CELLS))
        return _CELLS[cell]()
    if isinstance(cell, type) and issubclass(cell, Cell):
        return cell()
    if isinstance(cell, Cell):
        return cell
    raise TypeError(f"cell must be a registered name, a Cell subclass or a Cell object, got {type(cell).__name__}")
