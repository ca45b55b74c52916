"""A compiled step tried out on the device it is to run on, against the loop, before its numbers are believed."""

import logging
import threading
import zlib
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from lstmzoo.nn.engines import reference
from lstmzoo.nn.engines.gpu.library import TritonLibrary, precision
from lstmzoo.nn.engines.native.kernel import Kernel
from lstmzoo.nn.layer import Layer, LayerResult

log = logging.getLogger(__name__)

STEPS, BATCH = 4, 17  # of a pass, two programs, the second of which has next to nothing to do
RUNS = 3  # where graphs are wanted, the second records one, and the third replays it
MASKS = ("real", "reset", "zone_")
TOLERANCE = 1e-2  # of the largest number of a tensor: products in TF32 pass, and what is wrong is wrong by more

SMALL = 1e-2  # added to the largest number, for tensors of nothing but zeros and rounding
GRADIENT = "gradient of "

RunLayer = Callable[[Layer], LayerResult]
Tried = tuple[Hashable, ...]  # code, device, sizes, precision of products, whether one kernel runs all steps
verdicts: dict[Tried, str | None] = {}  # what came of trials: None, or what is wrong
_lock = threading.Lock()


def failure(kernel: Kernel, library: TritonLibrary, layer: Layer, run_layer: RunLayer) -> str | None:
    """Why a kernel can't be used on a layer's device, or None if it gives what the loop gives there.

    It is tried once per device, size of layer and precision, on a few random sequences. If one kernel was to run all
    steps, and fails, the library goes step by step from then on; if that fails, too, the loop is to run; a warning says
    so. While somebody records a CUDA graph, nothing is tried.

    Args:
        kernel: the kernel.
        library: its code.
        layer: a layer that it is to run, with at least one sequence.
        run_layer: runs a layer by this kernel.
    """
    device = layer.state[0].device
    if device.type == "cuda" and torch.cuda.is_current_stream_capturing():
        return None
    shapes = (layer.streams["x"].shape[2:], *(state.shape[1:] for state in layer.state))
    key = (library.digest, device, layer.reverse, layer.keep_states, shapes, precision())
    tried = (*key, library.whole)
    if tried in verdicts:  # before the lock: who holds it may wait for a backward pass that waits here
        return verdicts[tried]
    with _lock:
        tried = (*key, library.whole)
        if tried not in verdicts:
            verdicts[tried] = reason = _try(layer, kernel.dtype, run_layer)
            if reason is not None and library.takes_whole(kernel.program, layer.state, layer.streams["x"]):
                log.warning("%r runs step by step, not all steps in one kernel: %s", layer.step.cell, reason)
                library.whole = False
                tried = (*key, False)
                verdicts[tried] = reason = _try(layer, kernel.dtype, run_layer)
            if reason is not None:
                log.warning("%r runs in PyTorch's own operations on %s: %s", layer.step.cell, device, reason)
        return verdicts[tried]


@torch.autocast("cuda", enabled=False)
def _try(layer: Layer, dtype: torch.dtype, run_layer: RunLayer) -> str | None:
    # Whatever the caller has asked of autograd (no gradients at all, checkpoints) is not meant for the trial.
    with torch.inference_mode(False), torch.enable_grad(), saved_tensors_hooks(lambda t: t, lambda t: t):
        for run in range(RUNS):  # with other numbers each time: what a graph replays must depend on them
            small = _small(layer, dtype, run)
            expected = _outcome(small, reference.step_by_step)
            try:
                found = _outcome(small, run_layer)
                with torch.no_grad():
                    untrained = _outcome(small, run_layer)
            except torch.OutOfMemoryError:  # says nothing about the kernel
                raise
            except Exception as error:  # a compiler's, a driver's: whatever it is, the loop can do without them
                return f"the compiled step failed: {type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            fault = _fault(found, expected) or _fault(untrained, {k: expected[k] for k in untrained})
            if fault is not None:
                return fault
    return None


def _fault(found: dict[str, Tensor], expected: dict[str, Tensor]) -> str | None:
    """What differs; a gradient that one of them leaves out is zero."""
    zero = torch.zeros((), device="cpu")
    for name in {**expected, **found}:
        difference = _difference(found.get(name, zero), expected.get(name, zero))
        if difference > TOLERANCE:
            return f"the compiled step's {name} is off by {difference:.2g} of its largest number"
    return None


def _difference(found: Tensor, expected: Tensor) -> float:
    """The largest difference, as a share of the largest finite number; infinite where only one is finite."""
    same = (found == expected) | (found.isnan() & expected.isnan())
    size = SMALL + expected.nan_to_num(0, 0, 0).abs().amax()
    return float(((found - expected).abs() / size).nan_to_num(torch.inf).masked_fill(same, 0).amax())


def _small(layer: Layer, dtype: torch.dtype, run: int) -> Layer:
    """A layer of the same sizes with random numbers, in the type of the kernels, and few steps and sequences."""

    def randoms(tensors: Mapping[str, Tensor], *leading: int) -> dict[str, Tensor]:
        likes = {name: v.new_empty(*leading, *v.shape[len(leading) :], dtype=dtype) for name, v in tensors.items()}
        return {name: _random(f"{name} {run}", like) for name, like in likes.items()}

    named = layer.weights.named
    weights = {name: _random(f"{name} {run}", v.to(dtype), max(1, v[0].numel()) ** -0.5) for name, v in named.items()}
    return replace(
        layer,
        weights=replace(layer.weights, named=weights),
        streams=randoms(layer.streams, STEPS, BATCH),
        per_sequence=randoms(layer.per_sequence, BATCH),
        state=tuple(randoms({f"{n}": s for n, s in enumerate(layer.state)}, BATCH).values()),
    )


def _random(name: str, like: Tensor, scale: float = 1.0) -> Tensor:
    """Numbers from a generator of its own: the caller's random numbers are not touched."""
    generator = torch.Generator("cpu").manual_seed(zlib.crc32(name.encode()))
    if name.startswith(MASKS):
        return torch.randint(2, like.shape, generator=generator, device="cpu").to(like)
    values = scale * torch.randn(like.shape, generator=generator, dtype=torch.float64, device="cpu")
    return values.to(like).requires_grad_(not name.startswith("drop "))


def _outcome(layer: Layer, run_layer: RunLayer) -> dict[str, Tensor]:
    """All that a layer gives, and the gradients of its inputs and weights, in float32."""
    result = run_layer(layer)
    found = {f"state {k}": s for k, s in enumerate(result.states)}
    found |= {f"last state {k}": s for k, s in enumerate(result.last)}
    sums = [(s * _random(name, s.detach()).detach()).sum() for name, s in found.items() if s.requires_grad]
    graded = {name: tensor for name, tensor in layer.inputs.items() if tensor.requires_grad} if sums else {}
    gradients = torch.autograd.grad(sums, list(graded.values()), allow_unused=True) if graded else ()
    found |= {f"gate {name}": gate for name, gate in result.gates.items()}
    for name, gradient in zip(graded, gradients, strict=True):
        found[GRADIENT + name] = torch.zeros_like(graded[name]) if gradient is None else gradient
    return {name: value.detach().float().cpu() for name, value in found.items()}
