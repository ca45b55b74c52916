"""One cell in one layer and direction over a sequence, with all that the driver adds to a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lstmzoo.nn.cell import Cell
from lstmzoo.nn.weights import Weights, preactivations

Record = dict[str, Any]  # gate → its value in this step


@dataclass(frozen=True)
class Step:
    """One step of time: the cell's own equations, and around them what the driver was asked to add.

    It runs on tensors (the reference engine) as well as on symbols (the native engine's compiler), so what a step is
    stands in one place.

    Args:
        cell: the cell.
        projected: h is projected to a smaller size after the step.
        masked: sequences differ in length; an input ``real`` is 0 where one is over, and its state then stays.
        resets: an input ``reset`` is 1 where a sequence restarts from ``start_<state>`` before the step.
        dropped: what R acts on is multiplied by a mask ``drop`` (Gal & Ghahramani 2016).
        zoned: states that keep their old value in the proportion ``zone_<state>`` (Krueger et al. 2017).
        zone_masks: whether that is a mask of 0 and 1, drawn for every step, as in training, or the probability itself.
        clamped: gates held at a given value.
        recorded: whether the gates' values are wanted.
    """

    cell: Cell
    projected: bool = False
    masked: bool = False
    resets: bool = False
    dropped: bool = False
    zoned: tuple[str, ...] = ()
    zone_masks: bool = False
    clamped: tuple[str, ...] = ()
    recorded: bool = False

    def __call__(self, weights: Weights, given: Mapping[str, Any], s: Any) -> tuple[Any, Record]:
        """Run the step.

        Args:
            weights: the layer's weights.
            given: the step's inputs by name: ``x``, and those that the options above speak of.
            s: the state before, a named tuple.

        Returns:
            The state after, and the gates' values where they are recorded.
        """
        cell = self.cell
        seen: Record = {}
        if self.resets:
            s = cell.State(*(_choose(given["reset"], given[f"start_{k}"], v) for k, v in s._asdict().items()))
        z = preactivations(weights, given["x"], s.h, given.get("below"), given["drop"] if self.dropped else None)
        after = cell.step(z, s, self.gates(given, seen), weights.parameters())
        if (after._fields if isinstance(after, tuple) and hasattr(after, "_fields") else ()) != s._fields:
            raise TypeError(f"{cell!r}: step must return self.State(...), got a {type(after).__name__}")
        weights.check_state(after, s)
        if self.projected:
            after = after._replace(h=weights.project(after.h))
        for name in self.zoned:
            keep = given[f"zone_{name}"]
            after = after._replace(**{name: keep * getattr(s, name) + (1 - keep) * getattr(after, name)})
        if self.masked:
            after = cell.State(*(_choose(given["real"], a, b) for a, b in zip(after, s, strict=True)))
        return after, seen

    def gates(self, given: Mapping[str, Any], seen: Record) -> Any:
        """What `Cell.step` gets as ``gate``: the activations themselves if nothing is clamped or recorded.

        Args:
            given: ``clamp_<gate>`` of the clamped gates.
            seen: where recorded values are put.
        """
        cell = self.cell
        if not self.clamped and not self.recorded:
            return cell.Gates(*cell.gates.values())
        return cell.Gates(*(self._probed(name, given, seen) for name in cell.gates))

    def _probed(self, name: str, given: Mapping[str, Any], seen: Record) -> Callable[[Any], Any]:
        activation = self.cell.gates[name]

        def function(z: Any) -> Any:
            value = torch.zeros_like(z) + given[f"clamp_{name}"] if name in self.clamped else activation(z)
            if self.recorded:
                seen[name] = value
            return value

        return function


def _choose(mask: Any, a: Any, b: Any) -> Any:
    """State a where a mask (B, 1, ...) isn't 0, else b; a matrix memory has more dimensions than the mask."""
    if isinstance(mask, Tensor):
        mask = mask.reshape(*mask.shape, *[1] * (b.dim() - mask.dim()))
    return torch.where(mask != 0, a, b)


class LayerResult(NamedTuple):
    """What comes of a `Layer`: every state over time, (T, B, ...); the last ones, (B, ...); the gates, (T, B, H)."""

    states: tuple[Tensor, ...]
    last: tuple[Tensor, ...]
    gates: dict[str, Tensor]


@dataclass(frozen=True)
class Layer:
    """One layer in one direction, ready to run.

    Args:
        step: what happens in a step.
        weights: its weights.
        streams: inputs that differ from step to step: ``x`` (T, B, I), ``real`` and ``reset`` (T, B, 1), ``below`` and
            zoneout masks (T, B, H).
        per_sequence: inputs that stay the same in all steps: ``drop``, ``start_<state>``, each (B, size).
        scalars: numbers: ``clamp_<gate>``, ``zone_<state>``.
        state: first state, (B, ...) each.
        reverse: whether it runs from the last step to the first.
        keep_states: whether the states over time are wanted beside h; without it, engines may return h alone.
    """

    step: Step
    weights: Weights
    streams: Mapping[str, Tensor]
    per_sequence: Mapping[str, Tensor]
    scalars: Mapping[str, float]
    state: tuple[Tensor, ...]
    reverse: bool = False
    keep_states: bool = False

    @property
    def steps(self) -> int:
        """T."""
        return self.streams["x"].shape[0]

    @property
    def inputs(self) -> dict[str, Tensor]:
        """All tensors that a step may look at, by name; ``<state>_first`` is the first state."""
        first = {f"{name}_first": s for name, s in zip(self.step.cell.state, self.state, strict=True)}
        return {**self.streams, **first, **self.per_sequence, **self.weights.named}
