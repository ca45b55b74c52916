"""Several captioners as one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lstmzoo.captioning.models.captioner import Captioner, State
from lstmzoo.errors import LstmzooError

Features = tuple[Tensor, ...]  # (B, N, C) for every member


@dataclass(frozen=True)
class EnsembleState:
    """The states of all members; see `State`."""

    members: tuple[State, ...]

    @property
    def rows(self) -> Tensor:
        """The numbers of the rows (R,)."""
        return self.members[0].rows

    def select(self, rows: Tensor) -> EnsembleState:
        """Take some of the rows, in every member."""
        return EnsembleState(tuple(member.select(rows) for member in self.members))

    def reorder(self, rows: Tensor) -> EnsembleState:
        """Take rows of the same images, in every member."""
        return EnsembleState(tuple(member.reorder(rows) for member in self.members))


class Ensemble(nn.Module):
    """The mean of several captioners' probabilities, word by word; it decodes like one of them.

    Every member sees an image with its own encoder, so features are one per member here. What went on in the members is
    found by :func:`lstmzoo.captioning.inference.trace_caption`.

    Args:
        models: captioners with the same vocabulary, from ``lstmzoo.load``, or ensembles, whose members are taken; their
            encoders are not trained any more. The first one says how captions are decoded.

    Raises:
        LstmzooError: their vocabularies differ, or a checkpoint is among them twice.
    """

    pipeline_tag = Captioner.pipeline_tag

    def __init__(self, models: Sequence[Captioner | Ensemble]) -> None:
        super().__init__()
        members: list[Any] = [one for model in models for one in getattr(model, "members", [model])]
        if not members:
            raise LstmzooError("an ensemble needs at least one checkpoint")
        for other in members:
            if not isinstance(other, Captioner):
                name = getattr(other, "checkpoint", type(other).__name__)
                raise LstmzooError(f"an ensemble averages the words of captioners, and {name} is none: leave it out")
        if any(getattr(other, "words", None) != getattr(members[0], "words", None) for other in members[1:]):
            raise LstmzooError(
                "an ensemble needs one vocabulary, but those of its checkpoints differ; train them on the same data "
                "with the same data.min_count"
            )
        for one, other in itertools.combinations(members, 2):
            if torch.equal(one.logits.weight, other.logits.weight):
                raise LstmzooError(
                    f"an ensemble has every checkpoint once, and {getattr(one, 'checkpoint', 'one')} and "
                    f"{getattr(other, 'checkpoint', 'another')} are the same: leave one out"
                )
        self.members = nn.ModuleList(members)
        self.keys = [member.encoder.key for member in members]
        self.words: list[str] = getattr(members[0], "words", [])
        self.metadata: dict[str, Any] = getattr(models[0], "metadata", {"config": {}})
        self.checkpoint = " and ".join(str(getattr(member, "checkpoint", "?")) for member in members)

    @property
    def encoder(self) -> Any:
        """The first member's."""
        return self.members[0].encoder

    def encode(self, images: Callable[[int], Tensor], known: Mapping[str, Tensor] | None = None) -> Features:
        """Encode images, once for all members that have the same encoder.

        Args:
            images: gives them at the side S that an encoder takes, (B, 3, S, S) uint8.
            known: features that are there already, by the encoder's key.

        Returns:
            For each member its features (B, N, C).
        """
        members: Any = self.members
        found = dict(known or {})
        for key, member in zip(self.keys, members, strict=True):
            if key not in found:
                found[key] = member.encode(images(member.encoder.image_size))
        return tuple(found[key] for key in self.keys)

    def start(self, features: Features) -> EnsembleState:
        """Look at images; see `Captioner.start`."""
        members: Any = self.members
        return EnsembleState(tuple(member.start(one) for member, one in zip(members, features, strict=True)))

    def step(self, state: EnsembleState, words: Tensor) -> tuple[Tensor, EnsembleState, tuple[Tensor | None, ...]]:
        """Predict the next words; see `Captioner.step`. The attention is one per member."""
        members: Any = self.members
        steps = [member.step(own, words) for member, own in zip(members, state.members, strict=True)]
        log_p = torch.stack([step[0] for step in steps]).logsumexp(0) - math.log(len(steps))
        return log_p, EnsembleState(tuple(step[1] for step in steps)), tuple(step[2] for step in steps)
