"""A run that was interrupted and resumed, in fresh processes, ends as one that never was."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

import tiny_runs
from lstmzoo.cli import main

# lstmzoo in a process that gets SIGTERM in the second epoch: when a given step of the task is called for the n-th time.
TERMINATED = """
import os, signal, sys
from lstmzoo.cli import main
from lstmzoo.actions.task import RecognitionTask as Task

step, n = sys.argv[1], int(sys.argv[2])
inner, calls = getattr(Task, step), 0

def outer(self, *arguments):
    global calls
    calls += 1
    if calls == n:
        os.kill(os.getpid(), signal.SIGTERM)
    return inner(self, *arguments)

setattr(Task, step, outer)
sys.exit(main(sys.argv[3:]))
"""
BATCHES = 3  # per epoch, in training and in validation


class Run:
    """A run folder that has been written."""

    def __init__(self, folder: Path) -> None:
        (self.folder,) = folder.glob("runs/*/*")

    def checkpoint(self, name: str) -> dict[str, Any]:
        return torch.load(self.folder / "checkpoints" / name, weights_only=True)

    def rows(self) -> list[dict[str, str]]:
        with open(self.folder / "metrics.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            assert 0 < float(row.pop("seconds")) < 60
            assert 0 <= float(row.pop("data_wait")) <= 1
        return rows


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The same training, whole and interrupted in different ways; processes run side by side."""
    folder = tmp_path_factory.mktemp("resume")
    data = tiny_runs.write_tiny_kth(folder / "data")
    train = ["train", *tiny_runs.settings(data), "test_after_fit=false"]
    killed_in: dict[str, tuple[str, ...]] = {
        "training": ("window_loss", str(BATCHES + 2)),
        "validation": ("validation_step", str(BATCHES + 2)),
        "windows": ("training_step", str(BATCHES + 2)),
    }
    windows = ["task.tbptt_window=2"]
    first: dict[str, Callable[[Path], subprocess.Popen[str]]] = {
        "whole": lambda cwd: tiny_runs.start(*train, cwd=cwd),
        "halves": lambda cwd: tiny_runs.start(*train, "trainer.max_epochs=1", "scheduler.epochs=2", cwd=cwd),
        "whole_windows": lambda cwd: tiny_runs.start(*train, *windows, cwd=cwd),
    }
    for name, where in killed_in.items():
        more = windows if name == "windows" else []
        first[name] = lambda cwd, where=where, more=more: tiny_runs.start(
            *where, *train, *more, cwd=cwd, script=TERMINATED
        )
    ended = two_at_a_time({name: (lambda f=f, name=name: f(folder / name)) for name, f in first.items()})
    for name, process in ended.items():
        assert process.code == (143 if name in killed_in else 0), f"{name}: {process.code}\n{process.err}"
        assert "Traceback" not in process.err
    again = {}
    for name in ("halves", *killed_in):
        run = str(Run(folder / name).folder)
        more = ["trainer.max_epochs=2"] if name == "halves" else []
        again[name] = lambda run=run, more=more: tiny_runs.start("train", f"resume={run}", *more, cwd=folder / "other")
    for name, process in two_at_a_time(again).items():
        assert process.code == 0, f"{name}: {process.code}\n{process.err}"
    return {name: Run(folder / name) for name in first}


def two_at_a_time(starts: dict[str, Callable[[], subprocess.Popen[str]]]) -> dict[str, tiny_runs.Ended]:
    names, ended = list(starts), {}
    for pair in (names[i : i + 2] for i in range(0, len(names), 2)):
        processes = {name: starts[name]() for name in pair}
        ended |= {name: tiny_runs.end(process) for name, process in processes.items()}
    return ended


def assert_same(one: Any, other: Any, where: str = "") -> None:
    """Compare nested dicts, lists and tensors bit by bit."""
    assert type(one) is type(other), where
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for index, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{where}/{index}")
    else:
        assert one == other, where


@pytest.mark.slow
@pytest.mark.parametrize(
    ("whole", "resumed"),
    [("whole", "halves"), ("whole", "training"), ("whole", "validation"), ("whole_windows", "windows")],
)
def test_resumed_equals_uninterrupted(runs: dict[str, Run], whole: str, resumed: str) -> None:
    for name in ("last.ckpt", "best.ckpt"):
        one, other = runs[whole].checkpoint(name), runs[resumed].checkpoint(name)
        assert_same(one["state_dict"], other["state_dict"])
        assert_same(one["optimizer_states"], other["optimizer_states"])
        assert (one["epoch"], one["global_step"]) == (other["epoch"], other["global_step"])
    assert runs[whole].checkpoint("last.ckpt")["global_step"] == 2 * BATCHES
    assert runs[whole].rows() == runs[resumed].rows()
    assert len(runs[whole].rows()) == 2


@pytest.mark.slow
def test_training_did_something_random(runs: dict[str, Run]) -> None:
    """Were there no dropout, or one learning rate only, the test above would prove little."""
    config = OmegaConf.load(runs["whole"].folder / "config.yaml")
    assert config.model.dropout > 0
    rates = {row["lr"] for row in runs["whole"].rows()}
    assert len(rates) == 2
    losses = {row["train/loss"] for row in runs["whole"].rows()}
    assert len(losses) == 2


@pytest.mark.slow
def test_run_folder_is_complete(runs: dict[str, Run]) -> None:
    folder = runs["halves"].folder
    names = {path.name for path in folder.iterdir()}
    assert {"config.yaml", "metrics.csv", "metrics.json", "versions.json", "curves.png", "checkpoints"} <= names
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert OmegaConf.load(folder / "config.yaml").trainer.max_epochs == 2
    assert json.loads((folder / "metrics.json").read_text())["epochs"] == 2
    assert {"lstmzoo", "torch", "lightning", "python", "git"} <= json.loads(
        (folder / "versions.json").read_text()
    ).keys()


@pytest.mark.slow
def test_mistakes_in_resuming_are_explained(runs: dict[str, Run], capsys: pytest.CaptureFixture[str]) -> None:
    folder = runs["whole"].folder
    for arguments, said in [
        (["resume=/no/such/run"], "does not exist"),
        ([f"resume={folder.parent}"], "has no config.yaml"),
        ([f"resume={folder}", "model=action_meanpool"], "cannot be combined"),
        ([f"resume={folder}", "task.lrr=1"], "did you mean task.lr"),
        ([f"resume={folder}", "-m"], "-m"),
    ]:
        assert main(["train", *arguments]) == 2
        assert said in capsys.readouterr().err
    (folder / "checkpoints").rename(folder / "kept")
    try:
        assert main(["train", f"resume={folder}"]) == 2
        assert "start it again" in capsys.readouterr().err
    finally:
        (folder / "kept").rename(folder / "checkpoints")
