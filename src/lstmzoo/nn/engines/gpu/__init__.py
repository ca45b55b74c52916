"""The engine for GPUs: a cell's step printed as Triton kernels.

The step is traced, differentiated and laid out as for the CPU (`lstmzoo.nn.engines.native`), and written in Triton: a
function and a kernel per stage (`emit`, `functions`), and a kernel of a whole pass (`whole`). One kernel runs all steps
of a small layer; others go step after step (`library`), where that is asked for from a CUDA graph (`graphs`). On its
first use on a device it is compared with the loop (`trial`). It computes in float32, also for float16 and bfloat16, or
in float64.
"""

import functools
import importlib.util
import logging
import os
from functools import partial

import torch

from lstmzoo.nn.call import Call, Runner
from lstmzoo.nn.engines import reference
from lstmzoo.nn.engines.gpu import trial
from lstmzoo.nn.engines.gpu.library import TritonLibrary
from lstmzoo.nn.engines.layers import run_layers
from lstmzoo.nn.engines.native import kernel, sequence
from lstmzoo.nn.engines.native.image_rows import batched_vectors
from lstmzoo.nn.engines.native.kernel import Kernel
from lstmzoo.nn.engines.native.program import sums_by_dimension
from lstmzoo.nn.engines.native.traceable import is_traced
from lstmzoo.nn.layer import Layer, LayerResult, Step

log = logging.getLogger(__name__)


def prepare(call: Call) -> Runner | str:
    """Steps that can be compiled, on a GPU, or anywhere in Triton's interpreter; see `lstmzoo.nn.engines`."""
    device = call.x.device
    if device.type != "cuda" and not _is_interpreted():
        return "it needs all tensors on a GPU"
    if any(t.device != device or not t.dtype.is_floating_point for t in call.tensors):
        return "it needs all tensors on one device, of floating-point types"
    if torch.compiler.is_compiling() or is_traced(*call.tensors):
        return "torch wants to see every operation (a trace, a transform)"
    weights, images = call.weights[0], call.state[0].dim() > 3
    vectors = batched_vectors(weights) if images else ()
    found = find(call.step, "bias_ih" in weights.named, call.keep_states, call.x.dtype, vectors)
    if isinstance(found, str):
        return found
    if images and sums_by_dimension(found.program):
        return "the step sums over a dimension by number; lstmzoo.nn.cells.normalise.unit_mean holds for images, too"
    return partial(run_layers, run_layer=partial(_run, found))


def find(
    step: Step, bias: bool, keep_states: bool, dtype: torch.dtype, batched_vectors: tuple[str, ...] = ()
) -> Kernel | str:
    """The kernels of a step in Triton, for tensors of a type; see `lstmzoo.nn.engines.native.kernel.find`."""
    if not _has_triton():
        return "Triton is not installed"
    computed_in = torch.float64 if dtype == torch.float64 else torch.float32
    return kernel.find(step, bias, keep_states, computed_in, TritonLibrary, batched_vectors)


def failure(found: Kernel, layer: Layer) -> str | None:
    """Why kernels can't be used on a layer's device, or None; see `lstmzoo.nn.engines.gpu.trial`."""
    assert isinstance(found.library, TritonLibrary)
    return trial.failure(found, found.library, layer, partial(sequence.run_compiled, found))


def on_gpu(call: Call) -> bool:
    """Whether it is to be preferred to the loop: the interpreter is there to test it."""
    return call.x.is_cuda


def _run(found: Kernel, layer: Layer) -> LayerResult:
    if layer.streams["x"].numel() and failure(found, layer) is not None:
        return reference.step_by_step(layer)
    return sequence.run_compiled(found, layer)


@functools.cache
def _has_triton() -> bool:
    found = importlib.util.find_spec("triton") is not None
    if not found:
        log.info("Triton is not installed: on the GPU, cells that are not torch's own run in PyTorch's operations")
    return found


def _is_interpreted() -> bool:
    """Whether Triton runs kernels in Python, on tensors of any device."""
    return os.environ.get("TRITON_INTERPRET") == "1"
