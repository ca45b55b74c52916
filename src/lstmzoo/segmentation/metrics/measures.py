"""J and F of DAVIS: how well a mask's region and its outline agree with the truth.

What is asked of a mask (its area, its outline, which pixels lie near its outline) is worked out once, however many
masks it is compared with, and only inside the box that holds everything there is.
"""

import math
from functools import cached_property

import cv2
import numpy as np

from lstmzoo.errors import LstmzooError

TOLERANCE = 0.008
"""How far apart outlines may lie and still agree, as a fraction of the image's diagonal."""


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
    return compare(predicted, truth, 0)[0]


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
    return compare(predicted, truth, outline_radius(predicted.shape, tolerance))[1]


class Region:
    """A mask, and what J and F need to know of it.

    Its outline is kept as one binary number: pixel (y, x) is bit y · stride + x, and `radius` zeros part the rows. So
    moving it by some pixels is one shift, and growing it by a disk some fifty of them, much fewer than pixels.

    Args:
        mask: (h, w) bool; a part of an image cut out by `content_box`, so that its borders are the image's or empty.
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
    def outline(self) -> int:
        """The outline of the mask, as a number."""
        if not self.area:
            return 0
        apart = np.pad(outline(self.mask), ((0, 0), (0, self.radius)))
        return int.from_bytes(np.packbits(apart, bitorder="little").tobytes(), "little")

    @cached_property
    def length(self) -> int:
        """How many pixels the outline has."""
        return self.outline.bit_count()

    @cached_property
    def near(self) -> int:
        """The pixels at most `radius` away from the outline, as a number; between the rows may be anything."""
        return grown(self.outline, self.mask.shape[1] + self.radius, self.radius)

    def jaccard(self, truth: "Region") -> float:
        """Return J between this mask and the truth."""
        if not self.area or not truth.area:
            return float(self.area == truth.area)
        common = cv2.countNonZero(self.mask & truth.mask)
        return common / (self.area + truth.area - common)

    def boundary_f(self, truth: "Region") -> float:
        """Return F between this mask and the truth."""
        if not self.length or not truth.length:
            return float(self.length == truth.length)
        precision = (self.outline & truth.near).bit_count() / self.length
        recall = (truth.outline & self.near).bit_count() / truth.length
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def compare(predicted: np.ndarray, truth: np.ndarray, radius: int) -> tuple[float, float]:
    """Return J and F between two masks (H, W) bool; outlines may lie `radius` pixels apart."""
    crop = content_box(predicted | truth)
    ours, theirs = Region(predicted[crop], radius), Region(truth[crop], radius)
    return ours.jaccard(theirs), ours.boundary_f(theirs)


def grown(pixels: int, stride: int, radius: int) -> int:
    """Grow pixels by a disk, dx² + dy² ≤ r².

    Args:
        pixels: bit y · stride + x is pixel (y, x); the last r of each `stride` bits are zeros.
        stride: from one row to the next.
        radius: r.

    Returns:
        The same with the pixels around; the last r bits of each row may be anything.
    """
    rows: dict[int, int] = {}  # the pixels grown to the left and right only, by how much
    near = 0
    for dy in range(radius + 1):
        dx = math.isqrt(radius**2 - dy**2)
        if dx not in rows:
            rows[dx] = _repeated(pixels, 2 * dx + 1) >> dx
        near |= rows[dx] << dy * stride | rows[dx] >> dy * stride
    return near


def _repeated(pixels: int, count: int) -> int:
    """Return pixels together with themselves moved on by 1, 2, …, count - 1 bits."""
    done = 1
    while 2 * done <= count:
        pixels |= pixels << done
        done *= 2
    return pixels | pixels << count - done


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
    """Return how many pixels outlines may lie apart in an image of a size (H, W)."""
    return int(tolerance) if tolerance >= 1 else math.ceil(tolerance * math.sqrt(size[0] ** 2 + size[1] ** 2))


def content_box(mask: np.ndarray) -> tuple[slice, slice]:
    """Return the rows and columns of what is in a mask, with one more on every side that isn't the image's border."""
    x, y, width, height = cv2.boundingRect(np.ascontiguousarray(mask).view(np.uint8))
    return slice(max(y - 1, 0), y + height + 1), slice(max(x - 1, 0), x + width + 1)


def _outside(predicted: np.ndarray, truth: np.ndarray, void: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return both masks as bool, empty in void; the sizes must be the same."""
    masks = [np.asarray(mask) for mask in (predicted, truth, *([] if void is None else [void]))]
    if len({mask.shape for mask in masks}) > 1 or masks[0].ndim != 2:
        sizes = ", ".join("x".join(map(str, mask.shape)) for mask in masks)
        raise LstmzooError(f"masks are compared when they are of one size (H, W), not {sizes}")
    predicted, truth = masks[0] != 0, masks[1] != 0
    return (predicted, truth) if void is None else (predicted & (masks[2] == 0), truth & (masks[2] == 0))
