"""What all tasks share: building them, the weights they start from, what they measure, checkpoints."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch

from lstmzoo.io.wording import listed
from lstmzoo.models import checkpoint_metadata, create_model
from lstmzoo.models.metadata import check_transform, words_of
from lstmzoo.models.pretrained.card import licences_of
from lstmzoo.training.inherited_weights import inherit_weights
from lstmzoo.training.interface import Config, TaskInterface
from lstmzoo.training.optimization import Optimization
from lstmzoo.training.setting_errors import setting_errors

Item = TypeVar("Item")


class BaseTask(Optimization, TaskInterface):
    """A task: a model in training, the data that it takes, and what the commands do with a trained one.

    A subclass is registered by `register_task`. It writes what `TaskInterface` asks for; `loss`, or `window_loss` and
    `num_frames` where there are sequences of frames to go through; `validation_step` and `test_step`; and sets
    `monitor` and, at the end of a test, `results`. The arguments of its constructor, but for
    `NOT_SETTINGS`, are the keys of ``task=``.

    Every random number of a training step is drawn from a generator seeded with (seed, epoch, batch, process), so
    that a resumed run repeats nothing and misses nothing.

    Args:
        model: registered name of the model.
        model_args: its arguments.
        classes: class names in the order of the logits; none for captions.
        transform: what turns a file into the model's input; see `checkpoint_metadata`.
        config: the resolved configuration of the run; it travels in the checkpoint.
        seed: of the randomness in training.
        lr: peak learning rate.
        weight_decay: decoupled weight decay, per step times lr.
        warmup_epochs: epochs of linear warm-up from zero to lr.
        gradient_clip_val: largest norm of the gradient; null for no clipping.
        tbptt_window: frames per window of truncated back-propagation through time; null for the whole clip at once.
        start_from: a checkpoint, run folder or name of weights to go on from; model, weights and data are taken over.
        vocabulary: of a captioner, as `Vocabulary.to_dict` gives it.

    Raises:
        LstmzooError: a setting out of its range.
    """

    def __init__(
        self,
        model: str,
        model_args: dict[str, Any],
        *,
        classes: list[str],
        transform: dict[str, Any],
        config: dict[str, Any],
        seed: int = 0,
        lr: float = 1e-3,
        weight_decay: float = 0.01,
        warmup_epochs: float = 0.0,
        gradient_clip_val: float | None = 1.0,
        tbptt_window: int | None = None,
        start_from: str | Path | None = None,
        vocabulary: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(lr, weight_decay, warmup_epochs, gradient_clip_val, tbptt_window)
        check_transform(transform, "data")  # what is trained can be loaded
        self.model: Any = create_model(model, **model_args)
        self.classes = classes
        self.vocabulary = vocabulary
        self.transform = transform
        self.config = config
        self.seed = seed
        self.start_from = start_from
        self.licences = licences_of({"data": config.get("data", {})})  # of all data that the weights have seen
        self.results = None

    @abstractmethod
    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Measure a batch of the validation split; by the end of the epoch, `monitor` is logged."""

    @abstractmethod
    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Measure a batch of the test split; by the end of the test, `results` is set."""

    @classmethod
    def from_config(cls, config: Config, labels: Any) -> Any:
        return cls.build(config, classes=[], transform={})

    @classmethod
    def build(cls, config: Config, model_args: Mapping[str, Any] | None = None, **settings: Any) -> Any:
        """Build the task of a configuration with a new model, for `from_config`.

        Args:
            config: the configuration.
            model_args: arguments of the model beside those in the configuration: what follows from the data.
            **settings: arguments of the task beside those in the configuration, or in their place.

        Raises:
            LstmzooError: settings that make no sense.
        """
        model, task = dict(config["model"]) | dict(model_args or {}), dict(config["task"]) | settings
        del task["name"]
        with setting_errors("the model or the task"):
            return cls(model.pop("name"), model, config=config, seed=config["seed"], **task)

    def try_frames(self, channels: int) -> None:
        """Let the model see one frame of the size in the transform, so that one that is too small for it shows now.

        Raises:
            LstmzooError: it fails.
        """
        size = self.transform["size"]
        with setting_errors(f"the model for frames of data.size={size}"), torch.no_grad():
            self.model.eval()(torch.zeros(1, 1, channels, *size))
            self.model.train()

    @property
    def testing(self) -> bool:
        """Whether a test is running, which a task without a trainer does not know of."""
        return self._trainer is not None and self._trainer.testing

    def of_all_processes(self, found: list[Item]) -> list[Item]:
        """Gather lists of picklable things from all processes into one; processes repeat some to be equally many."""
        if self.trainer.world_size == 1:
            return found
        parts: list[Any] = [None] * self.trainer.world_size
        torch.distributed.all_gather_object(parts, found)
        return [item for part in parts for item in part]

    def load_weights(self, model: Any) -> None:
        """Take over the weights of a model from ``lstmzoo.load``, and what belongs to them.

        Raises:
            RuntimeError: they do not fit.
        """
        self.model.load_state_dict(model.state_dict())
        self.model.checkpoint = getattr(model, "checkpoint", None)

    def inherit_weights(self, model: Any) -> str:
        """Take over the weights of a model from ``lstmzoo.load``, which may have been trained on other data.

        Returns:
            One line on what is trained from scratch; nothing where nothing is.

        Raises:
            CheckpointError: they do not fit.
        """
        noun, labels = _labels(self.classes, self.vocabulary)
        self.licences = licences_of(model.metadata) + self.licences
        _, known = _labels(model.classes, model.metadata.get("vocabulary"))
        weights = inherit_weights(self.model, model, labels, known)
        new = [label for label in labels if label not in {*known}] if known else []
        parts = [f"{len(new)} of {len(labels)} {noun}, {listed(new, 12)}"] if new else []
        parts += [f"the weights {', '.join(weights)}"] if weights else []
        return f"From scratch, as {self.start_from} does not have them: {'; '.join(parts)}" if parts else ""

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["train_totals"] = {name: total.cpu() for name, total in self._totals.items()}
        checkpoint["lstmzoo"] = checkpoint_metadata(
            self.model.model_name,
            self.model.model_args,
            classes=self.classes,
            transform=self.transform,
            data=self.config.get("data", {}),
            config=self.config,
            vocabulary=self.vocabulary,
            licences=[*dict.fromkeys(self.licences)],
        )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._totals = {name: total.to(self.device) for name, total in checkpoint.get("train_totals", {}).items()}


def _labels(classes: list[str], vocabulary: dict[str, Any] | None) -> tuple[str, list[str]]:
    """Classes or words, in the order of a model's outputs, and which of the two they are."""
    return ("words", words_of(vocabulary)) if vocabulary else ("classes", classes)
