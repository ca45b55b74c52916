"""Checkpoints whose arguments and settings have earlier names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_segments import save_checkpoint

import lstmzoo
from lstmzoo.models.checkpoint import read_metadata

OLD = {"decoder_channels": "width", "dilations": "pyramid"}


@pytest.mark.parametrize("name", ["segment_recurrent", "segment_guided", "segment_framewise"])
def test_arguments_of_earlier_names_make_the_same_model(name: str, tmp_path: Path) -> None:
    arguments = {} if name == "segment_framewise" else {"cell": "gru", "dilations": [1, 2]}
    path = save_checkpoint(tmp_path / "new.ckpt", name, **arguments)
    saved = torch.load(path, weights_only=True)
    model = saved["lstmzoo"]["model"]
    model["args"] = {OLD.get(key, key): value for key, value in model["args"].items()}
    saved["lstmzoo"]["config"] = {
        "model": {**model["args"], "name": name},
        "task": {"name": "segmentation", "teacher_start": 0.5, "teacher_epochs": 4.0},
    }
    torch.save(saved, tmp_path / "old.ckpt")
    new, old = lstmzoo.load(path), lstmzoo.load(tmp_path / "old.ckpt")
    assert new.model_args == old.model_args
    assert all(torch.equal(value, old.state_dict()[key]) for key, value in new.state_dict().items())
    config = read_metadata(tmp_path / "old.ckpt")["config"]
    assert config["model"] == {**new.model_args, "name": name}
    assert config["task"] == {"name": "segmentation", "teacher_forcing": {"start": 0.5, "epochs": 4.0}}
