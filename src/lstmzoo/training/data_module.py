"""What the data modules of all tasks share: loaders in an order that a resumed run takes up again."""

import signal
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from lightning.pytorch import LightningDataModule
from lightning.pytorch.accelerators import CUDAAccelerator
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from lstmzoo.errors import ENDINGS, LstmzooError
from lstmzoo.training.sampler import EpochSampler

_GRACE = 30  # seconds from the signal to the end of a worker that is not sent home before


class BaseDataModule(LightningDataModule, ABC):
    """Data for training, validation and test; a task's own data module opens the three data sets in `setup`.

    The keys of ``data=`` are its arguments, those of the data set that it opens, and those of the data set's
    ``simulate_missing`` where there is such a function; but for `NOT_SETTINGS`.

    Args:
        batch_size: items per batch and process.
        num_workers: processes that load items; 0 for the training process itself.
        test_split: what is tested on: test, val or train.
        seed: of the order in training.

    Raises:
        LstmzooError: numbers that make no sense.
    """

    NOT_SETTINGS: ClassVar[tuple[str, ...]] = ("dataset", "split", "test_split", "seed", "simulate")
    """Arguments of the data module and the data set that do not come from the configuration's group ``data``."""

    PARTS: ClassVar[tuple[Callable[..., Any], ...]] = ()
    """What training makes of the data set, e.g. clips, with arguments that are keys of ``data=``; a data set may name
    others."""

    TRAINING_ONLY: ClassVar[tuple[str, ...]] = ()
    """Further arguments that change nothing once a model is trained; an evaluation refuses them."""

    collate: Callable[[list[Any]], Any] | None = None
    """Makes a batch of items; None for torch's own way."""

    def __init__(self, *, batch_size: int, num_workers: int, test_split: str, seed: int) -> None:
        super().__init__()
        if batch_size < 1 or num_workers < 0:
            raise LstmzooError("data.batch_size must be 1 or more, data.num_workers 0 or more")
        self.batch_size, self.num_workers = batch_size, num_workers
        self.test_split = test_split
        self.seed = seed
        self.train_dataset: Any = None
        self.val_dataset: Any = None
        self.test_dataset: Any = None

    @property
    @abstractmethod
    def sizes(self) -> str:
        """How much there is of what in the open splits, in words."""

    @property
    @abstractmethod
    def labels(self) -> Any:
        """What a model needs to know of the data: class names, or a vocabulary; `setup` must have been called."""

    @abstractmethod
    def check(self, *, test: bool) -> None:
        """Complain of settings and files that are wrong, before anything is simulated, decoded or trained.

        Args:
            test: whether there is to be a test, too.

        Raises:
            DataError: no data set, or a split that is not there.
            LstmzooError: settings that make no sense.
        """

    def datasets(self) -> dict[str, Any]:
        """The data sets that are open, by split."""
        opened = {"train": self.train_dataset, "val": self.val_dataset, self.test_split: self.test_dataset}
        return {split: dataset for split, dataset in opened.items() if dataset is not None}

    @property
    def even_batch_size(self) -> int | None:
        """Items per batch in validation and test; None: items by themselves, where they are of different sizes."""
        return self.batch_size

    @property
    def sequence_length(self) -> int | None:
        """Steps of a training sequence as a recurrent model reads it; None where that is not known.

        `setup` must have been called. The memory of a new model is initialised for it, see `lstmzoo.nn.init.auto_`.
        """
        return None

    @property
    def has_validation(self) -> bool:
        """Whether there is anything to validate on; some data sets have no such split."""
        return bool(self.val_dataset)

    def train_dataloader(self) -> DataLoader[Any]:
        """Batches in an order that depends on (seed, epoch); a resumed epoch goes on in its middle."""
        assert self.train_dataset is not None
        epoch, done = self._progress()
        sampler = EpochSampler(
            self.train_dataset, seed=self.seed, epoch=epoch, skip=done * self.batch_size, **self._processes()
        )
        return self._loader(self.train_dataset, sampler, self.batch_size)

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        """Batches in the order of the data set; nothing where there is no validation split."""
        return self._even(self.val_dataset) if self.val_dataset else []

    def test_dataloader(self) -> DataLoader[Any]:
        """Batches in the order of the data set."""
        assert self.test_dataset is not None
        return self._even(self.test_dataset)

    def _progress(self) -> tuple[int, int]:
        """The epoch in which training stands, and the batches that it has done of it."""
        if self.trainer is None:
            return 0, 0
        loop = self.trainer.fit_loop
        epochs: Any = loop.epoch_progress.current
        batches: Any = loop.epoch_loop.batch_progress.current
        unfinished = epochs.ready > epochs.processed
        return epochs.processed, batches.processed if unfinished else 0

    def _processes(self) -> dict[str, int]:
        if self.trainer is None:
            return {"num_replicas": 1, "rank": 0}
        return {"num_replicas": self.trainer.world_size, "rank": self.trainer.global_rank}

    def _even(self, dataset: Dataset[Any]) -> DataLoader[Any]:
        several = self._processes()["num_replicas"] > 1
        sampler: DistributedSampler[Any] | None = None
        if several:
            sampler = DistributedSampler(dataset, shuffle=False, **self._processes())  # type: ignore[arg-type]
        return self._loader(dataset, sampler, self.even_batch_size)

    def _loader(
        self, dataset: Dataset[Any], sampler: DistributedSampler[Any] | None, batch_size: int | None
    ) -> DataLoader[Any]:
        return DataLoader(
            dataset,
            batch_size=batch_size,
            sampler=sampler,
            collate_fn=self.collate,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            worker_init_fn=_outlive_signals,
            pin_memory=self.trainer is not None and isinstance(self.trainer.accelerator, CUDAAccelerator),
        )


def _outlive_signals(worker: int) -> None:
    """Let a worker that gets SIGTERM or SIGHUP serve on for a while: all processes of a run may get it at once.

    The training process ends the batch in work, writes its checkpoint and then sends its workers home.
    """
    if hasattr(signal, "alarm"):
        for number in ENDINGS:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, lambda *_: signal.alarm(_GRACE))
