"""torch's scan operator, for torch.export, ONNX and torch.compile: one node for the whole loop, any number of steps.

``torch.export`` and ``torch.onnx.export(dynamo=True)`` keep the time axis free, and ``torch.compile`` takes no longer
for longer sequences. Run as it is, scan is slow, so it serves where a computation is traced and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor
from torch._higher_order_ops.scan import scan

from lstmzoo.nn.call import Call, Runner
from lstmzoo.nn.engines.layers import run_layers
from lstmzoo.nn.layer import Layer, LayerResult


def prepare(call: Call) -> Runner | str:
    """Whatever is compiled or exported; see `lstmzoo.nn.engines`."""
    if not torch.compiler.is_compiling():
        return "it serves torch.compile and exports only"
    if not torch.compiler.is_dynamo_compiling() and type(call.x.shape[0]) is int and call.x.shape[0] == 1:
        return "an export of a single step needs no loop"
    if torch._C._are_functorch_transforms_active():
        return "torch.func transforms the call"
    if call.step.cell.learned is not None:
        return "torch's operator must be handed all that a step reads, and modules of a cell's own can't be"
    return "it records no gates" if call.step.recorded else partial(run_layers, run_layer=as_one_node)


def as_one_node(layer: Layer) -> LayerResult:
    """Run one layer in one direction as a single node of the graph."""
    cell = layer.step.cell
    streams, constants = dict(layer.streams), {**layer.weights.named, **layer.per_sequence}
    if not cell.manual_projection:
        streams["x"] = layer.weights.input(streams["x"])
        del constants["weight_ih"]
        constants.pop("bias_ih", None)
    if layer.reverse:
        streams = {name: stream.flip(0) for name, stream in streams.items()}
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
        known = dict(zip(kept, args[count + len(names) :], strict=True))
        weights = replace(layer.weights, named={name: known[name] for name in layer.weights.named if name in known})
        given = {**now, **{name: known[name] for name in layer.per_sequence}, **layer.scalars}
        after, _ = layer.step(weights, given, cell.State(*args[:count]))
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
