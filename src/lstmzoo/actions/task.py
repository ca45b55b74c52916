"""Action recognition: a class for every sequence of frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lstmzoo.actions import metrics
from lstmzoo.actions.datamodule import VideoDataModule
from lstmzoo.actions.models.action_model import ActionModel, needs_grey
from lstmzoo.actions.results import RecognitionResults, SequencePrediction
from lstmzoo.errors import LstmzooError
from lstmzoo.models.metadata import RATES
from lstmzoo.models.outputs import check_finite
from lstmzoo.registry import datasets, register_task
from lstmzoo.settings import settings_of
from lstmzoo.training.base import BaseTask
from lstmzoo.training.interface import Config
from lstmzoo.training.optimization import State
from lstmzoo.training.predictor import Inspector, Predictor
from lstmzoo.training.setting_errors import setting_errors


@register_task("recognition", lr=2e-3, weight_decay=0.05, warmup_epochs=1.0)
class RecognitionTask(BaseTask):
    """Cross-entropy on clips; accuracy over sequences, each judged by the mean over its clips.

    Args:
        model: registered name of an action model.
        model_args: its arguments.
        label_smoothing: share of the target that is spread over all classes, 0..1.
        **settings: those of `BaseTask`.
    """

    monitor = ("val/accuracy", "max")
    headline = "sequence_accuracy"
    shown: ClassVar = {"train/accuracy": ".1%", "val/loss": ".3f", "val/accuracy": ".1%"}
    data_module = VideoDataModule
    model_class: ClassVar[type] = ActionModel
    default_model, default_data = "action_rnn", "kth_simulated"
    transform_keys = ("size", "clip_len", "frame_interval")
    TRAINING_ONLY: ClassVar = (*BaseTask.TRAINING_ONLY, "label_smoothing")
    dummy_labels: ClassVar[list[str]] = ["one class", "another"]

    def __init__(
        self,
        model: str,
        model_args: dict[str, Any],
        *,
        label_smoothing: float = 0.1,
        **settings: Any,
    ) -> None:
        super().__init__(model, model_args, **settings)
        if not 0 <= label_smoothing < 1:
            raise LstmzooError(f"task.label_smoothing must be in 0..1 (1 excluded), not {label_smoothing}")
        self.label_smoothing = label_smoothing
        self._clips: list[tuple[Tensor, Tensor]] = []

    @classmethod
    def open_data(
        cls, config: Config, *, split: str = "test", simulate: bool = False, model: Any | None = None
    ) -> VideoDataModule:
        data = dict(config["data"])
        dataset = datasets.get(data.pop("name")).target
        if model is not None:
            data["fps"] = model.transform.get("fps")
            if "classes" in settings_of(dataset):
                data["classes"] = model.classes
        return VideoDataModule(
            dataset, **data, grey=_grey(config), seed=config["seed"], test_split=split, simulate=simulate
        )

    @classmethod
    def from_config(cls, config: Config, labels: list[str]) -> RecognitionTask:
        data = config["data"]
        transform: dict[str, Any] = {
            "size": list(data["size"]),
            "grey": _grey(config),
            "clip_len": data["clip_len"],
            "frame_interval": data["frame_interval"],
        }
        task: RecognitionTask = cls.build(config, {"num_classes": len(labels)}, classes=labels, transform=transform)
        task.try_frames(channels=1 if transform["grey"] else 3)
        return task

    @classmethod
    def predictor(cls) -> type[Predictor[Any, Any]]:
        from lstmzoo.actions.predict import ActionPredictor

        return ActionPredictor

    @classmethod
    def inspector(cls) -> type[Inspector]:
        from lstmzoo.actions.inspect import ActionInspector

        return ActionInspector

    def setup(self, stage: str) -> None:
        """Keep the frame rate of the training videos, by which other videos are stepped through."""
        if stage == "fit" and (fps := getattr(self.trainer.datamodule, "fps", None)):  # type: ignore[attr-defined]
            self.transform["fps"] = min(max(fps, RATES[0]), RATES[1])

    def window_loss(self, batch: dict[str, Any], frames: slice, state: State) -> tuple[Tensor, State]:
        logits, state = self.model.supervised_logits(batch["video"][:, frames], state)  # (B, S, K)
        labels = batch["label"][:, None].expand(logits.shape[:2])  # (B, S)
        loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), label_smoothing=self.label_smoothing)
        self.record("accuracy", (logits.argmax(2) == labels).sum(), labels.numel())
        return loss, state

    def dummy_batch(self) -> dict[str, Any]:
        channels = 1 if self.transform["grey"] else 3
        video = torch.randint(256, (2, 3, channels, *self.transform["size"]), dtype=torch.uint8)
        return {"video": video, "label": torch.arange(2) % len(self.classes)}

    @torch.no_grad()
    def check_model(self, batch: dict[str, Any]) -> None:
        """A model streams: frame by frame it ends with the logits of the whole clip."""
        state = None
        for frame in batch["video"].unbind(1):
            logits, state = self.model.step(frame, state)
        torch.testing.assert_close(logits, self.model(batch["video"]), rtol=1e-4, atol=1e-5)

    def num_frames(self, batch: dict[str, Any]) -> int:
        return batch["video"].shape[1]

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        self._add(batch, self.model(batch["video"]))

    def on_validation_epoch_end(self) -> None:
        items, segments, probabilities = self._gather()
        if not len(items):
            return
        dataset = self.trainer.datamodule.val_dataset  # type: ignore[attr-defined]
        labels = np.array([dataset.segments[segment].label for segment in segments])
        sequences, means = metrics.aggregate(probabilities, segments.tolist())
        truth = [dataset.segments[segment].label for segment in sequences]
        likelihood = probabilities[np.arange(len(items)), labels]
        self.log("val/loss", float(-np.log(likelihood.clip(1e-12)).mean()), sync_dist=True)
        self.log("val/accuracy", metrics.accuracy(truth, means.argmax(1)), sync_dist=True)

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        video = batch["video"]
        shuffled = shuffle_frames(video, batch["index"])
        logits = self.model(video), self.model(shuffled)
        for one in logits:
            check_finite(one, self.model)
        self._add(batch, *logits)

    def on_test_epoch_end(self) -> None:
        _, segments, probabilities = self._gather()
        dataset = self.trainer.datamodule.test_dataset  # type: ignore[attr-defined]
        sequences = [dataset.segments[number] for number in segments]
        report = self._reporter(sequences, segments)
        k = len(self.classes)
        self.results = RecognitionResults(
            report=report(probabilities[:, :k]),
            shuffled=report(probabilities[:, k:]),
            sequences=self._predictions(dataset, segments, probabilities[:, :k]),
        )

    def _reporter(self, sequences: list[Any], segments: np.ndarray) -> Callable[[np.ndarray], metrics.Report]:
        def report(probabilities: np.ndarray) -> metrics.Report:
            return metrics.report(
                probabilities,
                labels=[segment.label for segment in sequences],
                segments=segments.tolist(),
                videos=[str(segment.path) for segment in sequences],  # two folders may hold videos of one name
                scenarios=[segment.scenario for segment in sequences],
                classes=self.classes,
                subsets=self.trainer.datamodule.test_dataset.subsets,  # type: ignore[attr-defined]
            )

        return report

    def _predictions(self, dataset: Any, segments: np.ndarray, probabilities: np.ndarray) -> list[SequencePrediction]:
        numbers, means = metrics.aggregate(probabilities, segments.tolist())
        predictions = []
        for number, mean in zip(numbers, means, strict=True):
            segment = dataset.segments[number]
            label, prediction = self.classes[segment.label], self.classes[mean.argmax()]
            frames = (segment.first + 1, segment.last)
            predictions.append(
                SequencePrediction(segment.video, segment.scenario, *frames, label, prediction, mean.tolist())
            )
        return predictions

    def _add(self, batch: dict[str, Any], *logits: Tensor) -> None:
        """Keep a row per clip: the numbers of its item and segment, and its class probabilities."""
        numbers = torch.stack([batch["index"], batch["segment"]], dim=1)  # (B, 2)
        probabilities = torch.cat([one.float().softmax(1) for one in logits], dim=1)  # (B, K) or (B, 2 K)
        self._clips.append((numbers, probabilities))

    def _gather(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Items (N,), segments (N,) and probabilities (N, K) of all processes, in order, each item once."""
        if not self._clips:
            return np.zeros(0, int), np.zeros(0, int), np.zeros((0, len(self.classes)))
        columns = []
        for parts in zip(*self._clips, strict=True):
            rows = self.all_gather(torch.cat(parts))  # (processes, N, ...), or (N, ...) when there is one
            assert isinstance(rows, Tensor)
            columns.append(rows.reshape(-1, rows.shape[-1]).cpu().numpy())
        self._clips = []
        numbers, probabilities = columns
        items, first = np.unique(numbers[:, 0], return_index=True)  # processes repeat some to be equally many
        return items, numbers[first, 1], probabilities[first].astype(np.float64)


def _grey(config: Config) -> bool:
    """Whether the model of a configuration takes grey frames."""
    model = dict(config["model"])
    with setting_errors("the model"):
        return needs_grey(model.pop("name"), **{**model, "num_classes": len(RecognitionTask.dummy_labels)})


def shuffle_frames(video: Tensor, items: Tensor) -> Tensor:
    """Put the frames of every clip in a random order that depends on nothing but the item's number.

    Args:
        video: (B, T, C, H, W).
        items: (B,) numbers of the items.
    """
    shuffled = torch.empty_like(video)
    for row, item in enumerate(items.tolist()):
        order = torch.randperm(video.shape[1], generator=torch.Generator().manual_seed(item))
        shuffled[row] = video[row, order.to(video.device)]
    return shuffled
