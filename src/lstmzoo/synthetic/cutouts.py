"""Pieces cut out of photographs: blobs, polygons, regions that end at edges, and what a mask shows."""

from typing import NamedTuple

import cv2
import numpy as np

Array = np.ndarray

SIDE = 160
"""Of a cutout, in pixels; it is scaled when it is painted."""

_DIRECTIONS = 48  # corners of a blob
_SEEDS = 24  # regions that a piece of a photograph is divided into
_LEAST = 0.12  # share of the square that a cutout fills at least


class Cutout(NamedTuple):
    """A piece of a photograph.

    Attributes:
        colours: RGB, uint8 (SIDE, SIDE, 3).
        alpha: uint8 (SIDE, SIDE), 255 where it is.
    """

    colours: Array
    alpha: Array


def cut_out(photograph: Array, rng: np.random.Generator) -> Cutout:
    """Cut a piece out of a photograph.

    Args:
        photograph: RGB, uint8 (H, W, 3).
        rng: source of the randomness.

    Returns:
        A piece in the middle of its square.
    """
    piece = _square(photograph, rng)
    shape = _SHAPES[rng.choice(len(_SHAPES), p=(0.4, 0.2, 0.4))](piece, rng)
    if (shape > 0).mean() < _LEAST:
        shape = _blob(piece, rng)
    return Cutout(piece, cv2.GaussianBlur(shape, (3, 3), 0))


def cut_along(photograph: Array, mask: Array, centre: Array, reach: float) -> Cutout:
    """Cut out what a mask shows.

    Args:
        photograph: RGB, uint8 (H, W, 3).
        mask: bool (H, W).
        centre: x and y of the middle of the square that is cut out, in pixels.
        reach: half of the side of the square, in pixels.
    """
    (height, width), side = mask.shape, max(round(2 * reach), 1)
    left, top = np.round(centre - reach).astype(int).tolist()
    seen = slice(max(top, 0), top + side), slice(max(left, 0), left + side)
    beyond = max(-top, 0), max(top + side - height, 0), max(-left, 0), max(left + side - width, 0)
    piece = cv2.copyMakeBorder(photograph[seen], *beyond, cv2.BORDER_REPLICATE)
    shape = cv2.copyMakeBorder(mask[seen].astype(np.uint8) * 255, *beyond, cv2.BORDER_CONSTANT, value=0)
    piece, shape = (cv2.resize(plane, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for plane in (piece, shape))
    inside = cv2.erode(shape, np.ones((3, 3), np.uint8))  # its outermost pixels show the background, too
    return Cutout(piece, cv2.GaussianBlur(inside, (3, 3), 0))


def _square(photograph: Array, rng: np.random.Generator) -> Array:
    """A square of a photograph, a third to all of its height."""
    height, width = photograph.shape[:2]
    side = max(int(min(height, width) * rng.uniform(0.35, 1.0)), 1)
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    return cv2.resize(photograph[top : top + side, left : left + side], (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def _blob(piece: Array, rng: np.random.Generator) -> Array:
    """A smooth outline: a circle with a few harmonics, stretched."""
    direction = np.linspace(0, 2 * np.pi, _DIRECTIONS, endpoint=False)
    order = np.arange(2, 7)
    waves = rng.normal(0, 0.35, len(order)) / order  # (5,)
    reach = 1 + (waves[:, None] * np.cos(order[:, None] * direction + rng.uniform(0, 6.28, (len(order), 1)))).sum(0)
    points = reach[:, None] * np.stack([np.cos(direction), rng.uniform(0.4, 1.0) * np.sin(direction)], axis=1)
    return _filled(points)


def _polygon(piece: Array, rng: np.random.Generator) -> Array:
    """Three to seven corners."""
    corners = rng.integers(3, 8)
    direction = 2 * np.pi * (np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) / corners
    return _filled(rng.uniform(0.5, 1.0, (corners, 1)) * np.stack([np.cos(direction), np.sin(direction)], axis=1))


def _region(piece: Array, rng: np.random.Generator) -> Array:
    """Neighbouring regions that end at the edges in the photograph, by watershed from random seeds."""
    markers = np.zeros((SIDE, SIDE), np.int32)
    seeds = rng.integers(10, SIDE - 10, (_SEEDS, 2))
    for number, (x, y) in enumerate(seeds, start=1):
        cv2.circle(markers, (int(x), int(y)), 3, number, -1)
    regions = cv2.watershed(cv2.GaussianBlur(piece, (5, 5), 0), markers)
    nearest = np.argsort(np.hypot(*(seeds - SIDE / 2).T))[: rng.integers(2, 7)]
    shape = np.isin(regions, nearest + 1).astype(np.uint8) * 255
    whole = cv2.morphologyEx(shape, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    margin = cv2.copyMakeBorder(whole[6:-6, 6:-6], 6, 6, 6, 6, cv2.BORDER_CONSTANT, value=0)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(margin)
    if count < 2:
        return margin
    return np.where(labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax(), margin, 0).astype(np.uint8)


def _filled(points: Array) -> Array:
    """The inside of an outline (P, 2), scaled to the square."""
    centred = points - (points.max(0) + points.min(0)) / 2
    scaled = SIDE / 2 + 0.46 * SIDE * centred / np.abs(centred).max()
    shape = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(shape, [np.round(scaled * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return shape


_SHAPES = (_blob, _polygon, _region)
