"""docs/own_parts.md: its parts pass `lstmzoo check`, and every command takes them from outside of the package."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lstmzoo import registry
from lstmzoo.cli import main
from lstmzoo.config import groups
from tiny_data import write_video

PAGE = Path(__file__).resolve().parents[1] / "docs" / "own_parts.md"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with the page's module, and registries that forget it afterwards."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / "my_parts.py").write_text("\n".join(blocks), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for one in (registry.models, registry.datasets, registry.tasks):
        one.names()
        monkeypatch.setattr(one, "entries", dict(one.entries))
    monkeypatch.setattr(groups, "_stored", set())
    yield tmp_path
    sys.modules.pop("my_parts", None)


def test_the_parts_pass_the_checks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "my_parts"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[1:3][1].rstrip(":") for line in lines[:-1]} == {
        *("takes", "waves", "action_peak", "forecast_rnn", "forecasting"),
    }
    assert not [line for line in lines if line.startswith("FAILED")]


@pytest.mark.slow
def test_a_task_of_ones_own_does_all_that_the_commands_can(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "series.txt").write_text("0,0.2,0.4,0.6,0.8,0.9,1,0.9")
    train = ["train", "task=my_parts:Forecasting", "model.cell=gru", "trainer.max_epochs=2", "output=waves"]
    assert main([*train, "data.size=16"]) == 0
    assert main(["eval", "ckpt_path=waves", "data.length=48"]) == 0
    assert json.loads((folder / "waves/eval_test_2/metrics.json").read_text())["mse"] > 0
    capsys.readouterr()
    assert main(["eval", "ckpt_path=waves", "split=all"]) == 2
    assert "train, val" in capsys.readouterr().err
    assert main(["predict", "ckpt_path=waves", "input=series.txt", "steps=20"]) == 0
    assert len((folder / "predictions/series_continued.csv").read_text().splitlines()) == 1 + 8 + 20
    assert main(["inspect", "ckpt_path=waves", "input=series.txt"]) == 0
    assert len((folder / "waves/inspect_series/units.csv").read_text().splitlines()) == 1 + 8
    assert main(["train", "resume=waves", "trainer.max_epochs=3"]) == 0
    assert "epoch 3/3" in capsys.readouterr().out


@pytest.mark.slow
def test_a_model_and_a_data_set_of_ones_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("run", "walk"):
        for take in range(8):
            write_video(folder / "takes" / f"{name}_{take}.avi", 8, start=100 * (name == "run"))
    assert main(["data", "check", "my_parts:Takes", "root=takes"]) == 0
    assert "walk" in capsys.readouterr().out
    parts = ["model=my_parts:ActionPeak", "data=my_parts:Takes", "data.root=takes", "data.clip_len=4"]
    assert main(["train", *parts, "trainer=debug", "output=run", "model.feature_size=8"]) == 0
    assert json.loads((folder / "run/metrics.json").read_text())["test"]["num_videos"] == 4
    own_data = [word for word in parts if word.startswith("data")]
    assert main(["train", *own_data, "trainer=debug", "output=builtin", "model.feature_size=8"]) == 0
    takes = registry.datasets.entries.pop("takes")
    assert main(["eval", "ckpt_path=builtin"]) == 2
    assert "LSTMZOO_IMPORT" in capsys.readouterr().err
    registry.datasets.entries["takes"] = takes
    assert main(["train", *parts, "model.feature=3"]) == 2
    assert "model.feature_size" in capsys.readouterr().err


def test_what_is_not_there_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place, named in (
        ("model=my_parts:ActionPaek", "ActionPeak"),
        ("model=no_such_module:Model", "no_such_module"),
        ("data=my_parts:Waves", "recognition"),
    ):
        assert main(["train", place, "task=recognition"]) == 2
        assert named in capsys.readouterr().err


def test_a_part_in_the_place_of_another_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "data=my_parts:ActionPeak", "task=recognition"]) == 2
    assert "model=my_parts:ActionPeak" in capsys.readouterr().err
    assert main(["train", "model=my_parts:Foo", "task=recognition"]) == 2
    said = capsys.readouterr().err
    assert "ActionPeak" in said
    assert "Tensor" not in said  # which the module imports


def test_a_checkpoint_of_a_part_that_is_not_imported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = ["train", "task=my_parts:Forecasting", "data.size=8", "trainer.max_epochs=1", "output=waves"]
    assert main([*train, "test_after_fit=false"]) == 0
    for one in (registry.models, registry.datasets, registry.tasks):
        for name in [name for name, entry in one.entries.items() if entry.target.__module__ == "my_parts"]:
            del one.entries[name]
    capsys.readouterr()
    for command in (["eval", "ckpt_path=waves"], ["train", "resume=waves"]):
        assert main(command) == 2
        assert "LSTMZOO_IMPORT" in capsys.readouterr().err
