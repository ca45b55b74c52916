"""The family of data sets with a distance: a subclass draws sequences, and the rest is here."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torch.utils.data import Dataset

from lstmzoo.errors import LstmzooError, unknown_choice
from lstmzoo.io.split_names import SPLITS
from lstmzoo.models.argument_checks import check_sizes
from lstmzoo.sequences.data.sequence_report import SequenceReport

LONGEST = 100_000
"""The largest distance, in steps."""


class SequenceDataset(Dataset[dict[str, Any]], ABC):
    """Sequences with something to remember for `distance` steps, and what is to be answered in the end.

    A subclass sets `classes`, `num_steps` and `input_size`, and writes `draw`.

    Training sequences are never seen twice: each depends on (seed, epoch, index). Those of val and test depend on the
    index alone and are the same for every seed.

    An item is a dictionary:

    - ``"x"``: float32 (T, I), T = num_steps, I = input_size
    - ``"target"``: long (S,), indices into `classes`, S = target_steps; of a regression, float32 (S,)
    - ``"index"``: int, the item

    Args:
        split: train, val or test.
        distance: D, steps from what is to be remembered to the answer.
        epoch_size: training sequences per epoch.
        test_size: sequences of val, and as many of test.
        seed: of the training sequences.

    Raises:
        LstmzooError: an unknown split, or a setting out of its range.
    """

    NOT_SETTINGS: ClassVar[tuple[str, ...]] = ("split", "seed")
    """Arguments that do not come from a configuration."""

    licence = "MIT"
    least_distance: ClassVar[int] = 1
    target_steps = 1
    """S: the answers are those of the last S steps."""

    tolerance: ClassVar[float | None] = None
    """Of a regression: an answer is right if it is off by less."""

    alphabet: Sequence[str] = ()
    """Names of the I symbols where every step is one of them (x is one-hot); empty where steps are numbers."""

    classes: Sequence[str]
    """What the K outputs of a model are called; of a regression there is one, the number."""

    num_steps: int
    input_size: int

    def __init__(
        self,
        split: str = "train",
        *,
        distance: int = 20,
        epoch_size: int = 3200,
        test_size: int = 1000,
        seed: int = 0,
    ) -> None:
        if split not in SPLITS:
            raise LstmzooError(unknown_choice("split", split, SPLITS))
        if type(distance) is not int or not self.least_distance <= distance <= LONGEST:
            raise LstmzooError(
                f"distance must be a number of steps from {self.least_distance} to {LONGEST}, not {distance!r}"
            )
        check_sizes(epoch_size=epoch_size, test_size=test_size)
        self.split, self.distance, self.seed = split, distance, seed
        self.size = epoch_size if split == "train" else test_size

    @abstractmethod
    def draw(self, batch_size: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Draw sequences.

        Args:
            batch_size: B, how many.
            generator: of all that is random in them.

        Returns:
            x, float32 (B, T, I), and the targets (B, S).
        """

    @property
    def num_classes(self) -> int | None:
        """K; None for a regression."""
        return len(self.classes) if self.tolerance is None else None

    @property
    def chance(self) -> float:
        """The share of right answers of the best guess that does not look at the past."""
        return 1 / len(self.classes)

    @property
    def baseline_mse(self) -> float | None:
        """Of a regression: the mean squared error of that guess."""
        return None

    def is_right(self, answers: Tensor, target: Tensor) -> Tensor:
        """Tell which answers are right.

        Args:
            answers: (B, S, K), of a model.
            target: (B, S).

        Returns:
            Booleans (B, S).
        """
        if self.tolerance is None:
            return answers.argmax(2) == target
        return (answers[..., 0] - target).abs() < self.tolerance

    def loss(self, answers: Tensor, target: Tensor) -> Tensor:
        """The cross-entropy, or of a regression the squared error, of each answer.

        Args:
            answers: (B, S, K), of a model.
            target: (B, S).

        Returns:
            Losses (B, S).
        """
        if self.tolerance is None:
            return F.cross_entropy(answers.transpose(1, 2), target, reduction="none")
        return (answers[..., 0] - target).square()

    def one_hot(self, symbols: Tensor) -> Tensor:
        """Symbols (B, T) as vectors (B, T, I)."""
        return torch.eye(self.input_size)[symbols]

    @classmethod
    def check(cls, **settings: Any) -> SequenceReport:
        """Say how long the sequences are, what is in them, and what chance is.

        Args:
            **settings: those of the data set.

        Raises:
            LstmzooError: a setting out of its range.
        """
        return SequenceReport({split: cls(split, **settings) for split in SPLITS})

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int | tuple[int, int]) -> dict[str, Any]:
        """Return an item.

        Args:
            index: the item, or (item, epoch); the epoch (0 where it is not given) matters in training only.

        Returns:
            The item, see above.

        Raises:
            IndexError: there is no such item.
        """
        item, epoch = index if isinstance(index, tuple) else (index, 0)
        if not 0 <= item < len(self):
            raise IndexError(f"item {item} of {len(self)}")
        x, target = self._draw_item(item, self._generator(item, epoch))
        return {"x": x[0], "target": target[0], "index": item}

    def _draw_item(self, item: int, generator: Generator) -> tuple[Tensor, Tensor]:
        return self.draw(1, generator)

    def _generator(self, item: int, epoch: int) -> Generator:
        varies = [self.seed, epoch] if self.split == "train" else [0, 0]
        words = np.random.SeedSequence([SPLITS.index(self.split), *varies, item]).generate_state(1, np.uint64)
        return Generator().manual_seed(int(words[0] >> np.uint64(1)))


def numbered(prefix: str, count: int) -> list[str]:
    """Names: ``x1``, ``x2``, ..."""
    return [f"{prefix}{number}" for number in range(1, count + 1)]
