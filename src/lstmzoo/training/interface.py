"""What a task declares and writes: what is trained on what, and what the commands do with it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

from lstmzoo.errors import CheckpointError, LstmzooError
from lstmzoo.training.data_module import BaseDataModule
from lstmzoo.training.predictor import Inspector, Predictor

Config = dict[str, Any]
"""A composed configuration, resolved, as plain dicts: groups model, data and task, and seed."""


class Results(Protocol):
    """What a test found."""

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers, ready for JSON."""

    def save(self, folder: Path, about: dict[str, Any]) -> list[str]:
        """Write metrics.json (the numbers, and what is known about the test) and other files; return their names."""

    def show(self, title: str, details: bool) -> None:
        """Print the numbers, with `details` more than a summary."""


class TaskInterface(ABC):
    """The part of a task that the commands know; training is in `lstmzoo.training.base.BaseTask`."""

    monitor: tuple[str, str] = ("val/loss", "min")
    """The number by which the best checkpoint is chosen, and whether more (max) or less (min) is better."""

    headline: ClassVar[str] = ""
    """The number in metrics.json that stands for a model where there is room for one."""

    shown: ClassVar[Mapping[str, str]] = {}
    """What is shown of an epoch beside its loss, with the format of each; by default, the monitored number."""

    NOT_SETTINGS: ClassVar[tuple[str, ...]] = (
        *("model", "model_args", "classes", "transform", "config", "seed", "vocabulary"),
    )
    """Arguments that do not come from the configuration's group ``task``."""

    data_module: ClassVar[type[BaseDataModule]]
    """Its settings, and those of the data set, are the keys of ``data=``."""

    model_class: ClassVar[type]
    """What all models that can be trained have as a base class."""

    ensemble_class: ClassVar[type | None] = None
    """What makes one model of a list of them, where the task has ensembles."""

    default_model: ClassVar[str]
    default_data: ClassVar[str]
    """What is trained on what where nothing else is said."""

    default_experiment: ClassVar[str] = "none"
    """The experiment behind it, for a task whose own defaults do not train that model on these data."""

    dummy_labels: ClassVar[Any]
    """Labels with which settings are tried out before there are data."""

    has_vocabulary: ClassVar[bool] = False
    """Whether its models have a vocabulary; others may have classes."""

    transform_keys: ClassVar[tuple[str, ...]] = ()
    """What the transform of its models says; settings of data of these names are taken from there in an evaluation."""

    NOT_STORED: ClassVar[tuple[str, ...]] = ("start_from",)
    """Settings that a checkpoint does not decide: they load files, or matter in training only."""

    TRAINING_ONLY: ClassVar[tuple[str, ...]] = (
        *("lr", "weight_decay", "warmup_epochs", "gradient_clip_val", "tbptt_window", "start_from"),
    )
    """Settings that change nothing once a model is trained; an evaluation refuses them."""

    INHERITED: ClassVar[tuple[str, ...]] = ()
    """Settings that a run takes over from the checkpoint that ``start_from`` names."""

    results: Results | None
    """What the last test found."""

    @classmethod
    def headline_of(cls, classes: list[str]) -> str:
        """Name the number that stands for a model with these classes; by default, always `headline`."""
        return cls.headline

    @classmethod
    @abstractmethod
    def open_data(
        cls, config: Config, *, split: str = "test", simulate: bool = False, model: Any | None = None
    ) -> BaseDataModule:
        """Build the data module of a configuration.

        Args:
            config: the configuration.
            split: what is tested on.
            simulate: make simulated data where they are missing.
            model: a trained model, from ``lstmzoo.load``, that is to be tested; the data are prepared as it needs them.
        """

    @classmethod
    @abstractmethod
    def from_config(cls, config: Config, labels: Any) -> Any:
        """Build the task of a configuration with a new model; labels are those of its data module.

        `BaseTask` has one for tasks without classes and transform.
        """

    @classmethod
    def check_transform(cls, transform: Mapping[str, Any], origin: str) -> None:
        """Check what a checkpoint says about the input of its model.

        Raises:
            CheckpointError: it lacks something.
        """
        if lacking := [key for key in cls.transform_keys if key not in transform]:
            raise CheckpointError(f"{origin}: its transform lacks {', '.join(lacking)}")

    @classmethod  # noqa: B027 (a hook)
    def adapt_inherited(cls, data: dict[str, Any], task: Mapping[str, Any]) -> None:
        """Change settings of the data of ``task.start_from`` that do not go with this task; by default none.

        Args:
            data: these settings, empty where the command line chooses other data; changed in place.
            task: the settings of the task.
        """

    @classmethod
    @abstractmethod
    def predictor(cls) -> type[Predictor[Any, Any]]:
        """Return the class behind ``lstmzoo predict``."""

    @classmethod
    @abstractmethod
    def inspector(cls) -> type[Inspector]:
        """Return the class behind ``lstmzoo inspect``."""

    @staticmethod
    def score(results: Path, data: dict[str, Any]) -> None:
        """Score predictions that any method made, ``lstmzoo eval results=PATH``; further arguments are its options.

        Args:
            results: the file or folder.
            data: the settings of the data set, the group ``data`` of a configuration.

        Raises:
            LstmzooError: the task has no such thing.
        """
        raise LstmzooError(f"results={results}: there are no predictions of others to score in this task")

    @abstractmethod
    def dummy_batch(self) -> dict[str, Any]:
        """Make a small random batch, as its data module makes them: with it, a model of this task can be tried out."""

    def check_model(self, batch: dict[str, Any]) -> None:  # noqa: B027 (a hook)
        """Make sure that the model, in evaluation mode, does what its base class promises.

        Args:
            batch: from `dummy_batch`.

        Raises:
            AssertionError: it does not.
        """
