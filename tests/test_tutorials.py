"""The notebooks of docs/tutorials/ run from top to bottom, and what they show is what their cells give."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="the tutorials need pip install -e '.[docs]'")

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "docs/tutorials").glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(cell: Any) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stdout")


def check_outputs(notebook: Any) -> None:
    """Plain text and pictures, and nothing of the machine that they were made on."""
    for output in (output for cell in code_cells(notebook) for output in cell.outputs):
        assert output.output_type != "error"
        assert "text/html" not in output.get("data", {})
        assert not re.search(r"\x1b|/tmp/|/home/", output.get("text", ""))


@pytest.mark.slow
@each_notebook
def test_a_notebook_runs_and_gives_what_it_shows(path: Path) -> None:
    stored = nbformat.read(path, as_version=4)
    run = runpy.run_path(str(ROOT / "scripts/run_tutorials"))["run"](path)
    checked = [
        (printed(new), printed(old))
        for new, old in zip(code_cells(run), code_cells(stored), strict=True)
        if "checked" in new.metadata.get("tags", [])
    ]
    check_outputs(run)
    assert checked
    for new, old in checked:
        assert new == old
        assert new


@each_notebook
def test_a_notebook_holds_what_its_cells_showed(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert [cell.execution_count for cell in code_cells(notebook)] == [*range(1, len(code_cells(notebook)) + 1)]
    check_outputs(notebook)


def test_notebooks_are_small() -> None:
    assert sum(path.stat().st_size for path in NOTEBOOKS) < 1_500_000
