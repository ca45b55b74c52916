"""Optimizer, scheduler, callbacks and loggers by ``_target_``: used as they are named, and resumed exactly."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml  # type: ignore[import-untyped]

import tiny_runs
from lstmzoo.cli import main

pytestmark = pytest.mark.slow

QUIET = ["test_after_fit=false", "data.num_workers=0", "callbacks.progress=none"]
MODULE = """
import pathlib
from lightning.pytorch import Callback

class Counts(Callback):
    def __init__(self, file, every=1):
        self.file, self.every = pathlib.Path(file), every

    def on_train_epoch_end(self, trainer, task):
        if trainer.current_epoch % self.every == 0:
            with open(self.file, "a") as file:
                file.write(f"{trainer.current_epoch} ")

class Refuses(Callback):
    def __init__(self):
        raise RuntimeError("not today")
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_runs.write_tiny_kth(tmp_path_factory.mktemp("optimizers") / "kth")


@pytest.fixture
def train(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Train on a tiny KTH, with modules of one's own beside, and return the exit code."""
    (tmp_path / "parts_of_tests.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return lambda *more: main(["train", *tiny_runs.settings(root), *QUIET, *more])


def last(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)  # type: ignore[no-any-return]


def rates(folder: Path) -> list[float]:
    with open(folder / "metrics.csv", newline="") as file:
        return [float(row["lr"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    "chosen",
    [
        ["optimizer=sgd", "scheduler=plateau", "scheduler.patience=0", "+scheduler.threshold=10", "task.lr=0.01"],
        ["optimizer=rmsprop", "scheduler=step", "scheduler.every=1", "scheduler.gamma=0.25", "task.lr=1e-3"],
        [
            "optimizer._target_=torch.optim.NAdam",
            "scheduler._target_=torch.optim.lr_scheduler.ExponentialLR",
            "+scheduler.gamma=0.5",
        ],
        ["optimizer=sgd", "optimizer.momentum=0", "optimizer.nesterov=false", "scheduler=step", "scheduler.every=1"],
    ],
    ids=lambda chosen: chosen[0],
)
def test_a_resumed_run_is_the_whole_one(chosen: list[str], train: Callable[..., int], tmp_path: Path) -> None:
    more = ["task.warmup_epochs=0"]
    assert train(*chosen, *more, "trainer.max_epochs=3", "output=whole") == 0
    assert train(*chosen, *more, "trainer.max_epochs=2", "output=part") == 0
    named = [one for one in chosen if "_target_" in one]
    assert main(["train", "resume=part", "trainer.max_epochs=3", *named, *QUIET]) == 0
    one, other = last(tmp_path / "whole"), last(tmp_path / "part")
    for name, weight in one["state_dict"].items():
        assert torch.equal(weight, other["state_dict"][name]), name
    assert rates(tmp_path / "whole") == rates(tmp_path / "part")
    assert len(set(rates(tmp_path / "whole"))) > 1


def test_callbacks_and_loggers_of_ones_own(train: Callable[..., int], tmp_path: Path) -> None:
    """They are made as they are named; where one names no folder, it is the run's; resuming leaves them out."""
    callback = ["+callbacks.mine._target_=parts_of_tests.Counts", "+callbacks.mine.file=counts.txt"]
    logger = ["+logger.more._target_=lightning.pytorch.loggers.CSVLogger", "+logger.more.save_dir=null"]
    logger += ["+logger.more.name=''", "+logger.more.version=more"]
    assert train(*callback, *logger, "output=run", "trainer.max_epochs=1") == 0
    assert (tmp_path / "counts.txt").read_text().split() == ["0"]
    assert (tmp_path / "run" / "more" / "metrics.csv").is_file()
    assert main(["train", "resume=run", "trainer.max_epochs=2", *QUIET]) == 0
    assert (tmp_path / "counts.txt").read_text().split() == ["0"]


def test_patience_may_be_null_in_a_run_that_is_resumed(train: Callable[..., int], tmp_path: Path) -> None:
    assert train("callbacks.patience=null", "output=run", "trainer.max_epochs=1") == 0
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["callbacks"]["patience"] is None
    assert main(["train", "resume=run", "trainer.max_epochs=2", *QUIET]) == 0
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["callbacks"]["patience"] is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["optimizer._target_=torch.nn.Linear"], ["optimizer._target_=torch.nn.Linear", "adamw"]),
        (["optimizer._target_=no_such.Thing"], ["optimizer._target_=no_such.Thing"]),
        (["optimizer._target_=torch.optim.Nothing"], ["optimizer._target_=torch.optim.Nothing"]),
        (["optimizer._target_=null"], ["optimizer", "adamw|rmsprop|sgd"]),
        (["optimizer=null"], ["optimizer", "adamw, rmsprop, sgd"]),
        (["optimizer=adam"], ["'adam'", "did you mean 'adamw'", "sgd"]),
        (["+optimizer.nothing=1"], ["nothing"]),
        (["optimizer=sgd", "optimizer.momentum=-1"], ["momentum", "-1"]),
        (["optimizer._target_=torch.optim.LBFGS"], ["weight_decay"]),
        (["scheduler=null"], ["scheduler", "constant, cosine, one_cycle, plateau, step"]),
        (["scheduler._target_=torch.nn.Linear"], ["scheduler"]),
        (["scheduler=step", "scheduler.every=0"], ["scheduler"]),
        (["scheduler=step", "scheduler.gamma=-1"], ["-1"]),
        (["scheduler=step", "scheduler.gamma=x"], ["scheduler.gamma", "'x'"]),
        (["scheduler.epochs=abc"], ["scheduler"]),
        (["scheduler.every=3"], ["scheduler.every", "epochs"]),
        (["+scheduler.every=3"], ["every"]),
        (["scheduler=plateau", "scheduler.factor=2"], ["actor"]),
        (["scheduler=plateau", "task.tbptt_window=2"], ["task.tbptt_window", "scheduler=constant, cosine"]),
        (["+callbacks.mine.patience=1"], ["callbacks.mine", "_target_"]),
        (["+callbacks.mine=1"], ["callbacks.mine", "patience"]),
        (["+callbacks.mine._target_=no_such.Thing"], ["callbacks.mine", "no_such.Thing"]),
        (["+callbacks.mine._target_=parts_of_tests.Refuses"], ["callbacks.mine", "not today"]),
        (["+callbacks.mine._target_=builtins.dict"], ["callbacks.mine", "builtins.dict", "Callback"]),
        (["+logger.mine._target_=builtins.dict"], ["logger.mine", "builtins.dict", "Logger"]),
        (["logger=nothing"], ["'nothing'", "csv", "tensorboard"]),
        (["+logger.mine.save_dir=x"], ["logger.mine", "_target_"]),
        (["callbacks=null"], ["callbacks", "default"]),
        (["logger=null"], ["logger", "csv"]),
        (["trainer=null"], ["trainer", "default"]),
    ],
    ids=lambda value: value[-1] if len(value) else "",
)
def test_what_cannot_be_is_one_message(
    wrong: list[str], said: list[str], train: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(*wrong, "output=run") == 2
    message = capsys.readouterr().err
    assert message.startswith("lstmzoo: ")
    assert "Traceback" not in message
    assert [part for part in said if part not in message] == [], message
    assert not (tmp_path / "run").exists(), "it shows before anything is made"
