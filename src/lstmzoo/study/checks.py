"""Complaints about the options of a study, before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lstmzoo.errors import LstmzooError, unknown_choice
from lstmzoo.nn import get_cell
from lstmzoo.registry import datasets
from lstmzoo.study.trial import build, cell_options, hidden_size_for, open_problem


def check_numbers(**numbers: int | None) -> None:
    """Complain of numbers below 1; None is one that is not given.

    Raises:
        LstmzooError: it names the number.
    """
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise LstmzooError(f"lstmzoo study: {name}={number} must be at least 1")


def check_lists(**lists: Sequence[Any]) -> None:
    """Complain of lists that are empty, or name something twice.

    Raises:
        LstmzooError: it names the list.
    """
    for name, values in lists.items():
        if not values or len(set(values)) < len(values):
            raise LstmzooError(f"lstmzoo study: {name}={','.join(map(str, values))} must be one or more, each once")


def check_rates(rates: Sequence[float]) -> None:
    """Complain of learning rates that are none."""
    for rate in rates:
        if not 0 < rate < float("inf"):
            raise LstmzooError(f"lstmzoo study: the learning rate {rate} must be greater than 0")


def check_problems(tasks: Sequence[str], distances: Sequence[int]) -> None:
    """Complain of tasks without a distance, and of distances that they have not."""
    known = [name for name in datasets.names() if datasets.get(name).task == "sequence"]
    for task in tasks:
        if task not in known:
            raise LstmzooError(f"lstmzoo study: {unknown_choice('task', task, known)}")
        for distance in distances:
            try:
                open_problem(task, distance)
            except LstmzooError as error:
                raise LstmzooError(f"lstmzoo study: distances={distance}, task={task}: {error}") from error


def check_keeping(name: str) -> None:
    """Complain of a cell that there is not, and of options for the gate that keeps where a cell has none."""
    cell, options = cell_options(name)
    try:
        keeps = get_cell(cell).retention_gate is not None
    except ValueError as error:
        raise LstmzooError(f"lstmzoo study: {error}") from error
    asked = [key for key in options if key in ("forget_bias", "chrono")]
    if asked and not keeps:
        raise LstmzooError(f"lstmzoo study: {name}: the cell {cell} has no gate for {asked[0]}; leave it out")


def check_cells(cells: Sequence[str], tasks: Sequence[str], size: Mapping[str, Any]) -> None:
    """Complain of cells that there are not, options that a cell has not, and sizes that cannot be had.

    Args:
        cells: with their options.
        tasks: that they are for.
        size: hidden_size, or None, and parameters.
    """
    for name in cells:
        check_keeping(name)
        for task in tasks:
            data = open_problem(task, 5)
            build(data, name, size["hidden_size"] or hidden_size_for(data, name, size["parameters"]))
