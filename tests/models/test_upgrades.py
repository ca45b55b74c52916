"""Checkpoints that were written under earlier names."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

import lstmzoo
from captioning.tiny_captions import write_checkpoint
from lstmzoo.models.checkpoint import read_metadata
from lstmzoo.models.upgrades import KEYS, MODELS, upgrade_config

OLD_TASK = {
    "name": "captioning",
    "sampling_max": 0.1,
    "sampling_every": 3,
    "decoding": {"beam_size": 5, "length_power": 0.7, "max_words": 9, "method": "beam"},
}
NEW_TASK = {
    "name": "captioning",
    "scheduled_sampling": {"max": 0.1, "every": 3},
    "decoding": {"num_beams": 5, "length_penalty": 0.7, "max_length": 9, "method": "beam"},
}


@pytest.mark.parametrize("old", MODELS)
def test_a_checkpoint_of_an_earlier_name_is_the_same_model(old: str, tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "new.ckpt", MODELS[old])
    saved = torch.load(path, weights_only=True)
    model, back = saved["lstmzoo"]["model"], {new: key for key, new in KEYS["model"].items()}
    model["name"], model["args"] = old, {back.get(key, key): value for key, value in model["args"].items()}
    saved["lstmzoo"]["config"] = {"model": dict(model["args"], name=old), "task": OLD_TASK, "data": {"pictures": 12}}
    torch.save(saved, tmp_path / "old.ckpt")
    one, other = lstmzoo.load(path), lstmzoo.load(tmp_path / "old.ckpt")
    assert (one.model_name, one.model_args) == (other.model_name, other.model_args)
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in one.state_dict().items())
    config = read_metadata(tmp_path / "old.ckpt")["config"]
    assert {group: config[group] for group in ("model", "task", "data")} == {
        "model": dict(one.model_args, name=MODELS[old]),
        "task": NEW_TASK,
        "data": {"images": 12},
    }


def test_every_new_name_is_one_that_there_is() -> None:
    assert {*MODELS.values()} <= {*lstmzoo.list_models()}
    assert not {*MODELS} & {*lstmzoo.list_models()}


@pytest.mark.parametrize(
    "config",
    [
        NEW_TASK,
        {"task": None, "model": [], "data": "x"},
        {"task": {"decoding": 7, "scheduled_sampling": 3, "sampling_max": 1}, "model": {"name": []}},
        {"task": {"sampling_max": 0.1, "scheduled_sampling": {"max": 0.2}}},
    ],
)
def test_nothing_else_is_changed(config: dict[str, object]) -> None:
    """Neither names of today nor what is no configuration; of two values the one under the new name stays."""
    before = copy.deepcopy(config)
    upgrade_config(config)
    assert config == before


def test_the_schedule_moved_into_a_group_of_its_own() -> None:
    config = {"task": {"lr": 0.1, "schedule": "cosine", "schedule_epochs": 5}}
    upgrade_config(config)
    assert config == {
        "task": {"lr": 0.1},
        "scheduler": {"_target_": "lstmzoo.training.schedule.Cosine", "epochs": 5},
    }
    config = {"task": {"schedule": "constant", "schedule_epochs": None}}
    upgrade_config(config)
    assert config == {"task": {}, "scheduler": {"_target_": "lstmzoo.training.schedule.Constant"}}
