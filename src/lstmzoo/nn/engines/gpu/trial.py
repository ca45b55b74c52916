"""A compiled step tried out on the device it is to run on, against the loop, before its numbers are believed."""

import logging
import threading
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from lstmzoo.nn.engines import reference
from lstmzoo.nn.engines.native.kernel import Kernel
from lstmzoo.nn.layer import Layer, LayerResult

log = logging.getLogger(__name__)

STEPS, BATCH = 4, 3
RUNS = 3  # the first starts kernels one by one, the second records a graph, the third replays it
MASKS = ("real", "reset", "zone_")
TOLERANCE = 1e-2  # of the largest number of a tensor: products in TF32 pass, and what is wrong is wrong by more

verdicts: dict[tuple[int, torch.device], str | None] = {}  # what came of trials: None, or why the loop runs instead
_kernels: list[Kernel] = []  # kept alive, so that an id stands for one of them
_lock = threading.Lock()


def failure(kernel: Kernel, layer: Layer, run_layer: Callable[[Layer], LayerResult]) -> str | None:
    """Why a kernel can't be used on a layer's device, or None if it gives what the loop gives there.

    It is tried once per device, on a few random sequences of the layer's own sizes; if it fails, one warning says so.

    Args:
        kernel: the kernel.
        layer: some layer that it is to run.
        run_layer: runs a layer by this kernel.
    """
    key = (id(kernel), layer.state[0].device)
    with _lock:
        if key not in verdicts:
            _kernels.append(kernel)
            verdicts[key] = reason = _try(layer, kernel.dtype, run_layer)
            if reason is not None:
                log.warning("%r runs in PyTorch's own operations on %s: %s", layer.step.cell, key[1], reason)
        return verdicts[key]


@torch.autocast("cuda", enabled=False)
def _try(layer: Layer, dtype: torch.dtype, run_layer: Callable[[Layer], LayerResult]) -> str | None:
    small = _small(layer, dtype)
    expected = _outcome(small, reference.step_by_step)
    try:
        for _ in range(RUNS):
            found = _outcome(small, run_layer)
            for name, value in expected.items():
                difference = (found[name] - value).abs().max()
                if not difference <= TOLERANCE * (1 + value.abs().max()):
                    return f"the compiled step's {name} is off by {float(difference):.2g}"
    except Exception as error:  # a compiler's, a driver's: whatever it is, the loop can do without them
        return f"the compiled step failed: {type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    return None


def _small(layer: Layer, dtype: torch.dtype) -> Layer:
    """A layer of the same sizes with random numbers, in the type of the kernels, and few steps and sequences."""

    def randoms(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: _random(name, tensor.to(dtype)) for name, tensor in tensors.items()}

    named = layer.weights.named
    weights = {name: _random(name, like.to(dtype), like[0].numel() ** -0.5) for name, like in named.items()}
    return replace(
        layer,
        weights=replace(layer.weights, named=weights),
        streams=randoms({k: v[:STEPS, :BATCH] for k, v in layer.streams.items()}),
        per_sequence=randoms({k: v[:BATCH] for k, v in layer.per_sequence.items()}),
        state=tuple(randoms({f"{n}": s[:BATCH] for n, s in enumerate(layer.state)}).values()),
    )


def _random(name: str, like: Tensor, scale: float = 1.0) -> Tensor:
    """Numbers from a generator of its own: the caller's random numbers are not touched."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    if name.startswith(MASKS):
        return torch.randint(2, like.shape, generator=generator).to(like)
    values = scale * torch.randn(like.shape, generator=generator, dtype=torch.float64)
    return values.to(like).requires_grad_(name != "drop")


def _outcome(layer: Layer, run_layer: Callable[[Layer], LayerResult]) -> dict[str, Tensor]:
    """All that a layer gives, and the gradients of its inputs and weights, in float32."""
    with torch.enable_grad():
        result = run_layer(layer)
        found = {f"state {k}": s for k, s in enumerate(result.states)}
        found |= {f"last state {k}": s for k, s in enumerate(result.last)}
        total = torch.stack([(s * _random(name, s)).sum() for name, s in found.items() if s.requires_grad]).sum()
        graded = {name: tensor for name, tensor in layer.inputs.items() if tensor.requires_grad}
        gradients = torch.autograd.grad(total, list(graded.values()), allow_unused=True)
    found |= {f"gate {name}": gate for name, gate in result.gates.items()}
    for name, gradient in zip(graded, gradients, strict=True):
        found[f"gradient of {name}"] = torch.zeros(()) if gradient is None else gradient
    return {name: value.detach().float().cpu() for name, value in found.items()}
