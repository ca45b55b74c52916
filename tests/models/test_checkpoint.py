"""Checkpoints: enough by themselves, and clear about everything that is not one."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import lstmzoo
from lstmzoo.errors import CheckpointError, LstmzooError
from lstmzoo.models import checkpoint as module
from lstmzoo.models import checkpoint_metadata, read_metadata
from lstmzoo.registry import models

CLASSES = ["boxing", "walking", "running"]
TRANSFORM = {"size": [32, 32], "grey": True, "clip_len": 4, "frame_interval": 2}


def make(name: str = "action_rnn", **overrides) -> nn.Module:
    return lstmzoo.create_model(name, num_classes=3, hidden_size=8, feature_size=12, **overrides)


def contents(model: nn.Module) -> dict:
    metadata = checkpoint_metadata(
        model.model_name, model.model_args, CLASSES, TRANSFORM, data={"root": "x"}, config={"seed": 1}
    )
    weights = {f"model.{key}": value for key, value in model.state_dict().items()}
    return {"state_dict": weights | {"loss.weight": torch.ones(2)}, "lstmzoo": metadata, "epoch": 3}


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "run" / "checkpoints" / "best.ckpt"
    file.parent.mkdir(parents=True)
    torch.save(contents(make()), file)
    return file


@pytest.mark.parametrize("name", lstmzoo.list_models("action_*"))
def test_load_gives_the_same_model_with_all_that_inference_needs(name, tmp_path):
    model = make(name, dropout=0.5, input="grey+difference").eval()
    torch.save(contents(model), tmp_path / "a.ckpt")
    loaded = lstmzoo.load(tmp_path / "a.ckpt")
    video = torch.randint(0, 256, (2, 4, 1, 32, 32), dtype=torch.uint8)
    assert torch.equal(loaded(video), model(video))
    assert not loaded.training
    assert loaded.classes == CLASSES
    assert loaded.transform == TRANSFORM
    assert loaded.metadata["config"] == {"seed": 1}
    assert loaded.model_args == model.model_args


def test_a_run_folder_means_its_best_checkpoint(path):
    run = path.parent.parent
    assert lstmzoo.load(str(run)).classes == CLASSES
    assert read_metadata(run) == read_metadata(path)


def test_the_contract_is_primitive(path):
    metadata = read_metadata(path)
    assert json.loads(json.dumps(metadata)) == metadata
    assert metadata["format"] == module.FORMAT
    assert metadata["model"]["name"] == "action_rnn"
    with pytest.raises(LstmzooError, match="data="):
        checkpoint_metadata("action_rnn", {}, CLASSES, TRANSFORM, data={"root": path})
    with pytest.raises(LstmzooError, match="transform="):
        checkpoint_metadata("action_rnn", {}, CLASSES, {"mean": torch.zeros(1)})


def test_pretrained_encoder_weights_are_not_fetched_again(tmp_path, monkeypatch):
    model = make(encoder="mobilenetv3_small_050")
    saved = contents(model)
    saved["lstmzoo"]["model"]["args"] = model.model_args | {"pretrained_encoder": True}
    torch.save(saved, tmp_path / "a.ckpt")
    monkeypatch.setattr("timm.models._builder.load_pretrained", lambda *a, **k: pytest.fail("fetched weights"))
    assert lstmzoo.load(tmp_path / "a.ckpt").model_args["pretrained_encoder"] is True


def test_missing_files(path, tmp_path):
    with pytest.raises(CheckpointError, match=r"nothing\.ckpt"):
        lstmzoo.load(tmp_path / "nothing.ckpt")
    with pytest.raises(CheckpointError, match=r"'some_name'.*\.ckpt"):
        lstmzoo.load("some_name")
    path.rename(path.with_name("last.ckpt"))
    with pytest.raises(CheckpointError, match=r"no checkpoints/best.ckpt.*last\.ckpt"):
        lstmzoo.load(path.parent.parent)
    path.with_name("last.ckpt").unlink()
    with pytest.raises(CheckpointError, match=r"no \.ckpt file"):
        lstmzoo.load(path.parent.parent)


def test_damaged_files(path, tmp_path):
    good = path.read_bytes()
    middle = bytearray(good)
    middle[len(good) // 2] ^= 0xFF  # inside the weights: torch.load itself would not notice
    bad = {
        "empty": b"",
        "text": b"hello world\n" * 50,
        "picture": b"\x89PNG\r\n\x1a\n" * 50,
        "half": good[: len(good) // 2],
        "short": good[:-10],
        "flipped": bytes(middle),
    }
    for name, content in bad.items():
        file = tmp_path / f"{name}.ckpt"
        file.write_bytes(content)
        for read in (lstmzoo.load, read_metadata):
            with pytest.raises(CheckpointError, match=rf"{name}\.ckpt.*damaged") as caught:
                read(file)
            assert "\n" not in str(caught.value)


def test_foreign_files(tmp_path):
    file = tmp_path / "foreign.ckpt"
    torch.save({"state_dict": {}, "epoch": 1}, file)
    with pytest.raises(CheckpointError, match=r"'lstmzoo'.*: state_dict, epoch"):
        lstmzoo.load(file)
    torch.save([1, 2], file)
    with pytest.raises(CheckpointError, match=r"foreign.*list"):
        lstmzoo.load(file)
    torch.save(nn.Linear(2, 2), file)
    with pytest.raises(CheckpointError, match=r"foreign.*pickle"):
        lstmzoo.load(file)


def test_newer_incomplete_and_unfitting_checkpoints(path):
    saved = torch.load(path, weights_only=True)
    saved["lstmzoo"]["format"] = module.FORMAT + 1
    torch.save(saved, path)
    with pytest.raises(CheckpointError, match=rf"format {module.FORMAT + 1}.*[Uu]pdate"):
        lstmzoo.load(path)

    saved = contents(make())
    del saved["lstmzoo"]["transform"]
    torch.save(saved, path)
    with pytest.raises(CheckpointError, match="lacks transform"):
        lstmzoo.load(path)

    saved = contents(make())
    del saved["state_dict"]["model.classifier.weight"]
    torch.save(saved, path)
    with pytest.raises(CheckpointError, match=r"classifier\.weight"):
        lstmzoo.load(path)

    saved = contents(make())
    saved["lstmzoo"]["model"]["args"]["old_option"] = 1
    torch.save(saved, path)
    with pytest.raises(CheckpointError, match="old_option"):
        lstmzoo.load(path)


def test_a_model_that_is_not_registered_here(path, monkeypatch):
    monkeypatch.setattr(models, "entries", dict(models.entries))
    models.add(dataclasses.replace(models.get("action_rnn"), name="mine"))
    torch.save(contents(make("mine")), path)
    assert lstmzoo.load(path).classes == CLASSES
    del models.entries["mine"]
    with pytest.raises(CheckpointError, match=r"'mine'.*action_rnn.*import"):
        lstmzoo.load(path)


@pytest.mark.parametrize(
    "damage",
    [
        {"format": "2"},
        {"format": None},
        {"model": "x"},
        {"model": {"name": "action_rnn"}},
        {"model": {"name": "action_rnn", "args": [1]}},
        {"classes": None},
        {"classes": ["only one"]},
        {"transform": []},
    ],
    ids=str,
)
def test_contradictory_contracts_get_one_message(tmp_path: Path, damage: dict[str, Any]) -> None:
    model = lstmzoo.create_model("action_rnn", num_classes=2, hidden_size=4, feature_size=4)
    metadata = checkpoint_metadata(model.model_name, model.model_args, ["a", "b"], {"size": [32, 32]}) | damage
    weights = {f"model.{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": weights, "lstmzoo": metadata}, tmp_path / "x.ckpt")
    with pytest.raises(CheckpointError, match=r"x\.ckpt"):
        lstmzoo.load(tmp_path / "x.ckpt")
