"""Drawings of coloured shapes: what is in them, and painting it."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np

SIDE = 128
"""Of a drawing, in pixels."""

COLOURS = {
    "red": (208, 42, 42),
    "green": (46, 160, 67),
    "blue": (52, 92, 222),
    "yellow": (240, 208, 48),
    "white": (244, 244, 240),
}
"""RGB."""

SIZES = {"small": 9.0, "large": 15.0}
"""Radius in pixels."""

SHAPES = ("circle", "square", "triangle", "star", "cross")

_SHARED = (0.3, 0.5, 0.4, 0.4)  # how often the second kind has the number, size, colour and shape of the first
_FINE = 4  # painted four times as large, then averaged: smooth edges


class Shapes(NamedTuple):
    """One to three of the same kind."""

    number: int
    size: str
    colour: str
    shape: str


class Drawing(NamedTuple):
    """Two kinds of shapes, the first left of the second or above it."""

    first: Shapes
    second: Shapes
    beside: bool
    """Left and right, else above and below."""


def random_drawing(rng: np.random.Generator) -> Drawing:
    """Make up a drawing.

    The two kinds often share a colour, a size, a shape or a number, so that one word alone does not identify
    them; they differ in colour or shape.
    """
    first = _random_shapes(rng)
    while True:
        other = _random_shapes(rng)
        fields: list[Any] = [
            mine if rng.random() < share else its for mine, its, share in zip(first, other, _SHARED, strict=True)
        ]
        second = Shapes(*fields)
        if (first.colour, first.shape) != (second.colour, second.shape):
            return Drawing(first, second, bool(rng.random() < 0.5))


def _random_shapes(rng: np.random.Generator) -> Shapes:
    number = int(rng.choice([1, 2, 3], p=[0.5, 0.3, 0.2]))
    colours, sizes = list(COLOURS), list(SIZES)
    return Shapes(
        number, sizes[rng.integers(len(sizes))], colours[rng.integers(len(colours))], SHAPES[rng.integers(len(SHAPES))]
    )


def paint(drawing: Drawing, rng: np.random.Generator) -> np.ndarray:
    """Paint a drawing: RGB, uint8 (SIDE, SIDE, 3)."""
    canvas = _ground(rng)
    for shapes, side in ((drawing.first, 0.25), (drawing.second, 0.75)):
        radius = SIZES[shapes.size]
        spacing = 2 * radius + rng.uniform(5, 9)
        free = SIDE / 2 - radius - 4 - spacing * (shapes.number - 1) / 2  # room to move along the line they stand in
        middle = SIDE / 2 + rng.uniform(-free, free)
        for place in range(shapes.number):
            along = middle + spacing * (place - (shapes.number - 1) / 2)
            across = SIDE * side + rng.uniform(-1, 1) * (SIDE / 4 - radius - 4) * 0.6
            centre = (across, along) if drawing.beside else (along, across)
            _paint_one(canvas, shapes, np.array(centre), radius * rng.uniform(0.93, 1.07), rng)
    small = cv2.resize(canvas, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    noisy = small + rng.normal(0, 3, small.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _ground(rng: np.random.Generator) -> np.ndarray:
    """A dull, uneven ground, float32 (4 SIDE, 4 SIDE, 3)."""
    colour = rng.uniform(85, 135) + rng.uniform(-16, 16, 3)
    blotches = rng.normal(0, 9, (6, 6, 1)) + rng.normal(0, 4, (6, 6, 3))
    whole = (SIDE * _FINE, SIDE * _FINE)
    return (colour + cv2.resize(blotches, whole, interpolation=cv2.INTER_CUBIC)).astype(np.float32)


def _paint_one(canvas: np.ndarray, shapes: Shapes, centre: np.ndarray, radius: float, rng: np.random.Generator) -> None:
    turn = rng.uniform(-0.25, 0.25)
    corners = _outline(shapes.shape) @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    points = np.round((centre + radius * corners) * _FINE).astype(np.int32)
    colour = np.array(COLOURS[shapes.colour]) * rng.uniform(0.88, 1.04) + rng.uniform(-8, 8, 3)
    cv2.fillPoly(canvas, [points], colour.tolist())
    cv2.polylines(canvas, [points], True, (0.55 * colour).tolist(), thickness=3)


def _outline(shape: str) -> np.ndarray:
    """The corners of a shape about the origin, (N, 2), y downwards."""
    if shape == "square":
        return 0.88 * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    if shape == "cross":
        a, b = 1.0, 0.34
        return np.array(
            [(-b, -a), (b, -a), (b, -b), (a, -b), (a, b), (b, b), (b, a), (-b, a), (-b, b), (-a, b), (-a, -b), (-b, -b)]
        )
    corners = {"circle": 48, "triangle": 3, "star": 10}[shape]
    angle = 2 * np.pi * np.arange(corners) / corners
    reach = (
        np.where(np.arange(corners) % 2, 0.42, 1.12) if shape == "star" else {"circle": 0.98, "triangle": 1.15}[shape]
    )
    return np.stack([reach * np.sin(angle), -reach * np.cos(angle)], axis=1)
