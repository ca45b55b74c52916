"""The copying problem: say a list of symbols again."""

from typing import Any

import torch
from torch import Generator, Tensor

from lstmzoo.models.argument_checks import check_sizes
from lstmzoo.registry import register_dataset
from lstmzoo.sequences.data.sequence_dataset import SequenceDataset, numbered


@register_dataset("copying", "sequence")
class Copying(SequenceDataset):
    """The copying problem: ten symbols, D blanks, a delimiter; then the ten symbols are to be said again.

    Source: Arjovsky, Shah & Bengio, "Unitary Evolution Recurrent Neural Networks", 2016, section 4.1,
    following Hochreiter & Schmidhuber 1997. While the answers are given the input is blank.

    T = D + 21; the paper's T is D + 1. Only the answers of the last ten steps count; in the paper the blanks before
    them are to be predicted, too. An answer comes D + 11 steps after its symbol.

    Args:
        symbols: how many different symbols there are.
        length: how many are to be said again.
        **settings: those of `SequenceDataset`.
    """

    def __init__(self, split: str = "train", *, symbols: int = 8, length: int = 10, **settings: Any) -> None:
        super().__init__(split, **settings)
        check_sizes(symbols=symbols, length=length)
        self.classes = numbered("s", symbols)
        self.alphabet = [*self.classes, "blank", "delimiter"]
        self.target_steps, self.input_size = length, len(self.alphabet)
        self.num_steps = self.distance + 2 * length + 1

    def draw(self, batch_size: int, generator: Generator) -> tuple[Tensor, Tensor]:
        blank, delimiter = len(self.classes), len(self.classes) + 1
        target = torch.randint(blank, (batch_size, self.target_steps), generator=generator)
        symbols = torch.full((batch_size, self.num_steps), blank)
        symbols[:, : self.target_steps] = target
        symbols[:, self.target_steps + self.distance] = delimiter
        return self.one_hot(symbols), target
