"""Results say what they were measured on, and those of other options never take their place."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import lstmzoo
from crafted_checkpoints import put, saved, sound
from lstmzoo.cli import main
from tiny_runs import write_tiny_kth


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose own test found what only it can have found."""
    folder = tmp_path_factory.mktemp("measured")
    base = sound(write_tiny_kth(folder / "kth"))
    put(base["lstmzoo"]["config"], "data.test_clips", 1)
    run = folder / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "checkpoints" / "best.ckpt").write_bytes(saved(base))
    (run / "eval_test").mkdir()
    own = {"video_accuracy": 0.5, "measured": {"sha256": digest(run), "split": "test", "overrides": []}}
    (run / "eval_test" / "metrics.json").write_text(json.dumps(own))
    return run


def digest(run: Path) -> str:
    return hashlib.sha256((run / "checkpoints" / "best.ckpt").read_bytes()).hexdigest()


def measured(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text())["measured"]
    return found


@pytest.mark.slow
def test_other_options_go_to_another_folder(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = (run / "eval_test" / "metrics.json").read_text()
    changed = ["eval", f"ckpt_path={run}", "data.test_clips=2"]
    assert main(changed) == 0
    assert "eval_test_2" in capsys.readouterr().out
    assert (run / "eval_test" / "metrics.json").read_text() == own
    found = measured(run / "eval_test_2")
    assert found["checkpoint"] == str(run / "checkpoints" / "best.ckpt")
    assert (found["sha256"], found["split"]) == (digest(run), "test")
    assert found["overrides"] == ["data.test_clips=2"]
    assert found["lstmzoo"] == lstmzoo.__version__
    assert {"torch", "date"} <= found.keys()

    (run / "eval_test_2" / "predictions.csv").unlink()
    assert main([*changed, "data.num_workers=0"]) == 0  # the same: how it is computed does not matter
    assert (run / "eval_test_2" / "predictions.csv").exists()
    assert main(["eval", f"ckpt_path={run}"]) == 0  # the run's own options again
    assert measured(run / "eval_test")["overrides"] == []
    assert not (run / "eval_test_3").exists()

    named = ["eval", f"ckpt_path={run}", f"output={run / 'eval_test'}", "split=val"]
    before = (run / "eval_test" / "metrics.json").read_text()
    assert main(named) == 2
    assert "another folder" in capsys.readouterr().err
    assert (run / "eval_test" / "metrics.json").read_text() == before


@pytest.mark.parametrize("command", ["eval", "predict", "inspect"])
def test_a_checkpoint_without_its_key(command: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, str(run)]) == 2
    assert f"ckpt_path={run}" in capsys.readouterr().err
