"""Sequences: what was seen D steps ago?"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Generator, Tensor

from lstmzoo.errors import CheckpointError
from lstmzoo.models.metadata import brief
from lstmzoo.models.outputs import check_finite
from lstmzoo.registry import register_task
from lstmzoo.sequences.data.sequence_dataset import SequenceDataset
from lstmzoo.sequences.datamodule import SequenceDataModule, open_sequences
from lstmzoo.sequences.models.sequence_model import SequenceModel
from lstmzoo.sequences.results import Answered, SequenceResults
from lstmzoo.training.base import BaseTask
from lstmzoo.training.interface import Config
from lstmzoo.training.optimization import State
from lstmzoo.training.predictor import Inspector, Predictor


@register_task("sequence", lr=3e-3, weight_decay=0.0)
class SequenceTask(BaseTask):
    """Cross-entropy, or the mean squared error, of the answers at the last steps; accuracy over answers.

    Args:
        model: registered name of a sequence model.
        model_args: its arguments.
        dataset: it says which answers are right.
        **settings: those of `BaseTask`.
    """

    monitor = ("val/accuracy", "max")
    headline = "accuracy"
    shown: ClassVar = {"train/accuracy": ".1%", "val/loss": ".4f", "val/accuracy": ".1%"}
    NOT_SETTINGS: ClassVar = (*BaseTask.NOT_SETTINGS, "dataset")
    data_module = SequenceDataModule
    model_class: ClassVar[type] = SequenceModel
    default_model, default_data, default_experiment = "sequence_rnn", "recall", "recall"
    transform_keys = ("alphabet",)
    dummy_labels: ClassVar[list[str]] = []  # the settings of the data say all

    def __init__(self, model: str, model_args: dict[str, Any], dataset: SequenceDataset, **settings: Any) -> None:
        super().__init__(model, model_args, **settings)
        self.dataset = dataset
        self._answered: list[Answered] = []

    @classmethod
    def open_data(
        cls, config: Config, *, split: str = "test", simulate: bool = False, model: Any | None = None
    ) -> SequenceDataModule:
        return open_sequences(config["data"], seed=config["seed"], split=split)

    @classmethod
    def from_config(cls, config: Config, labels: list[str]) -> SequenceTask:
        dataset = open_sequences(config["data"], seed=config["seed"]).example
        sizes = {
            "input_size": dataset.input_size,
            "num_classes": len(dataset.classes),
            "target_steps": dataset.target_steps,
        }
        classes, transform = list(dataset.classes), {"alphabet": list(dataset.alphabet)}
        return cls.build(config, sizes, dataset=dataset, classes=classes, transform=transform)

    @classmethod
    def check_transform(cls, transform: Any, origin: str) -> None:
        super().check_transform(transform, origin)
        names = transform["alphabet"]
        if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
            raise CheckpointError(f"{origin}: its transform has alphabet={brief(names)}; it is a list of names")

    @classmethod
    def predictor(cls) -> type[Predictor[Any, Any]]:
        from lstmzoo.sequences.predict import SequencePredictor

        return SequencePredictor

    @classmethod
    def inspector(cls) -> type[Inspector]:
        from lstmzoo.sequences.inspect import SequenceInspector

        return SequenceInspector

    # --- training ------------------------------------------------------------------------------------------------

    def num_frames(self, batch: dict[str, Any]) -> int:
        return int(batch["x"].shape[1])

    def window_loss(self, batch: dict[str, Any], frames: slice, state: State) -> tuple[Tensor, State]:
        """The mean loss of the answers; a window's share in it is weighted so that the windows' weighted mean is it."""
        steps, targets = self.num_frames(batch), batch["target"].shape[1]
        start, stop, _ = frames.indices(steps)
        first, last = (max(0, step - (steps - targets)) for step in (start, stop))  # of the targets
        with torch.set_grad_enabled(torch.is_grad_enabled() and last > first):  # else there is nothing to learn
            answers, state = self.model.forward_steps(batch["x"][:, start:stop], state, last - first)
        if last == first:
            return torch.zeros((), device=self.device, requires_grad=True), state
        target = batch["target"][:, first:last]
        self.record("accuracy", self.dataset.is_right(answers, target).sum(), target.numel())
        share = (last - first) / targets * steps / (stop - start)
        return self.dataset.loss(answers, target).mean() * share, state

    def dummy_batch(self) -> dict[str, Any]:
        x, target = self.dataset.draw(2, Generator().manual_seed(0))
        return {"x": x, "target": target, "index": torch.arange(2)}

    @torch.no_grad()
    def check_model(self, batch: dict[str, Any]) -> None:
        """A model streams: step by step it gives the answers of the whole sequence."""
        answers, state = [], None
        for x in batch["x"].unbind(1):
            one, state = self.model.step(x, state)
            answers.append(one)
        whole = self.model(batch["x"])
        torch.testing.assert_close(torch.stack(answers[-whole.shape[1] :], 1), whole, rtol=1e-4, atol=1e-5)

    # --- validation and test -------------------------------------------------------------------------------------

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        answers, target = self.model(batch["x"]), batch["target"]
        for name, values in {
            "loss": self.dataset.loss(answers, target),
            "accuracy": self.dataset.is_right(answers, target).float(),
        }.items():
            self.log(f"val/{name}", values.mean(), batch_size=len(target), sync_dist=True)

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        answers, target = self.model(batch["x"]), batch["target"]
        check_finite(answers, self.model)
        columns = batch["index"], target, answers, self.dataset.is_right(answers, target)
        self._answered += [Answered(*row) for row in zip(*(one.cpu().tolist() for one in columns), strict=True)]

    def on_test_epoch_end(self) -> None:
        found, self._answered = {one.item: one for one in self.of_all_processes(self._answered)}, []
        dataset = self.trainer.datamodule.test_dataset  # type: ignore[attr-defined]
        self.results = SequenceResults(dataset, [found[item] for item in sorted(found)])
