"""How images lie in memory for convolutional cells.

A compiled stage computes every pixel by itself, so a pixel is a row: a batch of B images is one of B · height · width
sequences of C units, which is how channels-last images lie in memory, the layout that torch's convolutions are fastest
in. Only where a step sums over the units of an image, an image is a row, of C · height · width units.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lstmzoo.nn.engines.native.hoist import input_bias
from lstmzoo.nn.layer import Layer
from lstmzoo.nn.weights import Weights


@dataclass(frozen=True)
class ImageRows:
    """Images as rows, and back.

    Attributes:
        height: of the images.
        width: of the images.
        pixels: whether a pixel is a row; else an image is.
    """

    height: int
    width: int
    pixels: bool

    def rows(self, images: Tensor) -> Tensor:
        """(..., B, C, height or 1, width or 1) → (..., B', units)."""
        if not self.pixels:
            return images.flatten(-3)
        seen = images.expand(*images.shape[:-2], self.height, self.width)
        return seen.movedim(-3, -1).flatten(-4, -2)

    def images(self, rows: Tensor) -> Tensor:
        """(..., B', units) → (..., B, C, height, width), or, of one number per image, (..., B, 1, 1, 1); a view."""
        if self.pixels:
            return rows.unflatten(-2, (-1, self.height, self.width)).movedim(-1, -3)
        return rows[..., None, None] if rows.shape[-1] == 1 else rows.unflatten(-1, (-1, self.height, self.width))

    def state(self, rows: Tensor, size: str) -> Tensor:
        """Images, or, for a state of size "1", (..., B, 1, 1, 1)."""
        return self.images(rows)[..., :1, :1] if size == "1" else self.images(rows)

    def layer(self, layer: Layer) -> Layer:
        """A layer of images as one of rows; the stream ``x`` is called ``input`` where a step gets W x + b instead."""
        weights, batch, by_hand = layer.weights, layer.state[0].shape[0], layer.step.cell.manual_projection
        named = {k: _channels_last(v) if v.dim() == 4 else self._vector(v, batch) for k, v in weights.named.items()}
        bias = input_bias(weights)
        if not by_hand and bias is not None:
            if bias is not weights.named["bias_ih"]:
                named.pop("bias_hh", None)
            named["bias_ih"] = bias
        return replace(
            layer,
            weights=replace(weights, named=named),
            streams={k if k != "x" or by_hand else "input": self.rows(v) for k, v in layer.streams.items()},
            per_sequence={k: self.rows(v) for k, v in layer.per_sequence.items()},
            state=tuple(map(self.rows, layer.state)),
        )

    def _vector(self, v: Tensor, batch: int) -> Tensor:
        """(C,), (C, 1, 1) or (C, height, width) → a number for every unit of a row, or of all rows if pixels differ."""
        if _is_per_pixel(v):
            return self.rows(v.expand(batch, *v.shape))
        return v.flatten() if self.pixels else v.view(-1, 1, 1).expand(-1, self.height, self.width).flatten()

    def undone(self, layer: Layer) -> Layer:
        """A layer of rows as one of images, whose stream ``x`` holds what a step gets: for the reference engine."""
        weights, pixels = layer.weights, (1, 1) if self.pixels else (self.height, self.width)
        named = {k: v.view(-1, *pixels) if v.dim() == 1 else v for k, v in weights.named.items()}
        named = {k: self.images(v) if v.dim() == 2 else v for k, v in named.items()}
        named |= {k: named[k][:, 0, 0] for k in ("bias_ih", "bias_hh") if k in named}
        streams = {k: self.images(v) for k, v in layer.streams.items()}
        if "input" in streams:
            streams["x"] = weights.input(streams.pop("input"))
        return replace(
            layer,
            weights=replace(weights, named=named),
            streams=streams,
            per_sequence={k: self.images(v) for k, v in layer.per_sequence.items()},
            state=tuple(map(self.images, layer.state)),
        )


def of_layer(layer: Layer, sums: bool) -> ImageRows | None:
    """The layout of a layer of images, or None if it has no images.

    Args:
        layer: the layer.
        sums: whether a step sums over the units of an image.
    """
    shape = layer.streams["x"].shape
    return ImageRows(shape[3], shape[4], pixels=not sums) if len(shape) == 5 else None


def _is_per_pixel(vector: Tensor) -> bool:
    return vector.dim() == 3 and vector.shape[1:] != (1, 1)


def batched_vectors(weights: Weights) -> tuple[str, ...]:
    """Names of the vectors that have a number for every pixel, so that, as rows, every sequence has its own."""
    return tuple(name for name, v in weights.named.items() if _is_per_pixel(v))


def _channels_last(weight: Tensor) -> Tensor:
    return weight.contiguous(memory_format=torch.channels_last)
