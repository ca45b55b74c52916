"""Painting a simulated sequence: frames, masks, classes, and how much of every object is visible."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from lstmzoo.synthetic.davis_course import MARKED_FRAMES, Array, Bar, Course

CLASSES = ("Ground", "Two lobes", "Three lobes", "Four lobes", "Five lobes", "Six lobes", "Bar")
"""What a pixel may show: shapes, be they objects or distractors, are classified by their outlines."""

_LOBES = 2, 3, 4, 5, 6
_POINTS, _SHIFT = 64, 6  # corners of an outline; fractional bits of their coordinates
_GRAINS = (6, 14, 35, 90)  # of fractal noise, from coarse to fine
_NOISE = 3.0  # standard deviation of the sensor noise, in grey values


class Painting(NamedTuple):
    """A frame of the sequence.

    Attributes:
        frame: RGB, uint8 (H, W, 3).
        ids: uint8 (H, W): the object that is visible at each pixel, 0 for anything else.
        visible: (K,) share of each object that is not occluded.
        classes: uint8 (H, W): which of `CLASSES` each pixel shows.
    """

    frame: Array
    ids: Array
    visible: Array
    classes: Array


class _Kind(NamedTuple):
    """What all shapes of a kind look like."""

    lobes: int
    outline: Array  # (P,) radius at each direction, at most 1
    light: Array  # (3,) RGB
    dark: Array
    stripes: float


def paint(course: Course, rng: np.random.Generator) -> Iterator[Painting]:
    """Paint a course, frame by frame.

    Args:
        course: what happens.
        rng: source of the looks; what is drawn does not depend on which shapes are the objects.

    Yields:
        The frames.
    """
    background = _Background(course.size, rng)
    kinds = _kinds(int(course.kind.max()) + 1, rng)
    stuff = [_bar_stuff(bar, course.size, rng) for bar in course.bars]
    light = 1 + 0.08 * np.sin(rng.uniform(0, 6.28) + np.arange(len(course.centre)) / rng.uniform(8, 20))
    for t in range(len(course.centre)):
        canvas = background.at(course.camera[t])
        silhouettes: list[Array] = []
        for n, kind in enumerate(course.kind):
            marked = t < MARKED_FRAMES and course.number[n] > 0
            alpha = _paint_shape(canvas, course, t, n, kinds[kind], marked)
            for mask in silhouettes:
                mask &= ~alpha
            silhouettes.append(alpha)
        whole = [int(mask.sum()) for mask in silhouettes]
        classes = np.zeros(course.size, np.uint8)
        for bar, texture in zip(course.bars, stuff, strict=True):
            occluded = _paint_bar(canvas, bar, t, texture)
            silhouettes = [mask & ~occluded for mask in silhouettes]
            classes[occluded] = CLASSES.index("Bar")
        for kind, mask in zip(course.kind, silhouettes, strict=True):
            classes[mask] = 1 + _LOBES.index(kinds[kind].lobes)
        yield _finish(course, canvas * light[t], silhouettes, whole, classes, rng)


def _finish(
    course: Course,
    canvas: Array,
    silhouettes: list[Array],
    whole: list[int],
    classes: Array,
    rng: np.random.Generator,
) -> Painting:
    ids = np.zeros(course.size, np.uint8)
    visible = np.zeros(int(course.number.max()))
    for number, mask, area in zip(course.number, silhouettes, whole, strict=True):
        if number:
            ids[mask] = number
            visible[number - 1] = mask.sum() / max(area, 1)
    noisy = canvas + _NOISE * rng.standard_normal(canvas.shape, np.float32)
    return Painting(np.clip(noisy, 0, 255).astype(np.uint8), ids, visible, classes)


# -- Shapes ---------------------------------------------------------------------------------------------------------


def _kinds(count: int, rng: np.random.Generator) -> list[_Kind]:
    """Draw looks that differ in colour, lobes and stripes."""
    hues = (rng.uniform() + np.arange(count) / count) * 180
    lobes = rng.permutation(_LOBES)[:count]
    return [_kind(hue, int(number), rng) for hue, number in zip(hues, lobes, strict=True)]


def _kind(hue: float, lobes: int, rng: np.random.Generator) -> _Kind:
    direction = np.linspace(0, 2 * np.pi, _POINTS, endpoint=False)
    outline = 1 + rng.uniform(0.08, 0.2) * np.cos(lobes * direction)
    return _Kind(lobes, outline / outline.max(), _rgb(hue, 200, 235), _rgb(hue, 230, 150), rng.uniform(2, 5))


def _rgb(hue: float, saturation: int, value: int) -> Array:
    pixel = np.array([[[int(hue) % 180, saturation, value]]], np.uint8)
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float32)


def _paint_shape(canvas: Array, course: Course, t: int, n: int, kind: _Kind, marked: bool) -> Array:
    """Paint a shape, and its badge; return the pixels (H, W) that it covers."""
    centre, angle, radius = course.centre[t, n], course.angle[t, n], course.radius[n]
    direction = np.linspace(0, 2 * np.pi, _POINTS, endpoint=False) + angle
    points = centre + radius * kind.outline[:, None] * np.stack([np.cos(direction), np.sin(direction)], axis=1)
    cover = np.zeros(course.size, np.uint8)
    cv2.fillPoly(cover, [np.round(points * 2**_SHIFT).astype(np.int32)], 255, cv2.LINE_AA, _SHIFT)
    rows, columns = _box(centre, radius, course.size)
    y, x = np.mgrid[rows, columns]
    u, v = (x - centre[0]) / radius, (y - centre[1]) / radius
    along = u * np.cos(angle) + v * np.sin(angle)  # turns with the shape
    share = 0.5 + 0.5 * np.sin(kind.stripes * np.pi * along)
    colour = kind.dark + share[..., None] * (kind.light - kind.dark)
    colour *= (1.05 - 0.25 * (u**2 + v**2))[..., None]  # round
    if marked:
        distance = np.hypot(u, v)
        colour[distance < 0.62] = 20
        colour[distance < 0.48] = 250
    alpha = cover[rows, columns, None] / np.float32(255)
    canvas[rows, columns] += alpha * (colour - canvas[rows, columns])
    return cover >= 128


def _box(centre: Array, radius: float, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns that a shape can touch."""
    reach = radius + 2
    low, high = np.floor(centre - reach).astype(int), np.ceil(centre + reach).astype(int) + 1
    return slice(max(low[1], 0), min(high[1], size[0])), slice(max(low[0], 0), min(high[0], size[1]))


