"""Handwritten digits, pixel by pixel: real data."""

from functools import cache
from typing import Any

import torch
from torch import Generator, Tensor

from lstmzoo.errors import DataError
from lstmzoo.registry import register_dataset
from lstmzoo.sequences.data.sequence_dataset import SequenceDataset


@register_dataset("digits", "sequence")
class Digits(SequenceDataset):
    """Handwritten digits, pixel by pixel, then D steps of noise: which digit was it?

    The images are scikit-learn's: 1,797 of 8 x 8 pixels (Alpaydin & Kaynak 1998, UCI, "Optical Recognition of
    Handwritten Digits"). A step is one pixel, 0 to 1, from the upper left to the lower right (Le, Jaitly & Hinton 2015
    did so with MNIST); the noise is Gaussian, of mean 0 and variance 1 (as in Chang et al. 2019, "AntisymmetricRNN").

    T = 64 + D. The first 60 % of the images of each digit are for training, the next 20 % val, the last 20 % test; so
    few of the writers, who come one after the other, are in two splits.

    Args:
        distance: D, steps of noise after the last pixel; 0: none.
    """

    licence = "CC-BY-4.0"
    least_distance = 0
    classes = tuple("0123456789")
    input_size = 1

    def __init__(self, split: str = "train", *, distance: int = 0, seed: int = 0) -> None:
        super().__init__(split, distance=distance, seed=seed)
        pixels, labels = load_digits()
        chosen = _split(labels)[split]
        self.pixels, self.labels = pixels[chosen], labels[chosen]
        self.size = len(self.labels)
        self.num_steps = self.pixels.shape[1] + distance

    def draw(self, batch_size: int, generator: Generator) -> tuple[Tensor, Tensor]:
        return self._sequences(torch.randint(self.size, (batch_size,), generator=generator), generator)

    def _draw_item(self, item: int, generator: Generator) -> tuple[Tensor, Tensor]:
        return self._sequences(torch.tensor([item]), generator)

    def _sequences(self, images: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        noise = torch.randn(len(images), self.distance, generator=generator)
        return torch.cat([self.pixels[images], noise], dim=1)[..., None], self.labels[images, None]

    @property
    def chance(self) -> float:
        """The share of the most frequent digit."""
        return float(self.labels.bincount().max() / self.size)


@cache
def load_digits() -> tuple[Tensor, Tensor]:
    """Load the images: pixels float32 (N, 64) in 0..1, and labels long (N,).

    Raises:
        DataError: scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise DataError(
            "data=digits needs scikit-learn, which is not installed: pip install 'lstmzoo[digits]'"
        ) from error
    loaded: Any = datasets.load_digits()
    return torch.tensor(loaded.data, dtype=torch.float32) / 16, torch.tensor(loaded.target, dtype=torch.long)


def _split(labels: Tensor) -> dict[str, Tensor]:
    """Indices of the images of each split, in the order of the labels."""
    parts: dict[str, list[Tensor]] = {"train": [], "val": [], "test": []}
    for digit in range(10):
        images = (labels == digit).nonzero()[:, 0]
        borders = [len(images) * 6 // 10, len(images) * 8 // 10]
        for part, chosen in zip(parts.values(), images.tensor_split(borders), strict=True):
            part.append(chosen)
    return {split: torch.cat(chosen) for split, chosen in parts.items()}
