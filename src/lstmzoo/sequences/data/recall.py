"""Recall: which symbol came first?"""

from typing import Any

import torch
from torch import Generator, Tensor

from lstmzoo.models.argument_checks import check_sizes
from lstmzoo.registry import register_dataset
from lstmzoo.sequences.data.sequence_dataset import SequenceDataset, numbered


@register_dataset("recall", "sequence")
class Recall(SequenceDataset):
    """One of a few symbols, D noise symbols of another alphabet, then "?": which symbol was it?

    T = D + 2. Source: Hochreiter & Schmidhuber, "Long Short-Term Memory", 1997, experiment 2c, in its simplest form.
    There one of two symbols is to be remembered, further symbols mark start and end, and sequences are of random
    length.

    Args:
        symbols: symbols that may have to be remembered.
        noise_symbols: symbols of the noise.
        **settings: those of `SequenceDataset`.
    """

    def __init__(self, split: str = "train", *, symbols: int = 4, noise_symbols: int = 4, **settings: Any) -> None:
        super().__init__(split, **settings)
        check_sizes(symbols=symbols, noise_symbols=noise_symbols)
        self.classes = numbered("s", symbols)
        self.alphabet = [*self.classes, *numbered("n", noise_symbols), "?"]
        self.num_steps, self.input_size = self.distance + 2, len(self.alphabet)

    def draw(self, batch_size: int, generator: Generator) -> tuple[Tensor, Tensor]:
        first, ask = len(self.classes), self.input_size - 1
        target = torch.randint(first, (batch_size, 1), generator=generator)
        noise = torch.randint(first, ask, (batch_size, self.distance), generator=generator)
        return self.one_hot(torch.cat([target, noise, torch.full_like(target, ask)], dim=1)), target
