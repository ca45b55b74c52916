"""What happens in a simulated sequence: shapes wander about, bars pass in front of them, the camera moves.

Shapes come in kinds, and all of a kind look alike. One of each kind is an object, the others are its distractors and
belong to the background. Only a badge in the first frames marks the objects: objects and distractors move, turn and are
occluded by the same rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

Array = np.ndarray

MARKED_FRAMES = 5
"""Frames, from the first, in which the objects carry their badges."""

CURTAIN = MARKED_FRAMES + 3
"""The frame in which the curtain closes, where there is one."""

CROWDS = ((1, 2), (2, 1), (2, 2), (3, 1))
"""(kinds, distractors of each) that occur."""

_HEIGHT = 96  # all lengths below are in pixels of a frame of this height
_RADIUS = 10.5, 11.5
_SPEED = 0.5, 1.0  # pixels a frame
_DISTANCE = 36.0  # of two shapes' centres: below this they push each other away
_MARGIN = 15.0  # from the edge of the frame
_BAR = 40.0, 46.0  # wide enough to occlude a shape wholly
_BARS = {0: 1, 1: 2}  # by axis: up and down, left and right
_BAR_SPEED = {0: (4.5, 5.5), 1: (5.5, 7.0)}
_PUSH, _AGILITY, _TURN = 6.0, 0.25, 0.25


@dataclass(frozen=True)
class Bar:
    """Something long in front of everything that passes across the frame, again and again.

    Attributes:
        axis: in which it moves: 0 up and down, 1 left and right.
        centre: (T,) position along that axis, in pixels.
        width: extent along that axis, in pixels.
    """

    axis: int
    centre: Array
    width: float


@dataclass(frozen=True)
class Course:
    """A sequence of T frames with N shapes.

    Attributes:
        size: (H, W) of the frames, in pixels.
        kind: (N,) kind of each shape, from 0.
        number: (N,) number of each object, 1 … K; 0 for distractors.
        centre: (T, N, 2) x and y, in pixels.
        angle: (T, N) how far it is turned, in radians.
        radius: (N,) in pixels; the same for all of a kind.
        bars: what passes in front.
        camera: (T, 2) x and y that the background has moved, in pixels.
    """

    size: tuple[int, int]
    kind: Array
    number: Array
    centre: Array
    angle: Array
    radius: Array
    bars: tuple[Bar, ...]
    camera: Array


def write_course(
    size: tuple[int, int], frames: int, rng: np.random.Generator, *, occluded: bool, curtain: int = 0
) -> Course:
    """Draw a course.

    Args:
        size: (H, W) of the frames, in pixels.
        frames: T.
        rng: source of the randomness.
        occluded: bars pass in front of the shapes.
        curtain: frames for which one curtain, instead of the bars, occludes everything; meanwhile the shapes rest.

    Returns:
        The course.
    """
    unit = size[0] / _HEIGHT
    kinds, distractors = CROWDS[rng.integers(len(CROWDS))]
    kind = np.repeat(np.arange(kinds), 1 + distractors)
    shapes = len(kind)
    number = np.zeros(shapes, np.int64)
    for one in range(kinds):
        number[rng.choice(np.flatnonzero(kind == one))] = one + 1
    axis, backwards = int(rng.integers(2)), bool(rng.integers(2))
    course = Course(
        size=size,
        kind=kind,
        number=number,
        centre=unit * _wander((size[0] / unit, size[1] / unit), shapes, frames, rng),
        angle=rng.uniform(0, 2 * np.pi, shapes) + np.outer(np.arange(frames), rng.uniform(-0.08, 0.08, shapes)),
        radius=unit * rng.uniform(*_RADIUS, kinds)[kind],
        bars=tuple(_bars(size, axis, backwards, frames, rng)) if occluded else (),
        camera=unit * _pan(frames, rng),
    )
    return _curtained(course, curtain) if curtain else course


def _curtained(course: Course, frames: int) -> Course:
    """Hide everything for so many frames, in which nothing moves: what was where, only memory can tell."""
    total, width = len(course.centre), float(course.size[1])
    closed = np.arange(CURTAIN, CURTAIN + frames)
    time = np.insert(np.arange(total - frames), CURTAIN, np.full(frames, CURTAIN - 1))  # (T,) of the undisturbed course
    position = np.full(total, -width)
    position[closed] = width / 2
    return replace(
        course,
        centre=course.centre[time],
        angle=course.angle[time],
        camera=course.camera[time],
        bars=(Bar(axis=1, centre=position, width=width),),
    )


def _wander(extent: tuple[float, float], shapes: int, frames: int, rng: np.random.Generator) -> Array:
    """Move the shapes about, apart from each other and inside the frame: (T, N, 2)."""
    low, high = np.full(2, _MARGIN), np.array(extent[::-1]) - _MARGIN
    place = _spread(low, high, shapes, rng)  # (N, 2)
    heading, speed = rng.uniform(0, 2 * np.pi, shapes), rng.uniform(*_SPEED, shapes)
    step = np.zeros_like(place)
    places = []
    for _ in range(frames):
        places.append(place)
        heading = heading + _TURN * rng.normal(size=shapes)
        wish = speed[:, None] * np.stack([np.cos(heading), np.sin(heading)], axis=1)
        wish += _push(place) + 0.15 * (np.clip(place, low, high) - place)
        step = (1 - _AGILITY) * step + _AGILITY * wish
        pace = np.hypot(*step.T)[:, None]
        step *= np.minimum(1, 1.3 * _SPEED[1] / np.maximum(pace, 1e-9))
        blocked = ((place < low) & (step < 0)) | ((place > high) & (step > 0))
        heading = np.where(blocked.any(axis=1), np.arctan2(*(place.mean(axis=0) - place).T[::-1]), heading)
        place = place + step
    return np.stack(places)


def _spread(low: Array, high: Array, shapes: int, rng: np.random.Generator) -> Array:
    """Draw places that are as far from each other as the frame allows: the best of some throws."""
    throws = rng.uniform(low, high, (200, shapes, 2))
    return max(throws, key=lambda places: _distances(places).min())


def _distances(place: Array) -> Array:
    apart = np.hypot(*(place[:, None] - place[None]).transpose(2, 0, 1))  # (N, N)
    return apart + np.where(np.eye(len(place), dtype=bool), np.inf, 0)


def _push(place: Array) -> Array:
    """Which way the others push each shape (N, 2)."""
    away = place[:, None] - place[None]  # (N, N, 2)
    apart = _distances(place)
    force = np.clip(1 - apart / _DISTANCE, 0, 1) * _PUSH
    return (force[..., None] * away / np.maximum(apart, 1e-9)[..., None]).sum(axis=1)


def _bars(size: tuple[int, int], axis: int, backwards: bool, frames: int, rng: np.random.Generator) -> Iterator[Bar]:
    """Bars that come in one after the other once the badges are gone, all the same way."""
    unit = size[0] / _HEIGHT
    width, speed = unit * rng.uniform(*_BAR), unit * rng.uniform(*_BAR_SPEED[axis])
    way = size[axis] + width
    travelled = speed * (np.arange(frames) - MARKED_FRAMES)
    for number in range(_BARS[axis]):
        behind = travelled - number * way / _BARS[axis]
        passed = np.where(behind > 0, behind % way, 0)  # 0: out of sight
        yield Bar(axis, (way - passed if backwards else passed) - width / 2, width)


def _pan(frames: int, rng: np.random.Generator) -> Array:
    """The camera pans at a constant speed, swaying (T, 2)."""
    time = np.arange(frames)[:, None]
    period, phase = rng.uniform(15, 40, 2), rng.uniform(0, 2 * np.pi, 2)
    return rng.uniform(-1.5, 1.5, 2) * time + 4 * np.sin(2 * np.pi * time / period + phase)
