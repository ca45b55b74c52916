"""The parts of training: order, learning rate, seeds, logs, results; each against an independent account."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch import Trainer

from lstmzoo.actions.data.kth import KTH
from lstmzoo.actions.data.kth_simulated import SimulatedKTH
from lstmzoo.actions.datamodule import VideoDataModule
from lstmzoo.actions.task import RecognitionTask, shuffle_frames
from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.training.optimization import step_seed
from lstmzoo.training.run_log import RunLog, read_rows, summary
from lstmzoo.training.sampler import EpochSampler
from lstmzoo.training.schedule import Constant, Cosine, OneCycle, Schedule, Step, Training, learning_rate
from tiny_runs import write_tiny_kth


@given(st.integers(1, 40), st.integers(0, 5), st.integers(0, 3), st.integers(1, 3))
def test_every_item_comes_once_per_epoch(items: int, epoch: int, seed: int, processes: int) -> None:
    drawn = []
    for rank in range(processes):
        sampler = EpochSampler(range(items), seed=seed, num_replicas=processes, rank=rank)
        sampler.set_epoch(epoch)
        pairs = list(sampler)
        assert {when for _, when in pairs} == {epoch}
        drawn += [index for index, _ in pairs]
    assert set(drawn) == set(range(items))
    assert len(drawn) == processes * math.ceil(items / processes)  # some twice, so that all have as many


@given(st.integers(2, 40), st.integers(0, 4), st.data())
def test_an_epoch_can_be_entered_in_its_middle(items: int, epoch: int, data: st.DataObject) -> None:
    skip = data.draw(st.integers(0, items))
    whole = EpochSampler(range(items), seed=1)
    whole.set_epoch(epoch)
    resumed = EpochSampler(range(items), seed=1, epoch=epoch, skip=skip)
    resumed.set_epoch(epoch)  # Lightning says it again
    assert list(resumed) == list(whole)[skip:]
    assert len(resumed) == items  # a whole epoch: the progress counts it so
    resumed.set_epoch(epoch + 1)
    whole.set_epoch(epoch + 1)
    assert list(resumed) == list(whole)


def test_order_differs_by_epoch_and_by_seed() -> None:
    orders = [tuple(i for i, _ in EpochSampler(range(50), seed=s, epoch=e)) for s in (0, 1) for e in (0, 1)]
    assert len(set(orders)) == 4


def test_learning_rate_follows_its_equation() -> None:
    training = Training(total=110, warmup=10, per_epoch=10)

    def rate(step: int, schedule: Schedule | None = None) -> float:
        return learning_rate(step, 2.0, schedule or Cosine(epochs=None), training)

    assert [rate(step) for step in (0, 4, 9)] == pytest.approx([0.2, 1.0, 2.0])
    assert rate(10) == pytest.approx(2.0)
    assert rate(60) == pytest.approx(1.0)
    assert rate(110) == pytest.approx(0.0)
    assert rate(500) == pytest.approx(0.0)
    assert rate(30, Cosine(epochs=5)) == pytest.approx(1.0)
    assert [rate(step, Constant()) for step in (4, 60, 500)] == pytest.approx([1.0, 2.0, 2.0])
    assert [rate(step, Step(every=2, gamma=0.5)) for step in (19, 20, 45)] == pytest.approx([2.0, 1.0, 0.5])
    one_cycle = OneCycle(up=0.5, start=0.25)
    no_warmup = training._replace(warmup=0)
    found = [learning_rate(step, 2.0, one_cycle, no_warmup) for step in (0, 55, 110)]
    assert found == pytest.approx([0.5, 2.0, 0.0])
    endless = Training(total=math.inf, warmup=0, per_epoch=10)
    assert learning_rate(0, 2.0, Cosine(epochs=None), endless) == 2.0


def test_step_seeds_differ_in_every_number() -> None:
    seeds = {step_seed(s, e, b, r) for s in range(3) for e in range(5) for b in range(20) for r in range(2)}
    assert len(seeds) == 3 * 5 * 20 * 2
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert step_seed(0, 1, 2, 0) != step_seed(0, 2, 1, 0)


def test_shuffled_frames_are_the_same_frames() -> None:
    video = torch.arange(2 * 16).view(2, 16, 1, 1, 1)
    shuffled = shuffle_frames(video, torch.tensor([5, 9]))
    assert not torch.equal(shuffled, video)
    assert torch.equal(shuffled.sort(1).values, video)
    assert torch.equal(shuffled, shuffle_frames(video, torch.tensor([5, 9])))
    assert torch.equal(shuffled[1:], shuffle_frames(video[1:], torch.tensor([9])))  # whatever else is in the batch


def test_run_log_merges_epochs_and_goes_on(tmp_path: Path) -> None:
    lines: list[str] = []
    log = RunLog(tmp_path, lines.append)
    log.max_epochs = 3
    log.shown = RecognitionTask.shown
    log.log_metrics({"epoch": 0, "val/accuracy": 0.5, "val/loss": 1.5}, step=2)
    log.log_metrics({"epoch": 0, "train/loss": 1.25, "lr": 0.002, "seconds": 3.0, "data_wait": 0.01}, step=2)
    log.log_metrics({"train/loss_step": 9.0}, step=3)
    log.log_metrics({"epoch": 0, "test/accuracy": 1.0}, step=3)
    again = RunLog(tmp_path, resumed=True)
    again.log_metrics({"epoch": 1, "train/loss": 1.0, "extra": 7.0}, step=5)
    with open(tmp_path / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert (rows[0]["val/accuracy"], rows[0]["train/loss"], rows[0]["lr"]) == ("0.5", "1.25", "0.002")
    assert (rows[1]["step"], rows[1]["extra"], rows[1]["val/accuracy"]) == ("5", "7", "")
    assert read_rows(tmp_path / "metrics.csv")[0]["val/loss"] == 1.5
    assert lines == ["epoch 1/3   loss 1.250   val loss 1.500   val accuracy 50.0%   3.0 s (1.0% waiting for data)"]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]
    assert summary({"epoch": 4, "train/loss": 1}, max_epochs=-1, shown={}) == "epoch 5   loss 1.000"


simulate_missing = SimulatedKTH.simulate_missing


@pytest.fixture(scope="module")
def kth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_kth(tmp_path_factory.mktemp("tasks") / "kth")


def data_module(root: Path, **changes: Any) -> VideoDataModule:
    arguments = {"protocol": "kfold", "folds": 3, "size": [32, 32], "clip_len": 4, "batch_size": 5, "num_workers": 0}
    return VideoDataModule(KTH, str(root), **{**arguments, "shift": 0.0, "zoom": 0.0, **changes})


def task(**changes: Any) -> RecognitionTask:
    torch.manual_seed(0)
    transform = {"size": [32, 32], "grey": True, "clip_len": 4, "frame_interval": 2}
    classes = ["boxing", "handclapping", "handwaving", "jogging", "running", "walking"]
    arguments = {"hidden_size": 8, "feature_size": 8, "dropout": 0.3}
    return RecognitionTask("action_rnn", arguments, classes=classes, transform=transform, config={}, **changes)


def trainer(**changes: Any) -> Trainer:
    arguments: dict[str, Any] = {
        "accelerator": "cpu",
        "max_epochs": 2,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "use_distributed_sampler": False,
        **changes,
    }
    return Trainer(**arguments)


def test_results_are_those_computed_clip_by_clip(kth: Path) -> None:
    data, one = data_module(kth, test_clips=3), task()
    trainer().test(one, data, verbose=False)
    assert one.results is not None

    dataset = data.test_dataset
    assert dataset is not None
    one.eval()
    right, shuffled_right, probabilities = 0, 0, []
    with torch.no_grad():
        for number, segment in enumerate(dataset.segments):
            clips = [dataset[number * 3 + clip] for clip in range(3)]
            mean = torch.stack([one.model(clip["video"][None])[0].softmax(0) for clip in clips]).mean(0)
            right += int(mean.argmax()) == segment.label
            mixed = [shuffle_frames(clip["video"][None], torch.tensor([clip["index"]])) for clip in clips]
            mean_shuffled = torch.stack([one.model(video)[0].softmax(0) for video in mixed]).mean(0)
            shuffled_right += int(mean_shuffled.argmax()) == segment.label
            probabilities.append(mean.numpy())
    assert one.results.report.num_sequences == len(dataset.segments) == 12
    assert one.results.report.num_videos == 6
    assert one.results.report.sequence_accuracy == pytest.approx(right / 12)
    assert one.results.shuffled.sequence_accuracy == pytest.approx(shuffled_right / 12)
    np.testing.assert_allclose([s.probabilities for s in one.results.sequences], probabilities, atol=1e-5)
    assert [(s.first, s.last) for s in one.results.sequences[:2]] == [(1, 12), (13, 24)]


@pytest.mark.slow
def test_any_number_of_workers_gives_the_same_weights(kth: Path) -> None:
    weights = []
    for workers in (0, 2):
        trained = task()
        trainer().fit(trained, data_module(kth, num_workers=workers))
        weights.append(trained.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_another_seed_gives_other_weights(kth: Path) -> None:
    weights = []
    for seed in (0, 0, 1):
        trained = task(seed=seed)  # the same start: only order, clips and dropout differ
        trainer(max_epochs=1).fit(trained, data_module(kth, seed=seed))
        weights.append(trained.state_dict()["model.classifier.weight"])
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_validation_sees_sequences(kth: Path) -> None:
    fitted, running = task(), trainer(max_epochs=1)
    data = data_module(kth, val_clips=2)
    running.fit(fitted, data)
    assert data.val_dataset is not None
    assert len(data.val_dataset) == 24
    accuracy = float(running.callback_metrics["val/accuracy"])
    assert (accuracy * 12) == pytest.approx(round(accuracy * 12), abs=1e-4)  # 12 sequences, not 24 clips
    assert {"train/loss", "train/accuracy", "val/loss", "lr"} <= running.callback_metrics.keys()


def test_no_validation_split_is_no_error(kth: Path) -> None:
    data = data_module(kth, protocol="leave_one_out", fold=2)
    trained, running = task(), trainer(max_epochs=1)
    running.fit(trained, data)
    assert not data.has_validation
    assert "val/accuracy" not in running.callback_metrics
    assert running.global_step == math.ceil(24 / 5)


def test_wrong_settings_of_the_data(kth: Path) -> None:
    with pytest.raises(LstmzooError, match="clip_len"):
        data_module(kth, clip_len=0)
    with pytest.raises(LstmzooError, match="batch_size"):
        data_module(kth, batch_size=0)
    with pytest.raises(DataError):
        data_module(kth / "nowhere").setup("fit")


@pytest.mark.slow
def test_only_simulated_folders_are_simulated_into(
    kth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in kth.rglob("*"))
    protocol: dict[str, Any] = {"protocol": "leave_one_out", "fold": 1}
    assert not simulate_missing(kth, persons=25, scenarios=4, **protocol)
    assert sorted(path.name for path in kth.rglob("*")) == before

    wanted: dict[str, Any] = {"persons": 2, "scenarios": 1, "simulation_seed": 3, **protocol}
    with pytest.raises(LstmzooError, match="persons=2"):
        simulate_missing(tmp_path / "new", **{**wanted, "protocol": "official"})
    assert simulate_missing(tmp_path / "new", dry_run=True, **wanted)
    assert not (tmp_path / "new").exists()
    assert simulate_missing(tmp_path / "new", **wanted)
    assert "simulating KTH with 2 persons" in capsys.readouterr().out
    videos = sorted((tmp_path / "new").glob("*/*.avi"))
    assert len(videos) == 12
    simulate_missing(tmp_path / "new", **wanted)
    assert "simulating" not in capsys.readouterr().out
    videos[0].unlink()  # as after an interruption
    simulate_missing(tmp_path / "new", **wanted)
    assert "only 11 of 12 videos" in capsys.readouterr().out
    assert sorted((tmp_path / "new").glob("*/*.avi")) == videos


def test_a_smaller_simulated_set_is_taken_as_it_is(
    make_kth: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_kth({f"person0{person}_{action}_d1": [(1, 8)] for person in (1, 2) for action in ("boxing", "running")})
    (root / "simulated.json").write_text('{"maker": "lstmzoo.actions.data.kth_simulated", "version": 1, "seed": 5}')
    before = sorted(root.rglob("*"))
    simulate_missing(root)
    out = capsys.readouterr().out
    assert "persons=2, scenarios=1, seed=5" in out
    assert "persons=25, scenarios=4, seed=0" in out
    assert sorted(root.rglob("*")) == before
