"""The native engine: a cell's step, compiled to C, inside a native loop over the sequence, forward and backward.

``step`` is run once on symbols (`symbol`, `operations`, `tracing`), its graph is differentiated (`program`), laid out
as stages between matrix products (`passes`), written as C (`stage`, `emit`), compiled by the system's compiler and
cached (`build`, `kernel`), and run (`sequence`). Where there is no compiler, or a step does something that the compiler
does not know, the engine declines and another takes over.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lstmzoo.nn.engine import reference
from lstmzoo.nn.engine.native import kernel, sequence
from lstmzoo.nn.engine.native import layout as layouts
from lstmzoo.nn.engine.native.hoist import bias_in_steps, hoisted, input_bias
from lstmzoo.nn.engine.native.program import sums_by_dimension
from lstmzoo.nn.engine.native.traceable import must_be_traced
from lstmzoo.nn.layer import Layer, LayerResult, Step

if TYPE_CHECKING:
    from lstmzoo.nn.recurrent import Recurrent


def beats_torch(module: Recurrent, x: Tensor, state: tuple[Tensor, ...], filled: float | None = None) -> bool:
    """Whether a cell that torch has kernels for runs faster here (`docs/performance.md` has the measurements).

    oneDNN's LSTM is as fast in inference, and faster where there is next to nothing to compute; torch's GRU and RNN on
    the CPU are loops over ordinary operations, and so is its LSTM where sequences differ in length.

    Args:
        module: the stack.
        x: the input, padded or packed.
        state: the first state, (L·D, B, ...) each.
        filled: where sequences differ in length, the share of all steps that is not padding.
    """
    # Whoever traces wants no look at sizes, which would hold in what he exports.
    if module.cell.aten is None or must_be_traced(x):
        return False
    batch, trained = state[0].shape[1], torch.is_grad_enabled()
    if filled is not None and not (trained and filled >= _filled_enough(module, batch)):
        return False
    if filled is None and module.cell.aten == "LSTM" and not (trained and batch * module.hidden_size >= 1024):
        return False
    tensors = [x, *state, *module._flat_weights]  # torch's kernel explains what is wrong where they don't go together
    if any(t.device.type != "cpu" or t.dtype != torch.float32 for t in tensors) or must_be_traced(*tensors):
        return False
    if (module.cell.aten == "LSTM" or filled is not None) and not any(t.requires_grad for t in tensors):
        return False
    step = Step(module.cell, projected=bool(module.proj_size), masked=filled is not None)
    in_steps = module.bias and bias_in_steps(module.cell)
    return kernel.find(step, module.bias, in_steps, module.cell.state[:1], x.dtype) is not None


def _filled_enough(module: Recurrent, batch: int) -> float:
    """The share of steps that are not padding from which on training is faster here than with torch's packed kernels.

    Those skip the padding, but pay for every step: the less there is to compute in one, the more that counts. A fit to
    measurements of LSTM, GRU and RNN from 0.2 to 130 million multiplications per step.
    """
    weights = sum(weight.numel() for weight in module._flat_weights)
    multiplications = batch * weights / (module.num_layers * module.num_directions)
    return 0.8 - 1000 / math.sqrt(multiplications)


def supports(layer: Layer) -> bool:
    """Steps that can be compiled, on the CPU, in float32 or float64, outside of torch's own tracing and transforms."""
    return not obstacle(layer)


def obstacle(layer: Layer) -> str:
    """Why this engine can't run a layer, or ""."""
    tensors = [layer.streams["x"], *layer.state, *layer.maps.tensors]
    if any(t.device.type != "cpu" or t.dtype != tensors[0].dtype for t in tensors):
        return "it needs all tensors on the CPU, and of one type"
    if must_be_traced(*tensors):
        return "torch wants to see every operation (a trace, a transform, autocast)"
    found = _kernel(layer)
    if isinstance(found, str):
        return found
    if layer.state[0].dim() > 2 and sums_by_dimension(found.program):
        return "the step sums over a dimension by number; lstmzoo.nn.cells.normalise.unit_mean holds for images, too"
    return ""


def run_layer(layer: Layer) -> LayerResult:
    """Run one layer in one direction; see `lstmzoo.nn.engine`."""
    if not layer.streams["x"].numel():  # a batch of no sequences
        return reference.run_layer(layer)
    found = _kernel(layer)
    assert isinstance(found, kernel.Kernel)
    layout = layouts.of_layer(layer, found.sums)
    ready = hoisted(layer) if layout is None else layout.layer(layer, input_bias(layer))
    return sequence.run_layer(found, ready, bias_in_steps(layer.step.cell), layout)


def _kernel(layer: Layer) -> kernel.Kernel | str:
    cell = layer.step.cell
    graded = cell.state if layer.keep_states else cell.state[:1]
    bias, dtype = layer.maps.bias_ih is not None, layer.streams["x"].dtype
    full = layouts.full_vectors(layer.maps)
    return kernel.find_or_explain(layer.step, bias, bias and bias_in_steps(cell), graded, dtype, full)
