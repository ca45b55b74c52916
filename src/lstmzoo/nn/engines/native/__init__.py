"""The native engine: a cell's step, compiled to C, inside a native loop over the sequence, forward and backward.

``step`` is run once on symbols (`symbol`, `operations`, `tracing`), its graph is differentiated (`program`), laid out
as stages between matrix products (`passes`), written as C (`stage`, `emit`), compiled by the system's compiler and
cached (`build`, `kernel`), and run (`sequence`). Where there is no compiler, or a step does something that the compiler
does not know, the engine declines and another takes over.
"""

import math
from functools import partial

import torch

from lstmzoo.nn.call import Call, Runner
from lstmzoo.nn.engines.layers import run_layers
from lstmzoo.nn.engines.native import kernel, sequence
from lstmzoo.nn.engines.native.c_library import CLibrary
from lstmzoo.nn.engines.native.image_rows import batched_vectors
from lstmzoo.nn.engines.native.program import sums_by_dimension
from lstmzoo.nn.engines.native.traceable import is_traced

find = partial(kernel.find, make_library=CLibrary)
"""Return the kernel of a step in C; see `lstmzoo.nn.engines.native.kernel.find`."""
failure = None
"""What this machine's compiler has made needs no trial on it; see `lstmzoo.nn.engines.operator.Compiler`."""


def prepare(call: Call) -> Runner | str:
    """Steps that can be compiled, on the CPU, in float32 or float64; see `lstmzoo.nn.engines`."""
    if torch.compiler.is_compiling():
        return "torch.compile wants to see every operation"
    if any(t.device.type != "cpu" or t.dtype != call.x.dtype for t in call.tensors):
        return "it needs all tensors on the CPU, and of one type"
    if is_traced(*call.tensors) or torch.is_autocast_enabled("cpu"):
        return "torch wants to see every operation (a trace, a transform, autocast)"
    weights, images = call.weights[0], call.state[0].dim() > 3
    full = batched_vectors(weights) if images else ()
    found = find(call.step, "bias_ih" in weights.named, call.keep_states, call.x.dtype, batched_vectors=full)
    if isinstance(found, str):
        return found
    if images and sums_by_dimension(found.program):
        return "the step sums over a dimension by number; lstmzoo.nn.cells.normalise.unit_mean holds for images, too"
    return partial(run_layers, run_layer=partial(sequence.run_compiled, found))


def beats_torch(call: Call) -> bool:
    """Whether a call that torch's kernels can run is faster here (`docs/performance.md` has the measurements).

    oneDNN's LSTM is as fast in inference, and faster where there is next to nothing to compute; torch's GRU and RNN on
    the CPU are loops over ordinary operations, and so is its LSTM where sequences differ in length.
    """
    is_lstm, trained, masked = call.step.cell.aten == "LSTM", torch.is_grad_enabled(), call.step.masked
    if (is_lstm or masked) and not trained:
        return False
    if is_traced(call.x) or call.x.dtype != torch.float32:  # a trace must not depend on sizes, which it would fix
        return False
    if is_lstm and not masked and call.state[0].shape[1] * call.weights[0].hidden_size < 1024:
        return False
    if masked and not _is_filled_enough(call):
        return False
    return not (is_lstm or masked) or any(t.requires_grad for t in call.tensors)


def _is_filled_enough(call: Call) -> bool:
    """Where sequences differ in length, whether so few steps are padding that training is faster here than with torch.

    torch's packed kernels skip the padding, but pay for every step: the less there is to compute in one, the more that
    counts. A fit to measurements of LSTM, GRU and RNN from 0.2 to 130 million multiplications per step.
    """
    batch = call.state[0].shape[1]
    if call.packed is not None:
        filled = len(call.x) / (len(call.packed.batch_sizes) * batch)
    else:
        assert call.lengths is not None
        filled = int(call.lengths.sum()) / (len(call.x) * batch)
    weights = sum(tensor.numel() for one in call.weights for tensor in one.named.values())
    return filled >= 0.8 - 1000 / math.sqrt(batch * weights / len(call.weights))
