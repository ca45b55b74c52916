"""Batches of sequences for training, validation and test."""

from typing import Any

from lstmzoo.errors import LstmzooError
from lstmzoo.registry import datasets
from lstmzoo.sequences.data.sequence_dataset import SequenceDataset
from lstmzoo.training.data_module import BaseDataModule

MOST_NUMBERS = 2**28
"""Numbers of a batch: a few settings in a file must not take the machine."""


class SequenceDataModule(BaseDataModule):
    """The data of the sequence task; see `SequenceDataset`.

    Args:
        dataset: class of the data set.
        batch_size: sequences per batch and process.
        num_workers: processes that draw sequences; 0: the training process itself.
        test_split: what is tested on: test, val or train.
        seed: of the order and of the training sequences.
        **settings: further arguments of the data set.

    Raises:
        LstmzooError: a setting out of its range.
    """

    def __init__(
        self,
        dataset: type[SequenceDataset],
        *,
        batch_size: int = 32,
        num_workers: int = 0,
        test_split: str = "test",
        seed: int = 0,
        **settings: Any,
    ) -> None:
        super().__init__(batch_size=batch_size, num_workers=num_workers, test_split=test_split, seed=seed)
        self._dataset, self._settings = dataset, settings
        self.example = self._open("train")
        steps, size = self.example.num_steps, self.example.input_size
        if batch_size * steps * size > MOST_NUMBERS:
            raise LstmzooError(
                f"data.batch_size={batch_size} sequences of {steps} steps of {size} numbers are more than "
                f"{MOST_NUMBERS:,} numbers; choose a smaller data.batch_size or data.distance"
            )

    def _open(self, split: str) -> SequenceDataset:
        return self._dataset(split, seed=self.seed, **self._settings)

    def check(self, *, test: bool) -> None:
        for split in ("train", self.test_split) if test else ("train",):
            self._open(split)

    def setup(self, stage: str | None = None) -> None:
        """Open the data sets of a stage."""
        if stage == "fit" and self.train_dataset is None:
            self.train_dataset, self.val_dataset = self._open("train"), self._open("val")
        if stage == "test" and self.test_dataset is None:
            self.test_dataset = self._open(self.test_split)

    @property
    def labels(self) -> list[str]:
        return list(self.example.classes)

    @property
    def sequence_length(self) -> int:
        """Steps of a sequence, T."""
        return int(self.example.num_steps)

    @property
    def sizes(self) -> str:
        counts = ", ".join(f"{len(data)} {split}" for split, data in self.datasets().items())
        return f"sequences of {self.example.num_steps} steps: {counts}"


def open_sequences(data: dict[str, Any], *, seed: int, split: str = "test") -> SequenceDataModule:
    """Open the data of a configuration's group ``data``."""
    settings = {key: value for key, value in data.items() if key != "name"}
    return SequenceDataModule(datasets.get(data["name"]).target, **settings, seed=seed, test_split=split)
