"""scripts/reproduce: its tables are those of the documentation, their commands are valid, and what is there is kept."""

from __future__ import annotations

import importlib
import importlib.util
import json
import shlex
import statistics
import sys
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from lstmzoo.cli import main
from lstmzoo.config.compose import compose
from lstmzoo.config.options import parse_options
from lstmzoo.nn import get_cell
from lstmzoo.registry import datasets
from lstmzoo.settings import settings_of

ROOT = Path(__file__).resolve().parents[1]


def load() -> ModuleType:
    loader = SourceFileLoader("reproduce", str(ROOT / "scripts/reproduce"))
    spec = importlib.util.spec_from_loader("reproduce", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["reproduce"] = module  # dataclasses look it up there
    loader.exec_module(module)
    return module


reproduce = load()
TABLES = {name: table for name, table in reproduce.TABLES.items() if isinstance(table, reproduce.Table)}
TRAININGS = {
    f"{name}-{number}": f"{table.train} {row.train}"
    for name, table in TABLES.items()
    for number, row in enumerate(table.rows)
    if row.train is not None
}


@pytest.mark.parametrize("name", TABLES)
def test_documentation_has_the_rows_and_columns(name: str) -> None:
    table = TABLES[name]
    lines = [line.strip("| ") for line in (ROOT / table.page).read_text(encoding="utf-8").splitlines()]
    assert " | ".join([table.first, *table.columns]) in lines
    for row in table.rows:
        assert any(line.startswith(row.label.strip("| ") + " | ") for line in lines), row.label


@pytest.mark.parametrize("name", reproduce.TABLES)
def test_documentation_has_the_command(name: str) -> None:
    assert f"scripts/reproduce {name}" in (ROOT / reproduce.TABLES[name].page).read_text(encoding="utf-8")


@pytest.mark.parametrize("words", TRAININGS.values(), ids=TRAININGS)
def test_trainings_are_valid(words: str) -> None:
    runs = [f"run{number}" for number in range(9)]
    compose("train", [word for word in words.format(*runs).split() if not word.startswith("task.start_from=")])


@pytest.mark.parametrize(
    "words",
    [words for study in reproduce.TABLES.values() if isinstance(study, reproduce.Study) for words in study.commands],
)
def test_studies_are_valid(words: str) -> None:
    """Their options exist, and what they name does: cells, problems and distances."""
    name, *options = words.split()
    study = importlib.import_module(f"lstmzoo.study.{name}")
    settings = settings_of(getattr(study, f"study_{name}"))
    values = parse_options(options, settings, "lstmzoo study")
    assert {*values.get("task", [])} <= {*datasets.names(), "all"}
    for cell in [cell.partition("@")[0] for cell in values.get("cells", [])]:
        assert cell == "all" or get_cell(cell)


TINY = (
    "data=recall data.distance=3 data.test_size=64 data.epoch_size=64 model.hidden_size=4 trainer.max_epochs=1 "
    "trainer.accelerator=cpu callbacks.progress=none data.num_workers=0"
)


@pytest.mark.slow
def test_table_is_made_of_what_the_runs_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    commands: list[str] = []

    def in_this_process(words: Sequence[str]) -> None:
        commands.append(words[0])
        assert main([*words]) == 0

    monkeypatch.setattr(reproduce, "lstmzoo", in_this_process)
    monkeypatch.setattr(reproduce, "RUNS", tmp_path)
    rows = [
        reproduce.Row("LSTM", "model.cell=lstm"),
        reproduce.Row("the same, far", None, "data.distance=9"),
        reproduce.Row("GRU", "model.cell=gru"),
    ]
    tiny = reproduce.Table("no page", rows, {"right": "accuracy", "chance": "chance"}, seeds=2, train=TINY)
    monkeypatch.setitem(reproduce.TABLES, "tiny", tiny)
    assert reproduce.main(["tiny"]) == 0
    assert commands == ["train", "train", "eval", "eval", "train", "train"]
    table = capfd.readouterr().out.splitlines()[-5:]
    assert table[0] == "| model | right | chance |"
    assert [line.split(" | ")[0] for line in table[2:]] == ["| LSTM", "| the same, far", "| GRU"]

    def right(folder: str) -> float:
        metrics = json.loads((tmp_path / "tiny" / folder / "metrics.json").read_text())
        return 100 * metrics.get("test", metrics)["accuracy"]

    lstm = [right(f"row_0/seed_{seed}") for seed in range(2)]
    assert table[2].split(" | ")[1] == f"{statistics.mean(lstm):.1f} ± {statistics.stdev(lstm):.1f}"
    far = [right(f"row_1/measured_{seed}") for seed in range(2)]
    assert table[3].split(" | ")[1] == f"{statistics.mean(far):.1f} ± {statistics.stdev(far):.1f}"

    assert reproduce.main(["tiny"]) == 0  # nothing is trained again
    assert len(commands) == 6
    assert capfd.readouterr().out.splitlines() == table


def test_run_that_fails_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reproduce, "LSTMZOO", [sys.executable, "-c", "raise SystemExit(1)"])
    monkeypatch.setattr(reproduce, "RUNS", tmp_path)
    assert reproduce.main(["kth"]) == 1
    assert "experiment=kth_lstm" in capfd.readouterr().err


def test_unknown_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert reproduce.main(["kht"]) == 2
    printed = capsys.readouterr().out
    assert all(name in printed for name in reproduce.TABLES)


def test_value_that_could_not_be_measured() -> None:
    assert reproduce.cell([0.5, None], 1) == "–"
    assert shlex.split(reproduce.cell([0.5], 1)) == ["50.0"]
