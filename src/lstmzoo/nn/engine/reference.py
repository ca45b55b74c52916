"""The reference engine: the loop over time as one would write it down. Clear, slow, always right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from lstmzoo.nn.engine.stack import run_stack
from lstmzoo.nn.maps import LinearMaps

if TYPE_CHECKING:
    from lstmzoo.nn.probe import GateProbe
    from lstmzoo.nn.recurrent import Recurrent


def supports(module: Recurrent, x: Tensor | PackedSequence) -> bool:
    """Every cell, every input, probed or not."""
    return True


def run(
    module: Recurrent, x: Tensor | PackedSequence, state: tuple[Tensor, ...]
) -> tuple[Tensor | PackedSequence, tuple[Tensor, ...]]:
    """Run all layers and directions; see `lstmzoo.nn.engine`."""
    return run_stack(run_layer, module, x, state)


def run_layer(
    module: Recurrent,
    maps: LinearMaps,
    x: Tensor,
    state: tuple[Tensor, ...],
    real: Tensor | None,
    reverse: bool,
    probe: GateProbe,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run one cell over a sequence in one direction.

    Args:
        module: whose cell it is.
        maps: W and R of this layer and direction.
        x: (T, B, I).
        state: first state, a tuple over ``cell.state`` of (B, ...).
        real: (T, B) bool, False where a sequence is over; there the state stays. None: all are real.
        reverse: from the last step to the first.
        probe: gives the gates' functions, records states.

    Returns:
        h of every step (T, B, size of h), and the last state.
    """
    cell = module.cell
    s: Any = cell.State(*state)
    gate = probe.gate_functions(cell)
    of_x = maps.input(x)  # (T, B, G·H)
    steps = range(x.shape[0])
    outputs = []
    for t in reversed(steps) if reverse else steps:
        after = maps.project(cell.step(maps.preactivations(cell, of_x[t], s.h), s, gate, maps.vectors))
        s = after if real is None else _where(real[t], after, s)
        probe.record_state(s)
        outputs.append(s.h)
    if reverse:
        outputs.reverse()
    return torch.stack(outputs), tuple(s)


def _where(real: Tensor, after: Any, before: Any) -> Any:
    """Take the new state where a sequence still runs, the old one where it is over."""
    return type(after)(
        *(torch.where(real.view(-1, *[1] * (new.dim() - 1)), new, old) for new, old in zip(after, before, strict=True))
    )
