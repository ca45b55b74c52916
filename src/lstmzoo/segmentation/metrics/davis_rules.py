"""The rules of DAVIS: which frames, pixels and numbers count."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lstmzoo.errors import LstmzooError, unknown_choice

PROTOCOLS = ("semi-supervised", "unsupervised")
VOID = 255
MAX_PROPOSALS = 20
REMEDY = (
    "number them as the data set does, or score all of them as one object with data.binary=true (in Python binary=True)"
)

Masks = np.ndarray | Sequence[np.ndarray]


@dataclass(frozen=True)
class Rules:
    """What a protocol says about frames, pixels and numbers."""

    protocol: str
    binary: bool
    sequence: str

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise LstmzooError(unknown_choice("protocol", self.protocol, PROTOCOLS))

    @property
    def matching(self) -> bool:
        """Whether proposals are matched with objects."""
        return self.protocol == "unsupervised" and not self.binary

    def scored(self, length: int) -> range:
        """Return which frames of a sequence are scored."""
        scored = range(length) if self.matching else range(1, length - 1)
        if not scored:
            why = "" if self.matching else "; the first and the last are never scored"
            raise LstmzooError(f"{self.sequence or 'the sequence'}: {length} annotated frames are too few{why}")
        return scored

    def count(self, first: np.ndarray) -> int:
        """Return how many objects there are, given the truth of the first frame."""
        return 1 if self.binary else int(first.max(initial=0, where=first != VOID))

    def clean(
        self, predicted: np.ndarray, truth: np.ndarray, objects: int, frame: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return both masks as numbers of objects and proposals, uint8, 0 where nothing counts."""
        predicted, truth = np.asarray(predicted), np.asarray(truth)
        where = f"{self.sequence} {frame}".strip()
        if predicted.shape != truth.shape:
            sizes = ["x".join(map(str, mask.shape)) for mask in (predicted, truth)]
            raise LstmzooError(
                f"{where}: the result is {sizes[0]} (H x W), the truth {sizes[1]}; masks are as large as the frames"
            )
        if self.binary:
            predicted = (predicted != 0).view(np.uint8)
        elif (highest := int(predicted.max(initial=0))) > (limit := max(MAX_PROPOSALS * self.matching, objects)):
            most = f"at most {limit} proposals are allowed; number them 1 to {limit}"
            if not self.matching:
                most = f"the sequence has {limit} objects in its first mask; {REMEDY}"
            raise LstmzooError(f"{where}: the result holds the number {highest}, but {most}")
        predicted, truth = predicted.astype(np.uint8, copy=False), truth.astype(np.uint8, copy=False)
        if truth.max(initial=0) == VOID:
            void = truth == VOID
            truth = np.where(void, 0, truth).astype(np.uint8)
            predicted = np.where(void, 0, predicted).astype(np.uint8) if self.protocol == "unsupervised" else predicted
        return predicted, (truth != 0).view(np.uint8) if self.binary else truth
