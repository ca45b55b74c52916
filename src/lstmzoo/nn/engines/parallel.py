"""All steps at once, for cells that say how: the recurrence becomes a scan, with no Python between the steps."""

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lstmzoo.nn.call import Call, Runner
from lstmzoo.nn.cell import Cell
from lstmzoo.nn.engines.layers import run_layers
from lstmzoo.nn.gate_functions import binary
from lstmzoo.nn.layer import Layer, LayerResult, Record


def prepare(call: Call) -> Runner | str:
    """Cells with a parallel form, in steps that are the cell's own equations; see `lstmzoo.nn.engines`."""
    step, cell = call.step, call.step.cell
    if cell.parallel is None:
        return "the cell has no parallel form"
    if step.resets or step.zoned or step.dropped or step.projected:
        return "resets, zoneout, recurrent dropout and projections act between the steps"
    if binary in cell.gates.values():
        return "the derivative of binary gates is not that of their value, so it hangs on the form of the step"
    if step.masked and set(step.clamped) & set(_resting(cell)):
        return "where a sequence is over, the gates that are clamped must keep its state"
    if call.keep_states and cell.state != ("h",):
        return "the states beside h are never all there"
    return partial(run_layers, run_layer=_all_steps_at_once)


def _all_steps_at_once(layer: Layer) -> LayerResult:
    step, cell, weights = layer.step, layer.step.cell, layer.weights
    of_x = weights.input(layer.streams["x"])  # (T, B, G·H)
    blocks = weights.input_blocks(of_x.flatten(0, 1))
    z = cell.Inputs(*(_in_time(layer, block.unflatten(0, of_x.shape[:2])) for block in blocks))
    first = cell.State(*layer.state)
    gates: Record = {}
    real = _in_time(layer, layer.streams["real"]) if step.masked else None
    if real is not None:
        z = _rest(cell, z, real)
    assert cell.parallel is not None
    h, last = cell.parallel(z, first, step.gates(layer.scalars, gates), weights.parameters())
    if real is not None:
        last = last._replace(h=_last_output(h, first.h, real))
    return LayerResult(
        states=(_in_time(layer, h),),
        last=tuple(state.clone() for state in last),  # apart from the output, which a caller may change in place
        gates={name: _in_time(layer, value) for name, value in gates.items()},
    )


def _in_time(layer: Layer, v: Tensor) -> Tensor:
    """(T, ...) from the order of the input to that of the steps, or back."""
    return v.flip(0) if layer.reverse else v


def _resting(cell: Cell) -> dict[str, float]:
    """The pre-activations that leave the state as it is."""
    values = {cell.forget_gate: math.inf, cell.input_gate: -math.inf}
    return {gate: value for gate, value in values.items() if gate is not None}


def _rest(cell: Cell, z: Any, real: Tensor) -> Any:
    return z._replace(**{k: torch.where(real, getattr(z, k), value) for k, value in _resting(cell).items()})


def _last_output(h: Tensor, first: Tensor, real: Tensor) -> Tensor:
    """h at every sequence's own last step, or the first state where there is none."""
    count = torch.arange(1, h.shape[0] + 1, device=h.device).view(-1, *[1] * (h.dim() - 1))
    last = (count * real).amax(0)  # (B, 1, ...)
    found = h.gather(0, (last - 1).clamp(min=0).expand(1, *h.shape[1:]))[0]
    return torch.where(last > 0, found, first)
