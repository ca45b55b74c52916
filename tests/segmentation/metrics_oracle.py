"""J, F and the statistics of DAVIS as they are defined, pixel by pixel and slowly; and random masks to try them on."""

from __future__ import annotations

import math

import numpy as np


def oracle_j(predicted: np.ndarray, truth: np.ndarray, void: np.ndarray | None = None) -> float:
    inside = union = 0
    for y, x in np.ndindex(truth.shape):
        if void is None or not void[y, x]:
            inside += bool(predicted[y, x]) and bool(truth[y, x])
            union += bool(predicted[y, x]) or bool(truth[y, x])
    return inside / union if union else 1.0


def oracle_outline(mask: np.ndarray) -> set[tuple[int, int]]:
    """Pixels that differ from their right, lower or lower right neighbour; on the last row and column one neighbour."""
    height, width = mask.shape
    found = set()
    set_ = {tuple(place) for place in np.argwhere(mask).tolist()}  # only they and those before them can differ
    for y, x in {(max(y - up, 0), max(x - left, 0)) for y, x in set_ for up in (0, 1) for left in (0, 1)}:
        last_row, last_column = y == height - 1, x == width - 1
        if last_row and last_column:
            neighbours = []
        elif last_row:
            neighbours = [(y, x + 1)]
        elif last_column:
            neighbours = [(y + 1, x)]
        else:
            neighbours = [(y, x + 1), (y + 1, x), (y + 1, x + 1)]
        if any(((y, x) in set_) != (place in set_) for place in neighbours):
            found.add((y, x))
    return found


def oracle_f(
    predicted: np.ndarray, truth: np.ndarray, void: np.ndarray | None = None, tolerance: float = 0.008
) -> float:
    inside = np.ones(truth.shape, bool) if void is None else ~void
    radius = math.ceil(tolerance * math.hypot(*truth.shape))
    ours, theirs = oracle_outline(predicted & inside), oracle_outline(truth & inside)
    if not ours and not theirs:
        return 1.0
    if not ours or not theirs:
        return 0.0
    precision = sum(_near(point, theirs, radius) for point in ours) / len(ours)
    recall = sum(_near(point, ours, radius) for point in theirs) / len(theirs)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _near(point: tuple[int, int], outline: set[tuple[int, int]], radius: int) -> bool:
    y, x = point
    return any((y - v) ** 2 + (x - u) ** 2 <= radius**2 for v, u in outline)


def oracle_statistics(values: list[float]) -> tuple[float, float, float]:
    """Mean, share above a half, and first quarter less last, their borders rounded half up to frames 1..N."""
    count = len(values)
    borders = [1 + (count - 1) * quarter / 4 for quarter in range(5)]
    rounded = [_round_half(border) for border in borders]
    first, last = values[rounded[0] - 1 : rounded[1]], values[rounded[3] - 1 : rounded[4]]
    above = [value for value in values if value > 0.5]
    return sum(values) / count, len(above) / count, sum(first) / len(first) - sum(last) / len(last)


def _round_half(number: float) -> int:
    """The official code adds 1e-10 before rounding, so that halves go up."""
    return math.floor(number + 1e-10 + 0.5)


def blobs(generator: np.random.Generator, size: tuple[int, int], count: int = 3) -> np.ndarray:
    """A random mask, bool: a few ellipses anywhere, some of them holes, some cut by the border, and a few specks."""
    y, x = np.mgrid[: size[0], : size[1]]
    mask = np.zeros(size, bool)
    for number in range(count):
        centre = generator.uniform(0, 1, 2) * size
        radii = generator.uniform(0.05, 0.4, 2) * size + 0.5
        ellipse = ((y - centre[0]) / radii[0]) ** 2 + ((x - centre[1]) / radii[1]) ** 2 <= 1
        mask = mask & ~ellipse if number and generator.random() < 0.3 else mask | ellipse
    return mask ^ (generator.random(size) < 0.01)


def labels(generator: np.random.Generator, size: tuple[int, int], highest: int) -> np.ndarray:
    """Random numbers of objects 0..highest, uint8."""
    mask = np.zeros(size, np.uint8)
    for number in range(1, highest + 1):
        mask[blobs(generator, size, 2)] = number
    return mask
