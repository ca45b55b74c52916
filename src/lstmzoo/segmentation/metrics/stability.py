"""T of DAVIS 2016: how steady the outline of a mask is from frame to frame.

Outlines become polygons; every point of a polygon is described by where the other points lie as seen from it (its
shape context); the points of two consecutive outlines are matched in order so that their descriptions differ least; T
is the mean difference that is left. Moving and deforming smoothly costs little, flicker costs much.
"""

from itertools import pairwise

import numpy as np

from lstmzoo.errors import LstmzooError
from lstmzoo.segmentation.metrics.contours import longest_polygon, resample

TOLERANCE = 1.5
"""How far a polygon may lie from the outline, in pixels: the official 3, which counts in half pixels."""

SPACING = 3.0
"""The sides of a polygon are divided until none is longer, in pixels."""

RADII = np.logspace(np.log10(1 / 8), np.log10(2), 5)
"""Borders of the five rings of a shape context, in mean distances between points."""

ANGLES = 12
EPSILON = 2.2204e-16


def temporal_stability(masks: np.ndarray) -> np.ndarray:
    """Return T between every two consecutive masks of one object; smaller is steadier.

    T = 5 · mean over matched points i ↔ j of ½ Σ_b (p_b - q_b)² / (p_b + q_b), with p and q the shape contexts of point
    i in one frame and of point j in the next, each made to sum to one.

    As published: polygons, shape contexts, and dynamic time warping (Perazzi et al. 2016, §4). From the official code
    of 2016, which no package ships: the longest polygon only; tolerance 3 and sides of at most 3; 12 angles and 5 rings
    from 1/8 to 2 mean distances; matching twice, from an arbitrary start and then from the best pair of the first
    match; of the pairs that share a point, only the best; the factor 5. Not known, because it depends on the order in
    which the official code meets things: where a polygon starts, which axis comes first, how outlines that touch at a
    corner are taken apart, and which of equally good matches is taken. So expect T to agree with official numbers
    closely, not to the last digit.

    Args:
        masks: (T, H, W) bool, or numbers of which all but 0 belong to the object.

    Returns:
        (T - 1,), nan where a mask has no outline. A sequence's T is the mean over the others. The authors compute it
        only on sequences without occlusions, which would count as unsteadiness.

    Raises:
        LstmzooError: the masks of no sequence, e.g. a single one.

    Source: Perazzi et al. 2016, §4; Belongie et al. 2002, "Shape matching and object recognition using shape contexts".
    """
    masks = np.asarray(masks) != 0
    if masks.ndim != 3:
        raise LstmzooError(f"the masks of a sequence are an array (T, H, W), not one of shape {masks.shape}")
    return 5 * np.array([matching_cost(before, now) for before, now in pairwise(masks)])


def matching_cost(before: np.ndarray, now: np.ndarray) -> float:
    """Return the mean cost per matched point of two masks (H, W) bool, in 0..1; nan if one has no outline."""
    polygons = [longest_polygon(mask, TOLERANCE) for mask in (before, now)]
    if any(polygon is None for polygon in polygons):
        return float("nan")
    contexts = [shape_contexts(resample(polygon, SPACING)) for polygon in polygons if polygon is not None]
    costs = differences(*contexts)
    pairs = warp(costs)
    best = min(pairs[1:], key=lambda pair: costs[pair], default=pairs[0])  # from the end; the start is not looked at
    shift = (best[0] + 1, best[1] + 1)
    turned = np.roll(costs, (-shift[0], -shift[1]), axis=(0, 1))
    pairs = [((i + shift[0]) % costs.shape[0], (j + shift[1]) % costs.shape[1]) for i, j in warp(turned)]
    for side in (0, 1):
        pairs = _one_each(pairs, costs, side)
    return float(np.mean([costs[pair] for pair in pairs]))


def shape_contexts(points: np.ndarray) -> np.ndarray:
    """Return for every point how the others (and itself) are spread over angles and distances.

    Args:
        points: (n, 2) x and y.

    Returns:
        (n, 60) shares that sum to one; points more than two mean distances away are in none.
    """
    offsets = points[None, :, :] - points[:, None, :]  # (n, n, 2), from each point to each
    distances = np.hypot(offsets[..., 0], offsets[..., 1])
    ring = (distances[..., None] / distances.mean() < RADII).sum(axis=-1)  # 5 the innermost, 0 outside
    turn = np.arctan2(offsets[..., 1], offsets[..., 0]) % (2 * np.pi)
    angle = np.floor(turn / (2 * np.pi / ANGLES)).astype(int) % ANGLES
    bins = np.arange(len(points))[:, None] * (ANGLES * len(RADII)) + (ring - 1) * ANGLES + angle
    counts = np.bincount(bins[ring > 0], minlength=len(points) * ANGLES * len(RADII)).reshape(len(points), -1)
    return counts / counts.sum(axis=1, keepdims=True)


def differences(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the χ² distance ½ Σ (p - q)² / (p + q) between all pairs of (n, B) and (m, B) shares: (n, m) in 0..1."""
    costs = np.zeros((len(one), len(other)))
    for p, q in zip(one.T, other.T, strict=True):  # one bin after the other: (n, m, B) would not fit a cache
        if p.any() or q.any():
            costs += (p[:, None] - q) ** 2 / (p[:, None] + q + EPSILON)
    return costs / 2


def warp(costs: np.ndarray) -> list[tuple[int, int]]:
    """Return the cheapest way from the first pair to the last by steps of one in one or both directions.

    Args:
        costs: (n, m) of each pair; the way's cost is the sum over its pairs.

    Returns:
        Its pairs, from the first to the last.
    """
    total = _cheapest(costs)
    i, j = costs.shape[0] - 1, costs.shape[1] - 1
    way = [(i, j)]
    while i or j:
        steps = [(i - 1, j - 1), (i - 1, j), (i, j - 1)]
        i, j = min((step for step in steps if min(step) >= 0), key=lambda step: total[step])
        way.append((i, j))
    return way[::-1]


def _cheapest(costs: np.ndarray) -> np.ndarray:
    """Return the cost of the cheapest way to every pair, (n, m); diagonal by diagonal, i + j growing."""
    rows, columns = costs.shape
    total = np.full((rows + 1, columns + 1), np.inf)  # with a border that no way comes from
    total[0, 0] = 0
    for diagonal in range(rows + columns - 1):
        i = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        j = diagonal - i
        before = np.minimum(np.minimum(total[i, j], total[i, j + 1]), total[i + 1, j])
        total[i + 1, j + 1] = costs[i, j] + before
    return total[1:, 1:]


def _one_each(pairs: list[tuple[int, int]], costs: np.ndarray, side: int) -> list[tuple[int, int]]:
    """Keep of the pairs that share a point on one side the cheapest."""
    best: dict[int, tuple[int, int]] = {}
    for pair in pairs:
        if pair[side] not in best or costs[pair] < costs[best[pair[side]]]:
            best[pair[side]] = pair
    return list(best.values())
