"""Runs by other ways than their folders' names: output=, resume=latest, other data, start_from, logger=tensorboard."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
import yaml  # type: ignore[import-untyped]

import lstmzoo
import tiny_runs
from lstmzoo.cli import main
from tiny_data import write_video

SHORT = ["trainer=debug", "trainer.max_epochs=1", "data.num_workers=0", "callbacks.progress=none"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_runs.write_tiny_kth(tmp_path_factory.mktemp("runs") / "kth")


@pytest.fixture(scope="module")
def run(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has ended."""
    folder = tmp_path_factory.mktemp("done") / "a run"
    assert main(["train", *tiny_runs.settings(root), *SHORT, f"output={folder}"]) == 0
    return folder


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_output_is_the_run_folder(run: Path) -> None:
    assert {"config.yaml", "metrics.csv", "metrics.json", "checkpoints", "eval_test"} <= {p.name for p in run.iterdir()}


@pytest.mark.slow
def test_the_latest_run_is_resumed(root: Path, tmp_path: Path) -> None:
    """The one whose checkpoint was written last, wherever below ./runs it lies."""
    quiet = ["test_after_fit=false", *SHORT]
    for name in ("old", "new/0"):  # both of one epoch
        assert main(["train", *tiny_runs.settings(root), *quiet, f"output=runs/{name}"]) == 0
    os.utime(tmp_path / "runs" / "old" / "checkpoints" / "last.ckpt", (1, 1))
    assert main(["train", "resume=latest", "trainer.max_epochs=2", "callbacks.progress=none"]) == 0
    epochs = {
        name: json.loads((tmp_path / "runs" / name / "metrics.json").read_text())["epochs"] for name in ("old", "new/0")
    }
    assert epochs == {"old": 1, "new/0": 2}


@pytest.mark.slow
def test_a_checkpoint_is_measured_on_another_data_set_of_its_task(run: Path, root: Path, tmp_path: Path) -> None:
    data = ["data=video_folder", f"data.root={root}", "split=all", "data.num_workers=0"]
    assert main(["eval", f"ckpt_path={run}", *data, "output=out"]) == 0
    numbers = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert numbers["num_videos"] == 18
    assert numbers["measured"]["split"] == "all"
    assert "data=video_folder" in numbers["measured"]["overrides"]
    before = (run / "eval_test" / "metrics.json").read_text()
    assert main(["eval", f"ckpt_path={run}", *data[:2], "data.num_workers=0", "data.val_fraction=0"]) == 0
    assert (run / "eval_test" / "metrics.json").read_text() == before
    assert (run / "eval_test_2" / "metrics.json").is_file()


@pytest.mark.slow
def test_other_classes_are_said(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("hop", "skip"):
        for take in range(4):
            write_video(tmp_path / "videos" / name / f"{take}.avi", 16)
    assert main(["eval", f"ckpt_path={run}", "data=video_folder", "data.root=videos", "split=all"]) == 2
    said = capsys.readouterr().err
    assert "boxing" in said
    own = ["data=video_folder", "data.root=videos", "data.val_fraction=0.25", "data.test_fraction=0.25"]
    tiny = ["trainer.accelerator=cpu", "task.lr=1e-12", "task.warmup_epochs=0", "output=new", *SHORT]
    assert main(["train", f"task.start_from={run}", *own, *tiny]) == 0
    said = capsys.readouterr().out
    assert "2 of 2 classes, hop, skip" in said
    old, new = lstmzoo.load(run), lstmzoo.load(tmp_path / "new")
    assert new.classes == ["hop", "skip"]
    assert new.model_args == {**old.model_args, "num_classes": 2}
    assert new.classifier.weight.shape[0] == 2
    weights = new.state_dict()
    for name, weight in old.rnn.state_dict().items():
        torch.testing.assert_close(weights[f"rnn.{name}"], weight, atol=1e-6, rtol=0)
    config = yaml.safe_load((tmp_path / "new" / "config.yaml").read_text())
    assert config["task"]["start_from"] == str(run)
    assert main(["train", "resume=new", "trainer.max_epochs=2", "callbacks.progress=none"]) == 0


@pytest.mark.slow
def test_tensorboard_writes_into_the_run_folder(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    logger = ["logger=tensorboard", "output=run", "test_after_fit=false"]
    assert main(["train", *tiny_runs.settings(root), *SHORT, *logger]) == 0
    assert [*(tmp_path / "run" / "tensorboard").glob("events*")]


@pytest.mark.slow
def test_a_configuration_that_is_printed_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong, said in (
        ("model.hidden_size=-3", "hidden_size"),
        ("task.lr=0", "task.lr"),
        ("scheduler._target_=nothing.here", "nothing.here"),
        ("trainer.precision=7", "7"),
    ):
        assert main(["train", "--cfg", "job", wrong]) == 2
        assert said in capsys.readouterr().err
    assert main(["train", "--cfg", "job", "model.hidden_size=24"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["model"]["hidden_size"] == 24


@pytest.mark.slow
def test_a_refused_run_leaves_only_folders_that_were_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    wrong = ["train", "data=kth", f"data.root={tmp_path / 'nowhere'}"]
    (tmp_path / "mine").mkdir()
    assert main([*wrong, "output=mine/run"]) == 2
    assert main(wrong) == 2
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")} == {"mine", "runs"}
