"""Segmentation models from the command line: train on simulated videos, go on, evaluate, and what is left to see."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import lstmzoo
import tiny_runs
from lstmzoo.cli import main
from lstmzoo.segmentation.overlays import overlay_masks
from lstmzoo.segmentation.task import SegmentationTask

TINY = [
    *("data.train_sequences=2", "data.val_sequences=1", "data.test_sequences=1", "data.simulated_frames=10"),
    *("data.simulated_size=[48,80]", "data.size=[48,80]", "data.clip_len=4", "data.batch_size=2", "data.num_workers=0"),
    *("data.clips_per_sequence=1", "model.decoder_channels=8", "trainer.accelerator=cpu", "callbacks.progress=none"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("segmentation")


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    """A run with windows and a memory for every object; its data are made at the first run."""
    found = folder / "run"
    settings = [*TINY, f"data.root={folder / 'my data'}", f"hydra.run.dir={found}", "trainer.max_epochs=2"]
    settings += ["task.protocol=semi-supervised", "task.tbptt_window=2", "task.loss=bce+lovasz"]
    assert main(["train", "experiment=segment_guided_recurrent", *settings]) == 0
    return found


def test_a_run_leaves_all_there_is_to_see(run: Path) -> None:
    numbers = json.loads((run / "metrics.json").read_text())
    assert numbers["monitor"] == "val/J&F"
    assert numbers["best"] == pytest.approx(numbers["validation"]["val/J&F"], abs=1e-5)
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    assert len(rows) == 2
    assert all(float(row["train/loss"]) > 0 and 0 <= float(row["train/J"]) <= 1 for row in rows)
    names = {path.name for path in (run / "eval_test").iterdir()}
    assert names == {
        *("metrics.json", "global_results-test.csv", "per-sequence_results-test.csv"),
        *("worst_frames.png", "best_frames.png"),
    }
    assert min(cv2.imread(str(run / "eval_test" / "worst_frames.png")).shape[:2]) > 150


def test_eval_needs_the_checkpoint_only_and_says_what_memory_is_for(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", f"ckpt_path={run}", f"output={tmp_path}", "task.flip_test=false"]) == 0
    said = capsys.readouterr().out
    assert "test-000" in said
    assert "all objects" in said
    found, before = (tiny_runs.numbers(path) for path in (tmp_path, run / "eval_test"))
    assert found == before
    table = next(csv.DictReader((tmp_path / "global_results-test.csv").open()))
    assert float(table["J&F-Mean"]) == pytest.approx(found["J&F-Mean"], abs=6e-4)
    assert set(found["occlusions"]) <= {"J-during", "J-after", "J&F-Mean"}


def test_a_checkpoint_carries_what_inference_needs(run: Path) -> None:
    torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    model = lstmzoo.load(run)
    assert model.transform == {"size": [48, 80]}
    logits, state = model.step(torch.zeros(1, 3, 30, 50, dtype=torch.uint8), masks=torch.ones(1, 2, 30, 50))
    assert logits.shape == (1, 2, 30, 50)
    assert model.detach_state(state)["previous"].shape[1] == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "model", ["segment_framewise", "segment_recurrent model.bidirectional=true model.dilations=[1,2]"]
)
def test_other_models_find_the_foreground(model: str, run: Path, folder: Path) -> None:
    name, *more = model.split()
    found = folder / name
    settings = [*TINY, *more, f"data.root={folder / 'my data'}", f"hydra.run.dir={found}", "trainer.max_epochs=1"]
    assert main(["train", f"experiment={name}", *settings]) == 0
    assert main(["eval", f"ckpt_path={found}", "split=val", "task.flip_test=true"]) == 0
    assert json.loads((found / "eval_val" / "metrics.json").read_text())["protocol"] == "unsupervised"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["experiment=segment_recurrent", "task.protocol=semi-supervised"], ["segment_guided"]),
        (["experiment=segment_recurrent", "task.encoder_lr=null"], ["task.encoder_lr", "small"]),
        (["experiment=segment_recurrent", "data=kth"], ["kth"]),
        (["experiment=segment_recurrent", "data.clip_len=null"], ["data.clip_len"]),
        (["experiment=segment_recurrent", "data.simulated_frames=8"], ["data.simulated_frames=8", "10"]),
        (["experiment=segment_recurrent", "data=mask_folder", "data.root=nowhere"], ["nowhere"]),
    ],
)
def test_mistakes_are_named_before_the_training(
    arguments: list[str],
    said: list[str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", *arguments]) == 2
    message = capsys.readouterr().err
    assert all(part in message for part in said)
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.parametrize("protocol", ["unsupervised", "semi-supervised"])
def test_the_data_know_from_the_protocol_what_can_be_scored(protocol: str) -> None:
    config = {"data": {"name": "davis", "root": "x"}, "task": {"protocol": protocol}, "seed": 0}
    assert SegmentationTask.open_data(config).semi_supervised == (protocol == "semi-supervised")


def test_masks_are_painted_in_the_colours_of_davis_and_nothing_else_is() -> None:
    frame = np.full((40, 60, 3), 100, np.uint8)
    ids = np.zeros((40, 60), np.uint8)
    ids[10:30, 10:30], ids[10:30, 40:50] = 1, 255
    painted = overlay_masks(frame, ids)
    assert (painted[ids == 0] == 100).all()
    assert painted[20, 20].tolist() == [(100 + 128) // 2, 50, 50]
    assert painted[10, 20].tolist() == [255, 0, 0]  # the outline
    assert painted[20, 45].tolist() == [177, 177, 177]
    assert (frame == 100).all()
