"""docs/cells.md says of every cell what the code does."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

import lstmzoo.nn as zoo

PAGE = Path(__file__).parents[3] / "docs" / "cells.md"
CELLS = [name for name in zoo.list_cells() if type(zoo.get_cell(name)).__module__.startswith("lstmzoo.")]


class Row(NamedTuple):
    cell: str
    equations: str
    source: str
    parameters: str
    memory: str
    fast: str
    convention: str


def rows() -> list[Row]:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    return [Row(*(part.strip().strip("`") for part in line.strip("|").split("|"))) for line in lines]


ROWS = {row.cell: row for row in rows()}


def test_every_cell_has_one_row_and_every_row_a_cell():
    assert sorted(row.cell for row in rows()) == CELLS


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize(("I", "H"), [(3, 4), (5, 8)])
def test_parameters_are_as_many_as_the_formula_says(name, I, H):
    formula = ROWS[name].parameters.replace("·", "*")
    assert set(formula) <= set("IH0123456789+-*() ")
    counted = sum(parameter.numel() for parameter in zoo.Recurrent(name, I, H).parameters())
    assert eval(formula, {"I": I, "H": H}) == counted


@pytest.mark.parametrize("name", CELLS)
def test_the_fast_paths_are_those_that_there_are(name):
    cell = zoo.get_cell(name)
    fast = ROWS[name].fast.split(", ")
    assert set(fast) <= {"aten", "native", "parallel", "conv"}
    assert ("aten" in fast) == (cell.aten is not None)
    assert ("parallel" in fast) == (cell.parallel is not None)
    assert ("conv" in fast) == cell.convolutional


@pytest.mark.parametrize("name", CELLS)
def test_the_memory_is_the_state(name):
    """Every state is named in the row's memory; h itself only where nothing else carries the memory."""
    states = zoo.get_cell(name).state
    named = ROWS[name].memory.replace(",", " ").split()
    assert all(state in named for state in states[1:])
    assert ("h" in named) == (len(states) == 1)
