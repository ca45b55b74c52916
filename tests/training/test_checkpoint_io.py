"""Checkpoints are there as a whole or not at all, and a run goes on from the newest that can be read."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch

from crafted_checkpoints import resumable
from lstmzoo.errors import CheckpointError, DataWarning, LstmzooError
from lstmzoo.models import checkpoint_metadata, create_model
from lstmzoo.training.checkpoint_io import WholeFiles, newest_checkpoint

ARGS = {"num_classes": 2, "hidden_size": 4, "feature_size": 4}
TRANSFORM = {"size": [32, 32], "grey": True, "clip_len": 4, "frame_interval": 1}


def content(step: int) -> dict[str, Any]:
    """What training saves, with a step by which it can be told from others."""
    model: Any = create_model("action_rnn", **ARGS)
    weights = {f"model.{name}": weight for name, weight in model.state_dict().items()}
    metadata = checkpoint_metadata("action_rnn", model.model_args, ["a", "b"], TRANSFORM)
    return resumable({"state_dict": weights, "lstmzoo": metadata}, step)


def write(run: Path, name: str, step: int) -> Path:
    path = run / "checkpoints" / name
    WholeFiles().save_checkpoint(content(step), path)
    return path


def test_no_other_folder_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """https://github.com/Lightning-AI/pytorch-lightning/issues/19970: staged in /tmp, copied over the old one."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no such folder"))
    path = write(tmp_path, "last.ckpt", 7)
    assert WholeFiles().load_checkpoint(path)["global_step"] == 7
    assert [one.name for one in path.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on Windows")
def test_a_disk_that_is_full_leaves_the_old_one(tmp_path: Path) -> None:
    import resource

    path = write(tmp_path, "last.ckpt", 7)
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size // 2, usual[1]))
    try:
        with pytest.raises(LstmzooError, match=r"last\.ckpt"):
            write(tmp_path, "last.ckpt", 8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert WholeFiles().load_checkpoint(path)["global_step"] == 7
    assert [one.name for one in path.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_process_that_ends_meanwhile_leaves_the_old_one(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "last.ckpt", 7)

    def killed(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, moment, killed)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path, "last.ckpt", 8)
    assert WholeFiles().load_checkpoint(path)["global_step"] == 7
    assert [one.name for one in path.parent.iterdir()] == ["last.ckpt"]


def test_the_last_one_is_gone_on_from(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    write(tmp_path, "best.ckpt", 5)
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoints" / "best.ckpt"  # killed between the two files
    assert len([one for one in recwarn if issubclass(one.category, DataWarning)]) == 1
    recwarn.clear()
    last = write(tmp_path, "last.ckpt", 7)
    assert newest_checkpoint(tmp_path) == last
    assert not recwarn.list


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "text", "weights only", "folder"])
def test_where_the_last_one_is_damaged_it_is_the_best(damage: str, tmp_path: Path) -> None:
    best, last = write(tmp_path, "best.ckpt", 5), write(tmp_path, "last.ckpt", 7)
    whole = last.read_bytes()
    middle = len(whole) // 2
    damaged = {
        "truncated": whole[:middle],
        "empty": b"",
        "flipped": whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
        "text": b"not a checkpoint",
    }
    if damage in damaged:
        last.write_bytes(damaged[damage])
    elif damage == "folder":
        last.unlink()
        last.mkdir()
    else:
        torch.save({key: content(7)[key] for key in ("state_dict", "lstmzoo")}, last)
    with pytest.warns(DataWarning, match=r"last\.ckpt.*best\.ckpt"):
        assert newest_checkpoint(tmp_path) == best
    best.write_bytes(whole[:100])
    with pytest.raises(CheckpointError, match=r"last\.ckpt.*best\.ckpt"):
        newest_checkpoint(tmp_path)


def test_without_any_there_is_nothing_to_go_on_from(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=rf"^resume: {tmp_path}"):
        newest_checkpoint(tmp_path)
