"""Steps whose maps are convolutions: the stages in C, and torch's convolutions between them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lstmzoo.nn.engine.native.passes import ProductCall

if TYPE_CHECKING:
    from lstmzoo.nn.engine.native.memory import Memory

Padding = tuple[int, int]


def run_stages(memory: Memory, name: str, keep: bool) -> None:
    """Run all steps of a pass, in turn with the convolutions.

    Args:
        memory: the arrays of the pass.
        name: ``"forward"`` or ``"backward"``.
        keep: whether what the backward pass needs is kept.
    """
    p, steps = memory.p, memory.steps
    numbers, table = memory.tables()
    stage_function = getattr(memory.run.kernel.library, f"{name}_stage")
    calls: dict[int, list[ProductCall]] = {}
    for call in p.calls:
        calls.setdefault(call.stage, []).append(call)
    for step in range(steps) if name == "forward" else reversed(range(steps)):
        for stage in range(p.stages):
            for call in calls.get(stage, ()):
                _convolve(memory, call, step, table)
            stage_function(numbers, table, step, stage, int(keep))


def _convolve(memory: Memory, call: ProductCall, step: int, table: Any) -> None:
    weight = memory.given[call.matrix]
    block = memory.widths[(call.of if call.transposed else call.out).size] // math.prod(memory.run.image)
    weight = weight[call.first * block : (call.first + call.count) * block]
    v = memory.at(call.of, step)
    result = input_gradient(weight, v) if call.transposed else memory.run.bare.maps.product(weight, None, v)
    if call.out.kind == "fixed":  # read where it is
        result = result.contiguous()
        memory.tensors[call.out.name] = result  # keeps it alive
        table[memory.index(call.out)] = result.data_ptr()
    else:
        memory.at(call.out, step).copy_(result)


def input_gradient(weight: Tensor, gradient: Tensor) -> Tensor:
    """Gradient of the images that a map of stride 1, which keeps their size, was applied to.

    Args:
        weight: (rows, C, K, K).
        gradient: of the results, (B, rows, H, W).

    Returns:
        (B, C, H, W).
    """
    padding, uneven = _padding(weight)
    height, width = gradient.shape[-2:]
    shape = (gradient.shape[0], weight.shape[1], height + uneven[0], width + uneven[1])
    like = gradient.new_empty(1).expand(shape)
    found = _backward(gradient, like, weight, padding, [True, False, False])[0]
    # with an even kernel, the image had been framed by hand before it was convolved
    return found if uneven == (0, 0) else _unframed(found, weight, height, width)


def weight_gradient(weight: Tensor, images: Tensor, gradient: Tensor) -> Tensor:
    """Gradient of a map that was applied to images, summed over all of them in one convolution.

    Args:
        weight: (rows, C, K, K).
        images: (N, C, H, W).
        gradient: of the results, (N, rows, H, W).

    Returns:
        (rows, C, K, K).
    """
    padding, uneven = _padding(weight)
    framed = images if uneven == (0, 0) else torch.nn.functional.pad(images, _frame(weight))
    return _backward(gradient, framed, weight, padding, [False, True, False])[1]


def _backward(gradient: Tensor, images: Tensor, weight: Tensor, padding: Padding, wanted: list[bool]) -> Any:
    one = [1, 1]
    return torch.ops.aten.convolution_backward(
        gradient, images, weight, None, one, list(padding), one, False, [0, 0], 1, wanted
    )


def _padding(weight: Tensor) -> tuple[Padding, Padding]:
    """The convolution's own padding, and by how much the image is framed beforehand where a kernel is even."""
    height, width = weight.shape[-2:]
    if height % 2 and width % 2:
        return (height // 2, width // 2), (0, 0)
    return (0, 0), (height - 1, width - 1)


def _frame(weight: Tensor) -> tuple[int, int, int, int]:
    """Left, right, above, below."""
    height, width = weight.shape[-2:]
    return ((width - 1) // 2, width // 2, (height - 1) // 2, height // 2)


def _unframed(images: Tensor, weight: Tensor, height: int, width: int) -> Tensor:
    left, _, above, _ = _frame(weight)
    return images[..., above : above + height, left : left + width].contiguous()