# -- Background and bars --------------------------------------------------------------------------------------------


class _Background:
    """Two layers of dull texture, of which the nearer moves with the camera and the farther half as fast."""

    def __init__(self, size: tuple[int, int], rng: np.random.Generator) -> None:
        self.size = size
        side = 2 * max(size)
        self.layers = [_texture(side, rng) for _ in range(2)]  # (S, S)
        self.tint = 128 + rng.uniform(-18, 18, 3).astype(np.float32)

    def at(self, camera: Array) -> Array:
        """What is seen when the camera has moved by so much: float32 (H, W, 3)."""
        near, far = (self._view(layer, speed * camera) for layer, speed in zip(self.layers, (1.0, -0.5), strict=True))
        return (self.tint * (1 + 0.16 * near + 0.1 * far)[..., None]).astype(np.float32)

    def _view(self, layer: Array, shift: Array) -> Array:
        height, width = self.size
        matrix = np.array([[1, 0, shift[0] % len(layer)], [0, 1, shift[1] % len(layer)]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(layer, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_WRAP)


def _texture(side: int, rng: np.random.Generator) -> Array:
    """Fractal noise (S, S) of unit variance, the finer the fainter; it repeats without seams."""
    total = np.zeros((side, side), np.float32)
    for octave, cells in enumerate(_GRAINS):
        grain = rng.standard_normal((cells, cells), np.float32)
        padded = np.pad(grain, 2, mode="wrap")
        scale = side / cells
        matrix = np.array([[scale, 0, 0.5 * scale - 2.5 * scale], [0, scale, 0.5 * scale - 2.5 * scale]])
        total += 0.75**octave * cv2.warpAffine(padded, matrix, (side, side), flags=cv2.INTER_CUBIC)
    return (total - total.mean()) / total.std()


def _bar_stuff(bar: Bar, size: tuple[int, int], rng: np.random.Generator) -> Array:
    """Grey, fluted and grained: RGB, float32 (width, length of the bar, 3)."""
    length = size[1 - bar.axis]
    across = np.linspace(-1, 1, max(round(bar.width), 1))
    shade = 1 - 0.5 * across**2 + 0.08 * np.sin(np.pi * across * rng.uniform(5, 9))
    grain = cv2.resize(rng.standard_normal((len(across), max(length // 6, 1)), np.float32), (length, len(across)))
    grey = rng.uniform(60, 110) * shade[:, None] + 7 * grain
    return (grey[..., None] + rng.uniform(-6, 6, 3)).astype(np.float32)


def _paint_bar(canvas: Array, bar: Bar, t: int, texture: Array) -> Array:
    """Paint a bar over everything; return the pixels (H, W) that it occludes."""
    occluded = np.zeros(canvas.shape[:2], bool)
    first = round(bar.centre[t] - bar.width / 2)
    start, stop = max(first, 0), min(first + len(texture), canvas.shape[bar.axis])
    if start < stop:
        seen = texture[start - first : stop - first]
        place: tuple[slice, ...] = (slice(start, stop),) if bar.axis == 0 else (slice(None), slice(start, stop))
        canvas[place] = seen if bar.axis == 0 else seen.transpose(1, 0, 2)
        occluded[place] = True
    return occluded
