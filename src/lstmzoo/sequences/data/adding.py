"""The adding problem: two numbers among many are marked; what is their sum?"""

from typing import Any

import torch
from torch import Generator, Tensor

from lstmzoo.registry import register_dataset
from lstmzoo.sequences.data.sequence_dataset import SequenceDataset


@register_dataset("adding", "sequence")
class Adding(SequenceDataset):
    """The adding problem: the sum of two marked numbers, asked for at least D steps after the second.

    Source: Hochreiter & Schmidhuber, "Long Short-Term Memory", 1997, experiment 4. A step is a number of [-1, 1] and a
    marker. X1 is one of the first ten numbers, X2 another one of the first T / 2; both have the marker 1, the first and
    the last step -1, all others 0. If the first step is marked, its number is 0. The target is 0.5 + (X1 + X2) / 4, and
    an answer is right if it is off by less than 0.04.

    T = 2 D: the paper's T = 100 is D = 50. Unlike the paper's, sequences are all equally long, there T to 1.1 T; and a
    number of the first step is 0 whichever of the two it is.

    Args:
        **settings: those of `SequenceDataset`.
    """

    least_distance = 2
    tolerance = 0.04
    classes = ("sum",)
    input_size = 2

    def __init__(self, split: str = "train", **settings: Any) -> None:
        super().__init__(split, **settings)
        self.num_steps = 2 * self.distance
        self.first = min(10, self.distance)

    def draw(self, batch_size: int, generator: Generator) -> tuple[Tensor, Tensor]:
        one = torch.randint(self.first, (batch_size,), generator=generator)
        two = torch.randint(self.distance - 1, (batch_size,), generator=generator)
        two += two >= one  # any but X1
        rows = torch.arange(batch_size)
        numbers = 2 * torch.rand(batch_size, self.num_steps, generator=generator) - 1
        markers = torch.zeros(batch_size, self.num_steps)
        markers[:, [0, -1]] = -1.0
        markers[rows, one] = markers[rows, two] = 1.0
        numbers[markers[:, 0] == 1, 0] = 0.0
        target = 0.5 + (numbers[rows, one] + numbers[rows, two]) / 4
        return torch.stack([numbers, markers], dim=2), target[:, None]

    @property
    def _share_of_one(self) -> float:
        """The share of sequences whose first step is marked, so that only one number counts."""
        return 1 / self.first + (1 - 1 / self.first) / (self.distance - 1)

    @property
    def chance(self) -> float:
        """That of 0.5: P(|X| < 4 · 0.04) for one number, P(|X1 + X2| < 4 · 0.04) for two."""
        a = 4 * self.tolerance
        return self._share_of_one * a + (1 - self._share_of_one) * (a - a * a / 4)

    @property
    def baseline_mse(self) -> float:
        """That of 0.5: (Var X1 + Var X2) / 16."""
        return (2 - self._share_of_one) / 48
