"""Outlines as polygons along the edges between pixels."""

from itertools import pairwise

import numpy as np


def longest_polygon(mask: np.ndarray, tolerance: float) -> np.ndarray | None:
    """Return the polygon with the most corners among the simplified outlines of a mask, holes included.

    Args:
        mask: (H, W) bool.
        tolerance: how far the polygon may lie from the outline, in pixels.

    Returns:
        (n, 2) x and y of corners, the first again at the end; None where there is no polygon with an area.
    """
    polygons = [simplified(loop, tolerance) for loop in edge_loops(mask)]
    polygons = [polygon for polygon in polygons if len(polygon) > 3]
    return max(polygons, key=len, default=None)


def edge_loops(mask: np.ndarray) -> list[np.ndarray]:
    """Return the closed lines along the edges of pixels that part a mask from the rest, the mask on the right.

    Args:
        mask: (H, W) bool; beyond its borders there is nothing.

    Returns:
        Loops (n, 2) of x and y, the corners of pixels, 0 and 0 the image's corner; every loop begins at its topmost,
        then leftmost corner and ends there.
    """
    onward = _edges(np.pad(np.asarray(mask, bool), 1))
    loops = []
    for start in sorted(onward, key=lambda corner: (corner[1], corner[0])):
        while onward.get(start):
            loops.append(np.array(_follow(onward, start), float))
    return loops


def _edges(padded: np.ndarray) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Return the steps (dx, dy) that lead on from each corner, for a mask with an empty border of one pixel."""
    onward: dict[tuple[int, int], list[tuple[int, int]]] = {}
    here, below, beside = padded[1:-1, 1:-1], padded[2:, 1:-1], padded[1:-1, 2:]
    above, before = padded[:-2, 1:-1], padded[1:-1, :-2]
    for open_edge, corner, step in (
        (here & ~above, (0, 0), (1, 0)),
        (here & ~beside, (1, 0), (0, 1)),
        (here & ~below, (1, 1), (-1, 0)),
        (here & ~before, (0, 1), (0, -1)),
    ):
        for y, x in np.argwhere(open_edge).tolist():
            onward.setdefault((x + corner[0], y + corner[1]), []).append(step)
    return onward


def _follow(onward: dict[tuple[int, int], list[tuple[int, int]]], start: tuple[int, int]) -> list[tuple[int, int]]:
    """Take one loop out of the steps; where two pixels meet at a corner only, turn right, which keeps them apart."""
    loop, corner, step = [start], start, onward[start][0]
    while True:
        steps = onward[corner]
        right = (-step[1], step[0])
        step = right if right in steps else steps[0]
        steps.remove(step)
        corner = (corner[0] + step[0], corner[1] + step[1])
        loop.append(corner)
        if corner == start:
            return loop


def simplified(line: np.ndarray, tolerance: float) -> np.ndarray:
    """Return a line with fewer corners that lies nowhere farther from the given one (Douglas and Peucker 1973).

    Args:
        line: (n, 2) points, first and last are kept; they may be the same.
        tolerance: the distance allowed, in pixels.

    Returns:
        (m, 2) some of the points.
    """
    kept = np.zeros(len(line), bool)
    kept[[0, -1]] = True
    waiting = [(0, len(line) - 1)]
    while waiting:
        first, last = waiting.pop()
        if last - first < 2:
            continue
        distances = _distances(line[first + 1 : last], line[first], line[last])
        farthest = int(distances.argmax())
        if distances[farthest] > tolerance:
            middle = first + 1 + farthest
            kept[middle] = True
            waiting += [(first, middle), (middle, last)]
    return line[kept]


def _distances(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return how far points (n, 2) lie from the straight piece between two points."""
    along = end - start
    length = float(along @ along)
    place = np.clip((points - start) @ along / length, 0, 1)[:, None] if length else 0.0
    return np.linalg.norm(points - start - place * along, axis=1)


def resample(line: np.ndarray, spacing: float) -> np.ndarray:
    """Return a line whose pieces longer than `spacing` are divided into equal ones that are not.

    Args:
        line: (n, 2) points.
        spacing: the longest piece, in pixels.

    Returns:
        (m, 2) points, the given ones among them.
    """
    points = [line[:1]]
    for start, end in pairwise(line):
        count = max(1, int(np.ceil(np.linalg.norm(end - start) / spacing)))
        points.append(start + np.arange(1, count + 1)[:, None] / count * (end - start))
    return np.concatenate(points)
