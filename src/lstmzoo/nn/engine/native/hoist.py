"""What is computed for all steps at once, before the loop: W x, and what can be added to it."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from lstmzoo.nn.cell import Cell
from lstmzoo.nn.layer import Layer


def hoisted(layer: Layer) -> Layer:
    """The same layer with W x + b for its stream ``x``; a raw cell takes x as it is."""
    if layer.step.cell.raw:
        return layer
    of_x = layer.maps.product(layer.maps.weight_ih, input_bias(layer), layer.streams["x"])
    return replace(layer, streams={**layer.streams, "x": of_x})


def bias_in_steps(cell: Cell) -> bool:
    """Whether b' must be added in every step: it acts on R h alone, so it can't be added to W x + b beforehand."""
    return bool(cell.split or cell.late or cell.raw)


def input_bias(layer: Layer) -> Tensor | None:
    """b, with b' added to it where that comes to the same."""
    cell, maps = layer.step.cell, layer.maps
    if maps.bias_ih is None or maps.bias_hh is None or bias_in_steps(cell):
        return maps.bias_ih
    if not cell.input_only:
        return maps.bias_ih + maps.bias_hh
    sizes = cell.gate_sizes(maps.hidden_size)
    parts = dict(zip(cell.recurrent_gates, maps.bias_hh.split([sizes[g] for g in cell.recurrent_gates]), strict=True))
    zero = maps.bias_ih.new_zeros(())
    return maps.bias_ih + torch.cat([parts.get(gate, zero.expand(rows)) for gate, rows in sizes.items()])
