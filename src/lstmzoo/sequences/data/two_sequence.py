"""The two-sequence problem: signal and noise on the same input."""

from typing import Any

import torch
from torch import Generator, Tensor

from lstmzoo.models.argument_checks import check_sizes
from lstmzoo.registry import register_dataset
from lstmzoo.sequences.data.sequence_dataset import SequenceDataset


@register_dataset("two_sequence", "sequence")
class TwoSequence(SequenceDataset):
    """The two-sequence problem: the first numbers tell the class, D numbers of noise follow on the same input.

    Source: Hochreiter & Schmidhuber, "Long Short-Term Memory", 1997, experiment 3a, after Bengio, Simard & Frasconi
    1994. The first N numbers are 1 for class 1 and -1 for class 2; the others are Gaussian, of mean 0 and variance 0.2.

    T = N + D: with N = 3, the paper's T = 100 is D = 97. Unlike the paper's, sequences are all equally long, there T to
    1.1 T, and the answer is one of two classes, there a number that must be off by less than 0.2.

    Args:
        elements: N, numbers that tell the class.
        **settings: those of `SequenceDataset`.
    """

    classes = ("class 1", "class 2")
    input_size = 1

    def __init__(self, split: str = "train", *, elements: int = 3, **settings: Any) -> None:
        super().__init__(split, **settings)
        check_sizes(elements=elements)
        self.elements = elements
        self.num_steps = elements + self.distance

    def draw(self, batch_size: int, generator: Generator) -> tuple[Tensor, Tensor]:
        target = torch.randint(2, (batch_size, 1), generator=generator)
        signal = (1.0 - 2.0 * target).expand(-1, self.elements)
        noise = 0.2**0.5 * torch.randn(batch_size, self.distance, generator=generator)
        return torch.cat([signal, noise], dim=1)[..., None], target
