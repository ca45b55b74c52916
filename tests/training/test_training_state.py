"""The state of a training in a damaged or crafted checkpoint: one message, or the other checkpoint is taken."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny_runs
from lstmzoo.cli import main
from lstmzoo.errors import CheckpointError, DataWarning
from lstmzoo.training.checkpoint_io import newest_checkpoint
from lstmzoo.training.training_state import check_training_state

Checkpoint = dict[str, Any]
Change = Callable[[Checkpoint], Any]
MISSING = object()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of one epoch."""
    folder = tmp_path_factory.mktemp("state")
    settings = tiny_runs.settings(tiny_runs.write_tiny_kth(folder / "kth"))
    quiet = ["test_after_fit=false", "data.num_workers=0", "callbacks.progress=none", "trainer.limit_train_batches=1"]
    quiet += ["trainer.limit_val_batches=1", "trainer.max_epochs=1"]
    assert main(["train", *settings, *quiet, f"hydra.run.dir={folder / 'run'}"]) == 0
    return folder / "run"


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture(scope="module")
def base(finished: Path) -> Checkpoint:
    return torch.load(finished / "checkpoints" / "last.ckpt", weights_only=True)  # type: ignore[no-any-return]


def changed(base: Checkpoint, place: str, value: Any) -> Checkpoint:
    """A copy with another value at ``a/b/0/c``; * is every key, and the end of a key's name is enough."""
    content = copy.deepcopy(base)
    *way, last = place.split("/")
    parts: list[Any] = [content]
    for key in way:
        parts = [
            part[index]
            for part in parts
            for index in (range(len(part)) if isinstance(part, list) else part)
            if key in ("*", str(index)) or str(index).startswith(key)
        ]
    assert parts
    for part in parts:
        if value is MISSING:
            del part[last]
        else:
            part[last] = value
    return content


nan = float("nan")
DAMAGES: dict[str, list[Any]] = {
    "optimizer_states": ["x", None, [], [5], [{}], MISSING],
    "optimizer_states/0/param_groups": [[], None, [5], [{}], "x"],
    "optimizer_states/0/state": [[], None, 5, {0: 5}],
    "optimizer_states/0/state/*/exp_avg": [torch.full((2,), nan), torch.full((2,), torch.inf)],
    "loops": [{}, [], None, "x", MISSING],
    "loops/fit_loop": [{}, None, []],
    "loops/fit_loop/epoch_progress": ["x", {}, MISSING],
    "loops/fit_loop/epoch_progress/current": [{}, 5],
    "loops/fit_loop/epoch_progress/current/completed": ["x", -1, 10**30, 1.5, None, MISSING],
    "loops/fit_loop/epoch_loop.batch_progress/current/ready": ["x", -(10**9)],
    "epoch": ["x", -1, None, MISSING],
    "global_step": ["x", -1, 10**30, MISSING],
    "lr_schedulers": [MISSING, "x", None],
    "callbacks": ["x", None, {}, [], MISSING],
    "callbacks/Checkpoints": [[1], {}, "x"],
    "callbacks/Checkpoints/best_score": ["x", nan, [1]],
    "callbacks/Checkpoints/best_epoch": ["x", -1, 0.5],
    "callbacks/PatientStopping/wait_count": ["x", -1, None],
    "callbacks/PatientStopping/best_score": ["x", None, torch.zeros(3), 1.0],
    "pytorch-lightning_version": ["x", None, MISSING, "0.1.0", "1.9.5", 2, "\u00b2.0"],
    "train_totals": ["x", {"loss": 5}, {"loss": torch.zeros(3)}],
}


@pytest.mark.slow
@pytest.mark.parametrize("place", DAMAGES)
def test_damaged_states_are_refused(place: str, base: Checkpoint) -> None:
    check_training_state(base, Path("last.ckpt"))
    for value in DAMAGES[place]:
        with pytest.raises(CheckpointError, match=r"last\.ckpt"):
            check_training_state(changed(base, place, value), Path("last.ckpt"))


def test_a_run_goes_on_from_its_best_where_the_state_of_the_last_is_damaged(run: Path, base: Checkpoint) -> None:
    torch.save(changed(base, "loops", []), run / "checkpoints" / "last.ckpt")
    with pytest.warns(DataWarning, match=r"loops.*best\.ckpt"):
        assert newest_checkpoint(run).name == "best.ckpt"
    torch.save(changed(base, "callbacks", "x"), run / "checkpoints" / "best.ckpt")
    with pytest.raises(CheckpointError, match=r"loops.*callbacks"):
        newest_checkpoint(run)


UNFIT: dict[str, list[Any]] = {
    "optimizer_states/0/param_groups/0/params": [[0]],
    "optimizer_states/0/state": [{}],
    "optimizer_states/0/state/*/exp_avg": [torch.zeros(3), MISSING],
    "optimizer_states/0/state/*/step": ["x", torch.zeros(3)],
    "loops/fit_loop/epoch_loop.automatic_optimization.optim_progress": [5, MISSING],
    "loops/fit_loop/epoch_progress/current/completed": [10**6],
    "pytorch-lightning_version": ["2.x"],
}


@pytest.mark.slow
@pytest.mark.parametrize("place", UNFIT)
def test_states_that_do_not_fit_the_run_are_one_message(
    place: str, run: Path, base: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    for value in UNFIT[place]:
        for name in ("best.ckpt", "last.ckpt"):
            torch.save(changed(base, place, value), run / "checkpoints" / name)
        assert main(["train", f"resume={run}", "trainer.max_epochs=2"]) == 2
        said = capsys.readouterr().err
        assert "last.ckpt does not fit" in said
        assert said.count("\n") == 1, said


def test_changes_that_weights_cannot_follow_are_one_message(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", f"resume={run}", "trainer.max_epochs=2", "model.hidden_size=16"]) == 2
    said = capsys.readouterr().err
    assert "last.ckpt does not fit" in said
    assert "model.*" in said
    assert said.count("\n") == 1


def test_options_of_the_optimizer_are_those_of_the_run(run: Path, base: Checkpoint) -> None:
    """A file says what AdamW had found out, not how it works."""
    for key in ("betas", "eps", "fused", "lr"):
        base = changed(base, f"optimizer_states/0/param_groups/*/{key}", "x")
    torch.save(base, run / "checkpoints" / "last.ckpt")
    assert main(["train", f"resume={run}", "trainer.max_epochs=2"]) == 0
    (group,) = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["optimizer_states"][0]["param_groups"]
    assert group["betas"] == (0.9, 0.999)


def test_moments_that_are_not_finite_are_never_saved(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usual = torch.optim.AdamW.step

    def step(self: Any, closure: Any = None) -> Any:
        if closure is None:
            return usual(self)
        loss = closure()
        for parameter in self.param_groups[0]["params"]:
            self.state[parameter]["exp_avg_sq"].fill_(torch.inf)  # no weight moves any more
        return loss

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    before = (run / "checkpoints" / "last.ckpt").read_bytes()
    assert main(["train", f"resume={run}", "trainer.max_epochs=2"]) == 2
    assert "optimizer" in capsys.readouterr().err
    assert (run / "checkpoints" / "last.ckpt").read_bytes() == before
