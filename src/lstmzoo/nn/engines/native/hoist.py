"""What is computed for all steps at once, before the loop: W x, and what can be added to it."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from lstmzoo.nn.layer import Layer
from lstmzoo.nn.weights import Weights


def hoisted(layer: Layer) -> Layer:
    """The same layer with W x + b for its stream ``x``, and without the weights that this takes."""
    weights = layer.weights
    if layer.step.cell.manual_projection:
        return layer
    named = dict(weights.named)
    bias = input_bias(weights)
    of_x = F.linear(layer.streams["x"], named.pop("weight_ih"), bias)
    if named.pop("bias_ih", None) is not bias:
        named.pop("bias_hh", None)
    return replace(layer, streams={**layer.streams, "x": of_x}, weights=replace(weights, named=named))


def input_bias(weights: Weights) -> Tensor | None:
    """b, with b' added to it where that comes to the same."""
    cell, b, b_hh = weights.cell, weights.named.get("bias_ih"), weights.named.get("bias_hh")
    if b is None or b_hh is None or cell.bias_in_steps:
        return b
    if not cell.input_only:
        return b + b_hh
    sizes = cell.gate_sizes(weights.hidden_size)
    parts = dict(zip(cell.recurrent_gates, b_hh.split([sizes[g] for g in cell.recurrent_gates]), strict=True))
    zero = b.new_zeros(())
    return b + torch.cat([parts.get(gate, zero.expand(rows)) for gate, rows in sizes.items()])
