"""The reference engine: the loop over time as one would write it down. Clear, slow, always right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from lstmzoo.nn.layer import Layer, LayerResult, Record


def supports(layer: Layer) -> bool:
    """Every cell, every input, every option."""
    return True


def run_layer(layer: Layer) -> LayerResult:
    """Run one layer in one direction; see `lstmzoo.nn.engine`."""
    if layer.step.cell.raw:
        return loop(layer)
    of_x = layer.maps.input(layer.streams["x"])  # W x + b of all steps in one product, (T, B, G·H)
    return loop(replace(layer, streams={**layer.streams, "x": of_x}))


def loop(layer: Layer) -> LayerResult:
    """The loop over time; the stream ``x`` holds W x + b, unless the cell takes x as it is."""
    maps, streams = layer.maps, layer.streams
    s = layer.step.cell.State(*layer.state)
    states: list[Any] = []
    records: list[Record] = []
    order = range(layer.steps)
    inputs = {name: stream.unbind() for name, stream in streams.items()}  # stream[t] has a derivative as long as stream
    for t in reversed(order) if layer.reverse else order:
        given = {name: steps[t] for name, steps in inputs.items()}
        s, record = layer.step(maps, {**given, **layer.held, **layer.scalars}, s)
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
