"""How images lie in memory where the maps are convolutions.

A compiled stage computes every pixel by itself, so a pixel is a row: a batch of B images is one of B · height · width
sequences of C units, which is how channels-last images lie in memory, the layout that torch's convolutions are fastest
in. Only where a step sums over the units of an image, an image is a row, of C · height · width units.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lstmzoo.nn.layer import Layer
from lstmzoo.nn.maps import Maps


@dataclass(frozen=True)
class Layout:
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

    def layer(self, layer: Layer, input_bias: Tensor | None) -> Layer:
        """A layer of images as one of rows; the stream ``x`` is called ``input`` where a step gets W x + b instead.

        Args:
            layer: the layer.
            input_bias: what is added to W x beforehand.
        """
        maps, batch, raw = layer.maps, layer.state[0].shape[0], layer.step.cell.raw
        weights = {k: _channels_last(getattr(maps, k)) for k in ("weight_ih", "weight_hh", "weight_hr")}
        biases = {"bias_ih": self._vector(maps.bias_ih, batch) if raw else input_bias}
        biases["bias_hh"] = self._vector(maps.bias_hh, batch)
        own = {k: _channels_last(v) if v.dim() == 4 else self._vector(v, batch) for k, v in maps.own.items()}
        return replace(
            layer,
            maps=replace(maps, **weights, **biases, own=own),  # type: ignore[arg-type]
            streams={k if k != "x" or raw else "input": self.rows(v) for k, v in layer.streams.items()},
            held={k: self.rows(v) for k, v in layer.held.items()},
            state=tuple(map(self.rows, layer.state)),
        )

    def _vector(self, v: Tensor | None, batch: int) -> Tensor | None:
        """(C,), (C, 1, 1) or (C, height, width) → a number for every unit of a row, or of all rows if pixels differ."""
        if v is None:
            return None
        if is_full(v):
            return self.rows(v.expand(batch, *v.shape))
        return v.flatten() if self.pixels else v.view(-1, 1, 1).expand(-1, self.height, self.width).flatten()

    def undone(self, layer: Layer) -> Layer:
        """A layer of rows as one of images, whose stream ``x`` holds what a step gets: for the reference engine."""
        maps, pixels = layer.maps, (1, 1) if self.pixels else (self.height, self.width)
        own = {k: v.view(-1, *pixels) if v.dim() == 1 else v for k, v in maps.own.items()}
        own = {k: self.images(v) if v.dim() == 2 else v for k, v in own.items()}
        streams = {k: self.images(v) for k, v in layer.streams.items()}
        if "input" in streams:
            streams["x"] = maps.product(maps.weight_ih, maps.bias_ih, streams.pop("input"))
        biases = {k: getattr(maps, k) for k in ("bias_ih", "bias_hh")}
        biases = {k: v if v is None else v.view(-1, *pixels)[:, 0, 0] for k, v in biases.items()}
        return replace(
            layer,
            maps=replace(maps, **biases, own=own),
            streams=streams,
            held={k: self.images(v) for k, v in layer.held.items()},
            state=tuple(map(self.images, layer.state)),
        )


def of_layer(layer: Layer, sums: bool) -> Layout | None:
    """The layout of a layer of images, or None if it has no images.

    Args:
        layer: the layer.
        sums: whether a step sums over the units of an image.
    """
    shape = layer.streams["x"].shape
    return Layout(shape[3], shape[4], pixels=not sums) if len(shape) == 5 else None


def is_full(vector: Tensor) -> bool:
    """Whether a vector has a number for every pixel."""
    return vector.dim() == 3 and vector.shape[1:] != (1, 1)


def full_vectors(maps: Maps) -> tuple[str, ...]:
    """Names of the vectors that have a number for every pixel."""
    return tuple(name for name, v in maps.own.items() if is_full(v))


def _channels_last(weight: Tensor | None) -> Tensor | None:
    return None if weight is None else weight.contiguous(memory_format=torch.channels_last)
