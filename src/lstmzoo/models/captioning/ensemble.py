"""Several captioners that speak with one voice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lstmzoo.errors import LstmzooError
from lstmzoo.models.captioning.base import Captioner, State, Tensors


@dataclass(frozen=True)
class EnsembleState:
    """The states of all members."""

    members: tuple[State, ...]

    @property
    def memory(self) -> Tensors:
        """The memory of the first member, which has as many rows as all."""
        return self.members[0].memory

    def select(self, rows: Tensor) -> EnsembleState:
        """Take some of the rows, in every member."""
        return EnsembleState(tuple(member.select(rows) for member in self.members))


class Ensemble(nn.Module):
    """The mean of several captioners' probabilities, word by word; it decodes like one of them.

    Args:
        members: captioners with the same vocabulary and the same encoder, from ``lstmzoo.load``.

    Raises:
        LstmzooError: they differ in one of these.
    """

    def __init__(self, members: Sequence[Captioner]) -> None:
        super().__init__()
        if not members:
            raise LstmzooError("an ensemble needs at least one checkpoint")
        first = members[0]
        for other in members[1:]:
            if other.encoder.key != first.encoder.key:
                raise LstmzooError(
                    f"an ensemble needs one encoder: {first.encoder.key!r} and {other.encoder.key!r} differ"
                )
            if getattr(other, "words", None) != getattr(first, "words", None):
                raise LstmzooError("an ensemble needs one vocabulary: those of its checkpoints differ")
        self.members = nn.ModuleList(members)
        self.encoder = first.encoder

    def encode(self, images: Tensor) -> Tensor:
        """As the members do."""
        return self.encoder(images)

    def start(self, features: Tensor) -> EnsembleState:
        """Look at pictures; see `Captioner.start`."""
        members: Any = self.members
        return EnsembleState(tuple(member.start(features) for member in members))

    def step(self, state: EnsembleState, words: Tensor) -> tuple[Tensor, EnsembleState, None]:
        """Say which words may come next; see `Captioner.step`."""
        members: Any = self.members
        steps = [member.step(own, words) for member, own in zip(members, state.members, strict=True)]
        log_p = torch.stack([step[0] for step in steps]).logsumexp(0) - math.log(len(steps))
        return log_p, EnsembleState(tuple(step[1] for step in steps)), None
