"""Going on from a checkpoint: its model and data, whatever the experiment says, but for the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from tiny_captions import write_captions, write_checkpoint

import lstmzoo
from lstmzoo.captioning.task import CaptioningTask
from lstmzoo.cli import main
from lstmzoo.config.compose import compose
from lstmzoo.errors import CheckpointError, LstmzooError
from lstmzoo.runs import build
from lstmzoo.runs.run_folder import read_config
from lstmzoo.runs.start_from import inherit

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def data_that_are_there(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folders that these checkpoints name."""
    folder = tmp_path_factory.mktemp("work")
    for name in ("data/flickr8k", "f8k"):
        (folder / name).mkdir(parents=True)
    monkeypatch.chdir(folder)


def flickr8k(**changes: Any) -> dict[str, Any]:
    """The data of a run on Flickr8k, as its configuration has them."""
    return {**compose("train", ["experiment=flickr8k"]).data, **changes}


def started(checkpoint: Path, *overrides: str) -> Any:
    """The configuration of a run by reward that starts from a checkpoint."""
    given = ["experiment=captions_scst", f"task.start_from={checkpoint}", *overrides]
    config = compose("train", given)
    inherit(config, given)
    return config


def test_model_and_data_are_the_checkpoints(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(
        tmp_path / "x.ckpt", "caption_nic", data=flickr8k(root="f8k", min_count=7), cell="gru"
    )
    config = started(checkpoint)
    sizes = {"hidden_size": 6, "embedding_size": 5, "feature_size": 4}
    assert {"name": "caption_nic", "cell": "gru", "dropout": 0.0, **sizes}.items() <= config.model.items()
    assert "attention_size" not in config.model  # a key of the experiment's own model
    assert (config.data.name, config.data.root, config.data.min_count) == ("flickr8k", "f8k", 7)
    assert "images" not in config.data  # nothing is simulated
    assert (config.task.objective, config.task.lr) == ("scst", 5e-5)  # the task is the new one


def test_the_command_line_wins(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "x.ckpt", "caption_updown", data=flickr8k(root="f8k", min_count=7))
    config = started(checkpoint, "data.root=elsewhere", "model.dropout=0.3")
    assert (config.data.root, config.data.min_count) == ("elsewhere", 7)
    assert (config.model.name, config.model.dropout) == ("caption_updown", 0.3)
    other = started(checkpoint, "data=captions", "data.root=own")
    assert (other.data.name, other.data.root, other.data.min_count) == ("captions", "own", 5)
    with pytest.raises(LstmzooError, match=r"'data\.images'"):
        started(checkpoint, "data.images=3")


def test_rewarded_pictures_are_not_mirrored(tmp_path: Path) -> None:
    """What people said of them, by which sentences are rewarded, is not mirrored either."""
    checkpoint = write_checkpoint(tmp_path / "x.ckpt", "caption_nic", data=flickr8k(flip=True))
    assert not started(checkpoint).data.flip
    assert started(checkpoint, "task.objective=cross_entropy").data.flip
    with pytest.raises(LstmzooError, match=r"data\.flip=false"):
        CaptioningTask.open_data(build.to_dict(started(checkpoint, "data.flip=true")))


def test_sentences_are_made_as_before(tmp_path: Path) -> None:
    before = compose("train", ["experiment=flickr8k", "task.decoding.num_beams=4"])
    config = {"data": flickr8k(), "task": {"name": "captioning", "decoding": {**before.task.decoding}}}
    checkpoint = write_checkpoint(tmp_path / "x.ckpt", "caption_nic", config=config)
    assert started(checkpoint).task.decoding == before.task.decoding
    assert before.task.decoding.length_penalty == 0.7
    other = started(checkpoint, "task.decoding.method=greedy").task.decoding
    assert other == {**before.task.decoding, "method": "greedy"}
    whole = started(checkpoint, "task.decoding={method:greedy,num_beams:7}").task.decoding
    assert (whole.method, whole.num_beams, whole.length_penalty) == ("greedy", 7, 0.0)


def test_imagenet_weights_are_not_fetched_for_those_of_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = write_checkpoint(tmp_path / "x.ckpt", "caption_nic", data=flickr8k(), encoder="mobilenetv3_small_050",
                                  pretrained_encoder=False)  # fmt: skip
    contents = torch.load(checkpoint, weights_only=True)
    contents["lstmzoo"]["model"]["args"]["pretrained_encoder"] = True
    torch.save(contents, checkpoint)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_, **__: pytest.fail("fetched weights"))
    config = started(checkpoint)
    task = build.build_task(config, CaptioningTask.dummy_labels)
    weights = {key.removeprefix("model."): value for key, value in contents["state_dict"].items()}
    assert all(torch.equal(value, weights[key]) for key, value in task.model.state_dict().items())
    assert task.model.model_args["pretrained_encoder"] is True
    assert task.model.encoder.key == lstmzoo.load(checkpoint).encoder.key


@torch.no_grad()
def test_a_loaded_encoder_keeps_its_statistics(tmp_path: Path) -> None:
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    for pretrained in (True, False):
        name = tmp_path / f"{pretrained}.ckpt"
        write_checkpoint(name, "caption_nic", encoder="mobilenetv3_small_050", pretrained_encoder=False)
        contents = torch.load(name, weights_only=True)
        contents["lstmzoo"]["model"]["args"]["pretrained_encoder"] = pretrained
        torch.save(contents, name)
        model: Any = lstmzoo.load(name).train()
        before = [buffer.clone() for buffer in model.encoder.buffers()]
        model.encode(images)
        kept = all(torch.equal(one, other) for one, other in zip(before, model.encoder.buffers(), strict=True))
        assert kept == pretrained


def test_data_are_never_guessed(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "x.ckpt", "caption_nic")
    with pytest.raises(CheckpointError, match="data=NAME"):
        started(checkpoint)
    assert started(checkpoint, "data=flickr8k", "data.root=own").data.root == "own"


def test_other_runs_stay_as_they_are() -> None:
    for experiment in ("captions_nic", "kth_lstm"):
        config = compose("train", [f"experiment={experiment}"])
        before = config.copy()
        inherit(config, [f"experiment={experiment}"])
        assert config == before


def test_a_run_from_another_kind_of_run(tmp_path: Path) -> None:
    """As documented: nothing but the checkpoint is named, though it is of another model, other sizes, other data."""
    root = write_captions(tmp_path / "data")
    data = {**compose("train", ["data=captions", "experiment=captions_nic", f"data.root={root}"]).data, "batch_size": 8}
    checkpoint = write_checkpoint(tmp_path / "x.ckpt", "caption_nic", data=data)
    run = tmp_path / "run"
    plain = ["trainer.max_epochs=1", "trainer.accelerator=cpu", "callbacks.progress=none", "test_after_fit=false"]
    given = ["experiment=captions_scst", f"task.start_from={checkpoint}", *plain, f"hydra.run.dir={run}"]
    assert main(["train", *given]) == 0
    config = OmegaConf.create(read_config(run))
    assert (config.model.name, config.model.hidden_size, config.data.root) == ("caption_nic", 6, str(root))
    before, after = lstmzoo.load(checkpoint), lstmzoo.load(run)
    assert after.words == before.words
    assert not torch.equal(after.logits.weight, before.logits.weight)
    assert torch.allclose(after.logits.weight, before.logits.weight, atol=0.01)
