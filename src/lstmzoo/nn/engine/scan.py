"""torch's scan operator, for torch.export, ONNX and torch.compile: one node for the whole loop, any number of steps.

``torch.export`` and ``torch.onnx.export(dynamo=True)`` keep the time axis free, and ``torch.compile`` takes no longer
for longer sequences. Run as it is, scan is slow, so it serves where a computation is traced and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch._higher_order_ops.scan import scan

from lstmzoo.nn.layer import Layer, LayerResult

_MAPS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")


def supports(layer: Layer) -> bool:
    """Whatever is being compiled or exported, unless gates are recorded or torch.func transforms it.

    The operator must be handed all that a step reads, and modules of a cell's own can't be.
    """
    if not torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return False
    if layer.step.cell.learned is not None:
        return False
    return not layer.step.recorded


def run_layer(layer: Layer) -> LayerResult:
    """Run one layer in one direction; see `lstmzoo.nn.engine`."""
    cell = layer.step.cell
    streams = dict(layer.streams)
    if not cell.raw:
        streams["x"] = layer.maps.input(streams["x"])
    if layer.reverse:
        streams = {name: stream.flip(0) for name, stream in streams.items()}
    constants = _tensors_of(layer)
    if torch.onnx.is_in_onnx_export():  # or the exporter differentiates the step, in vain
        constants = {name: t.detach() for name, t in constants.items()}
        streams = {name: t.detach() for name, t in streams.items()}
        layer = replace(layer, state=tuple(s.detach() for s in layer.state))
    after = _scan(layer, streams, constants)
    last, outputs = after[: len(cell.state)], after[len(cell.state) :]
    outputs = [o.flip(0) for o in outputs] if layer.reverse else outputs
    return LayerResult(states=tuple(outputs), last=tuple(last), gates={})


def _scan(layer: Layer, streams: Mapping[str, Tensor], constants: Mapping[str, Tensor]) -> list[Tensor]:
    """The last states, then the shown states over time."""
    cell, count = layer.step.cell, len(layer.state)
    shown = count if layer.keep_states else 1
    names, kept = list(streams), list(constants)

    def step(*args: Tensor) -> tuple[Tensor, ...]:
        now = dict(zip(names, args[count : count + len(names)], strict=True))
        held = dict(zip(kept, args[count + len(names) :], strict=True))
        given = {**now, **held, **layer.scalars}
        after, _ = layer.step(_maps_with(layer, held), given, cell.State(*args[:count]))
        states = [a.to(b.dtype) for a, b in zip(after, args[:count], strict=True)]  # autocast may have changed it
        # scan wants no output to be an input or another output
        return (*map(_copy, states), *map(_copy, states[:shown]))

    first, values = list(map(_copy, layer.state)), list(constants.values())
    if torch.compiler.is_dynamo_compiling():  # Dynamo knows the public function only

        def combine(carry: list[Tensor], now: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
            after = step(*carry, *now, *values)
            return list(after[:count]), list(after[count:])

        last, outputs = scan(combine, first, list(streams.values()))
        return [*last, *outputs]
    # In an export, the public function would start Dynamo once for every layer.
    return list(torch.ops.higher_order.scan(step, first, list(streams.values()), tuple(values)))


def _copy(state: Tensor) -> Tensor:
    """A copy that lies in memory as scan wants all states to lie: alike."""
    return state.clone(memory_format=torch.contiguous_format)


def _tensors_of(layer: Layer) -> dict[str, Tensor]:
    """What the step reads and does not change."""
    maps = layer.maps
    names = _MAPS if layer.step.cell.raw else ("weight_hh", "bias_hh", "weight_hr")
    found: dict[str, Any] = {name: getattr(maps, name) for name in names}
    found |= {**maps.own, **layer.held}
    return {name: value for name, value in found.items() if value is not None}


def _maps_with(layer: Layer, tensors: Mapping[str, Tensor]) -> Any:
    """The layer's maps, with the tensors that the operator hands to the step."""
    weights: dict[str, Any] = {name: tensors[name] for name in _MAPS if name in tensors}
    return replace(layer.maps, **weights, own={name: tensors[name] for name in layer.maps.own})
