"""The reference engine: the loop over time as one would write it down. Clear, slow, always right."""

from __future__ import annotations

import torch

from lstmzoo.nn.layer import Layer, LayerResult, Record


def supports(layer: Layer) -> bool:
    """Every cell, every input, every option."""
    return True


def run_layer(layer: Layer) -> LayerResult:
    """Run one layer in one direction; see `lstmzoo.nn.engine`."""
    cell, maps = layer.step.cell, layer.maps
    streams = dict(layer.streams)
    if not cell.raw:
        streams["x"] = maps.input(streams["x"])  # (T, B, G·H)
    s = cell.State(*layer.state)
    states, records = [], list[Record]()
    order = range(layer.steps)
    for t in reversed(order) if layer.reverse else order:
        given = {name: stream[t] for name, stream in streams.items()}
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
