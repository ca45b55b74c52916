"""Temporal order: in which order did the two relevant symbols come?"""

from typing import Any

import torch
from torch import Generator, Tensor

from lstmzoo.registry import register_dataset
from lstmzoo.sequences.data.sequence_dataset import SequenceDataset


@register_dataset("temporal_order", "sequence")
class TemporalOrder(SequenceDataset):
    """Temporal order: X or Y, later X or Y again, among distractors; the class is the two in their order.

    Source: Hochreiter & Schmidhuber, "Long Short-Term Memory", 1997, experiment 6a. E comes first and B last; between
    them are a, b, c and d at random, but for X or Y at t1 and t2. There the sequences have 100 to 110 steps, t1 is
    10 to 20 and t2 50 to 60, so that there are at least 40 steps from t2 to the end.

    Here everything scales with D, and D = 40 is the paper's problem: the end is at 2.5 D, t1 at D / 4 to D / 2, t2 at
    1.25 D to 1.5 D, counted from 0 and rounded so that at least D steps lie between t2 and the end. Unlike the paper's,
    sequences are all equally long.

    Args:
        **settings: those of `SequenceDataset`.
    """

    classes = ("XX", "XY", "YX", "YY")
    alphabet = ("E", "B", "X", "Y", "a", "b", "c", "d")
    input_size = len(alphabet)

    def __init__(self, split: str = "train", **settings: Any) -> None:
        super().__init__(split, **settings)
        D = self.distance
        end = max(3, (5 * D + 1) // 2)
        self.num_steps = end + 1
        self.first = max(1, D // 4), max(1, D // 2)
        self.second = end - D - D // 4, end - D

    def draw(self, batch_size: int, generator: Generator) -> tuple[Tensor, Tensor]:
        X, a, rows = self.alphabet.index("X"), self.alphabet.index("a"), torch.arange(batch_size)
        symbols = torch.randint(a, self.input_size, (batch_size, self.num_steps), generator=generator)
        symbols[:, 0], symbols[:, -1] = self.alphabet.index("E"), self.alphabet.index("B")
        target = torch.randint(len(self.classes), (batch_size,), generator=generator)
        for (earliest, latest), is_y in ((self.first, target // 2), (self.second, target % 2)):
            position = torch.randint(earliest, latest + 1, (batch_size,), generator=generator)
            symbols[rows, position] = X + is_y
        return self.one_hot(symbols), target[:, None]
