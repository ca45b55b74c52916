"""The native engine: a cell's step, compiled to C, inside a native loop over the sequence, forward and backward.

``step`` is run once on symbols (`symbol`, `operations`, `tracing`), its graph is differentiated (`program`), laid out as
stages between matrix products (`passes`), written as C (`emit`), compiled by the system's compiler and cached (`build`,
`kernel`), and run (`sequence`). Where there is no compiler, or a step does something that the compiler does not know,
the engine declines and the reference engine takes over.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lstmzoo.nn.engine.native import kernel, sequence
from lstmzoo.nn.engine.native.traceable import must_be_traced
from lstmzoo.nn.layer import Layer, LayerResult, Step

if TYPE_CHECKING:
    from lstmzoo.nn.recurrent import Recurrent


def beats_torch(module: Recurrent, x: Tensor, state: tuple[Tensor, ...]) -> bool:
    """Whether a cell that torch has kernels for runs faster here (`docs/performance.md` has the measurements).

    oneDNN's LSTM is as fast in inference, and faster where there is next to nothing to compute; torch's GRU and RNN on
    the CPU are loops over ordinary operations.
    """
    if module.cell.aten is None:
        return False
    tensors = [x, *state, *module._flat_weights]  # torch's kernel explains what is wrong where they don't go together
    if any(t.device.type != "cpu" or t.dtype != torch.float32 for t in tensors) or must_be_traced(*tensors):
        return False
    trained = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
    if module.cell.aten == "LSTM" and not (trained and x.shape[1] * module.hidden_size >= 1024):
        return False
    step = Step(module.cell, projected=bool(module.proj_size))
    in_steps = module.bias and bool(module.cell.split)
    return kernel.find(step, module.bias, in_steps, module.cell.state[:1], x.dtype) is not None


def supports(layer: Layer) -> bool:
    """Steps that can be compiled, on the CPU, in float32 or float64, outside of torch's own tracing and transforms."""
    tensors = [layer.streams["x"], *layer.state, *layer.maps.tensors]
    if any(t.device.type != "cpu" or t.dtype != tensors[0].dtype for t in tensors) or must_be_traced(*tensors):
        return False
    return tensors[0].numel() > 0 and _kernel(layer) is not None


def run_layer(layer: Layer) -> LayerResult:
    """Run one layer in one direction; see `lstmzoo.nn.engine`."""
    found = _kernel(layer)
    assert found is not None
    if layer.step.cell.raw:
        return sequence.run_layer(found, layer, _bias_in_steps(layer))
    of_x = layer.maps.product(layer.maps.weight_ih, _input_bias(layer), layer.streams["x"])
    return sequence.run_layer(found, replace(layer, streams={**layer.streams, "x": of_x}), _bias_in_steps(layer))


def _kernel(layer: Layer) -> kernel.Kernel | None:
    graded = layer.step.cell.state if layer.keep_states else layer.step.cell.state[:1]
    bias, dtype = layer.maps.bias_ih is not None, layer.streams["x"].dtype
    return kernel.find(layer.step, bias, bias and _bias_in_steps(layer), graded, dtype)


def _bias_in_steps(layer: Layer) -> bool:
    """Whether b' must be added in every step: it acts on R h alone, so it can't be added to W x + b beforehand."""
    cell = layer.step.cell
    return bool(cell.split or cell.late or cell.raw)


def _input_bias(layer: Layer) -> Tensor | None:
    """b, with b' added to it where that comes to the same."""
    cell, maps = layer.step.cell, layer.maps
    if maps.bias_ih is None or maps.bias_hh is None or _bias_in_steps(layer):
        return maps.bias_ih
    if not cell.input_only:
        return maps.bias_ih + maps.bias_hh
    sizes = cell.gate_sizes(maps.hidden_size)
    parts = dict(zip(cell.recurrent_gates, maps.bias_hh.split([sizes[g] for g in cell.recurrent_gates]), strict=True))
    zero = maps.bias_ih.new_zeros(())
    return maps.bias_ih + torch.cat([parts.get(gate, zero.expand(rows)) for gate, rows in sizes.items()])
