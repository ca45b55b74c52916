"""J and F of DAVIS: how well a mask's region and its outline agree with the truth.

What is asked of a mask (its area, its outline, which pixels lie near its outline) is worked out once, however many
masks it is compared with, and only inside the box that holds everything there is.
"""

from __future__ import annotations

import math
from functools import cached_property, lru_cache

import cv2
import numpy as np

from lstmzoo.errors import LstmzooError

TOLERANCE = 0.008
"""How far apart outlines may lie and still agree, as a fraction of the picture's diagonal."""


def jaccard(predicted: np.ndarray, truth: np.ndarray, void: np.ndarray | None = None) -> float:
    """Return the region similarity J, the intersection over the union.

    J = |P ∩ G| / |P ∪ G|, counted outside void; 1 where both are empty.

    Args:
        predicted: P, (H, W) bool, or numbers of which all but 0 belong to the mask.
        truth: G, likewise.
        void: (H, W), likewise: pixels that don't count.

    Returns:
        J in 0..1.

    Raises:
        LstmzooError: the sizes differ.

    Source: Perazzi et al. 2016, "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", §4.
    """
    predicted, truth = _outside(predicted, truth, void)
    return Region(predicted, 0).jaccard(Region(truth, 0))


def boundary_f(
    predicted: np.ndarray, truth: np.ndarray, void: np.ndarray | None = None, tolerance: float = TOLERANCE
) -> float:
    """Return the contour accuracy F, the harmonic mean of the outlines' precision and recall.

    F = 2 p r / (p + r); p is the share of the mask's outline that lies within r = ⌈tolerance · diagonal⌉ pixels of the
    true outline, r the share of the true outline that lies as near to the mask's. 1 if there is no outline at all, 0 if
    only one has any. Both masks are empty in void before their outlines are taken.

    Args:
        predicted: (H, W) bool, or numbers of which all but 0 belong to the mask.
        truth: (H, W), likewise.
        void: (H, W), likewise: pixels that don't count.
        tolerance: fraction of the diagonal; from 1 on: pixels.

    Returns:
        F in 0..1.

    Raises:
        LstmzooError: the sizes differ.

    Source: Perazzi et al. 2016, §4; outlines, rounding and empty masks as in the official evaluation of 2017.
    """
    predicted, truth = _outside(predicted, truth, void)
    radius = outline_radius(predicted.shape, tolerance)
    crop = content_box(predicted | truth)
    return Region(predicted[crop], radius).boundary_f(Region(truth[crop], radius))


class Region:
    """A mask, and what J and F need to know of it.

    Args:
        mask: (h, w) bool; a part of a picture cut out by `content_box`, so that its borders are the picture's or empty.
        radius: how far apart outlines may lie, in pixels.
    """

    def __init__(self, mask: np.ndarray, radius: int) -> None:
        self.mask = np.ascontiguousarray(mask).view(np.uint8)
        self.radius = radius

    @cached_property
    def area(self) -> int:
        """How many pixels belong to the mask."""
        return cv2.countNonZero(self.mask)

    @cached_property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns of the mask, with one more on every side for the outline."""
        return content_box(self.mask)

    @cached_property
    def outline(self) -> np.ndarray:
        """The outline, uint8 (h, w), see `outline`."""
        whole = np.zeros_like(self.mask)
        if self.area:
            whole[self.box] = outline(self.mask[self.box])
        return whole

    @cached_property
    def length(self) -> int:
        """How many pixels the outline has."""
        return cv2.countNonZero(self.outline)

    @cached_property
    def near(self) -> np.ndarray:
        """The pixels at most `radius` away from the outline, uint8 (h, w)."""
        reach = widened(self.box, self.radius, self.mask.shape)
        whole = np.zeros_like(self.mask)
        whole[reach] = cv2.dilate(np.ascontiguousarray(self.outline[reach]), disk(self.radius))
        return whole

    def jaccard(self, truth: Region) -> float:
        """Return J between this mask and the truth."""
        if not self.area or not truth.area:
            return float(self.area == truth.area)
        common = cv2.countNonZero(self.mask & truth.mask)
        return common / (self.area + truth.area - common)

    def boundary_f(self, truth: Region) -> float:
        """Return F between this mask and the truth."""
        if not self.length or not truth.length:
            return float(self.length == truth.length)
        precision = cv2.countNonZero(self.outline & truth.near) / self.length
        recall = cv2.countNonZero(truth.outline & self.near) / truth.length
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def outline(mask: np.ndarray) -> np.ndarray:
    """Return the outline of a mask: pixels that differ from the one to the right, below, or to the right below.

    In the last row only the neighbour to the right counts, in the last column only the one below; the last corner is
    never part of it.

    Args:
        mask: (H, W) of zeros and ones.

    Returns:
        (H, W) of zeros and ones, same type.
    """
    lines = np.zeros_like(mask)
    here, right, below, across = mask[:-1, :-1], mask[:-1, 1:], mask[1:, :-1], mask[1:, 1:]
    lines[:-1, :-1] = (here ^ right) | (here ^ below) | (here ^ across)
    lines[-1, :-1] = mask[-1, :-1] ^ mask[-1, 1:]
    lines[:-1, -1] = mask[:-1, -1] ^ mask[1:, -1]
    return lines


def outline_radius(size: tuple[int, ...], tolerance: float = TOLERANCE) -> int:
    """Return how many pixels outlines may lie apart in a picture of a size (H, W)."""
    return int(tolerance) if tolerance >= 1 else math.ceil(tolerance * math.sqrt(size[0] ** 2 + size[1] ** 2))


@lru_cache
def disk(radius: int) -> np.ndarray:
    """Return a disk of a radius, uint8 (2 r + 1, 2 r + 1): dx² + dy² ≤ r²."""
    squares = np.arange(-radius, radius + 1) ** 2
    return (squares[:, None] + squares <= radius**2).astype(np.uint8)


def content_box(mask: np.ndarray) -> tuple[slice, slice]:
    """Return the rows and columns of what is in a mask, with one more on every side that isn't the picture's border."""
    x, y, width, height = cv2.boundingRect(np.ascontiguousarray(mask).view(np.uint8))
    return widened((slice(y, y + height), slice(x, x + width)), 1, mask.shape)


def widened(box: tuple[slice, slice], by: int, size: tuple[int, ...]) -> tuple[slice, slice]:
    """Return a box with some pixels more on every side, as far as the picture goes."""
    rows, columns = (slice(max(s.start - by, 0), min(s.stop + by, end)) for s, end in zip(box, size, strict=True))
    return rows, columns


def _outside(predicted: np.ndarray, truth: np.ndarray, void: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return both masks as bool, empty in void; the sizes must be the same."""
    masks = [np.asarray(mask) for mask in (predicted, truth, *([] if void is None else [void]))]
    if len({mask.shape for mask in masks}) > 1 or masks[0].ndim != 2:
        sizes = ", ".join("x".join(map(str, mask.shape)) for mask in masks)
        raise LstmzooError(f"masks are compared when they are of one size (H, W), not {sizes}")
    predicted, truth = masks[0] != 0, masks[1] != 0
    return (predicted, truth) if void is None else (predicted & (masks[2] == 0), truth & (masks[2] == 0))
