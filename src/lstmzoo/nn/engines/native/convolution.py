"""Products of convolutional cells: torch's convolutions, before and after the steps and between their stages."""

from typing import Any

import torch
from torch import Tensor

from lstmzoo.nn.engines.native.arrays import Memory, Place
from lstmzoo.nn.engines.native.passes import ProductCall

Padding = tuple[int, int]


def input_products(memory: Memory, piece: slice) -> None:
    """W x + b in the steps of a piece, where it is read and not given."""
    layout, given = memory.run.layout, memory.given
    if layout is not None and "input" in given and memory.p.reads_x:
        images = layout.images(given["input"][piece])
        z = memory.run.weights.product(given["weight_ih"], given.get("bias_ih"), images)
        memory.put_part("x", layout.rows(z).contiguous(), piece.start)


def input_gradients(memory: Memory, piece: slice, found: dict[str, Tensor]) -> None:
    """Gradients of x, W and b where W x + b is not given: those in ``found`` are written or added to."""
    layout, given = memory.run.layout, memory.given
    if layout is None or "input" not in given or "d_x" not in memory.p.arrays:
        return
    d = memory.places["d_x"].tensor
    gradient, images = layout.images(d).flatten(0, 1), layout.images(given["input"][piece]).flatten(0, 1)
    if "input" in found:
        of_images = input_gradient(given["weight_ih"], gradient, images).unflatten(0, (len(d), -1))
        found["input"][piece] = layout.rows(of_images)
    if "weight_ih" in found:
        found["weight_ih"] += weight_gradient(given["weight_ih"], images, gradient)
    if "bias_ih" in found:
        found["bias_ih"] += d.sum((0, 1)) if layout.pixels else gradient.sum((0, 2, 3))


def convolve(memory: Memory, call: ProductCall, step: int) -> None:
    """A product of one step; see `lstmzoo.nn.engines.native.steps.run_steps`."""
    layout, part = memory.run.layout, call.part
    assert layout is not None
    weight, v, out = memory.given[part.name], memory.images(call.of, step), memory.images(call.out, step)
    block = (v if part.transposed else out).shape[1] // (call.of if part.transposed else call.out).blocks
    weight = weight[part.first * block : (part.first + part.blocks) * block]
    result = input_gradient(weight, v, out) if part.transposed else memory.run.weights.product(weight, None, v)
    if call.out.kind == "fixed":  # read where it is
        memory.put(call.out.name, Place(layout.rows(result).contiguous()))
    else:
        out.copy_(result)


def input_gradient(weight: Tensor, gradient: Tensor, like: Tensor) -> Tensor:
    """Gradient of the images that a map of stride 1, which keeps their size, was applied to.

    Args:
        weight: (rows, C, K, K).
        gradient: of the results, (B, rows, H, W).
        like: any images (B, C, H, W).

    Returns:
        (B, C, H, W).
    """
    padding, uneven = _padding(weight)
    if uneven == (0, 0):
        return _backward(gradient, like, weight, padding, [True, False, False])[0]
    height, width = gradient.shape[-2:]  # with an even kernel, the image was framed before it was convolved
    framed = like.new_empty(1).expand(*like.shape[:2], height + uneven[0], width + uneven[1])
    left, _, above, _ = _frame(weight)
    found = _backward(gradient, framed, weight, padding, [True, False, False])[0]
    return found[..., above : above + height, left : left + width]


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
