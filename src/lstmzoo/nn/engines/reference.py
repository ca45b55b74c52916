"""The reference engine: the loop over time as one would write it down. Clear, slow, always right."""

from dataclasses import replace
from functools import partial
from typing import Any

import torch

from lstmzoo.nn.call import Call, Runner
from lstmzoo.nn.engines.layers import run_layers
from lstmzoo.nn.layer import Layer, LayerResult, Record


def prepare(call: Call) -> Runner:
    """Every cell, every input, every option; see `lstmzoo.nn.engines`."""
    return partial(run_layers, run_layer=step_by_step)


def step_by_step(layer: Layer) -> LayerResult:
    """Run one layer in one direction."""
    if not layer.step.cell.manual_projection:
        of_x = layer.weights.input(layer.streams["x"])  # W x + b of all steps in one product, (T, B, G·H)
        layer = replace(layer, streams={**layer.streams, "x": of_x})
    return loop(layer)


def loop(layer: Layer) -> LayerResult:
    """The loop over time; the stream ``x`` holds W x + b, unless the cell projects by hand."""
    weights, streams = layer.weights, layer.streams
    s = layer.step.cell.State(*layer.state)
    states: list[Any] = []
    records: list[Record] = []
    order = range(layer.steps)
    inputs = {name: stream.unbind() for name, stream in streams.items()}  # stream[t] has a derivative as long as stream
    for t in reversed(order) if layer.reverse else order:
        given = {name: steps[t] for name, steps in inputs.items()}
        s, record = layer.step(weights, {**given, **layer.per_sequence, **layer.scalars}, s)
        states.append(s)
        records.append(record)
    if layer.reverse:
        states.reverse()
        records.reverse()
    kept = states[0]._fields if layer.keep_states else ("h",)
    return LayerResult(
        states=tuple(torch.stack([getattr(s, name) for s in states]) for name in kept),
        last=tuple(s),
        gates={name: torch.stack([record[name] for record in records]) for name in records[0]},
    )
