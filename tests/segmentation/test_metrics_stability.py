"""T of DAVIS 2016: closed forms, and the whole of it written out with loops and Dijkstra's algorithm."""

from __future__ import annotations

import heapq
import math
from itertools import pairwise

import numpy as np
import pytest
from metrics_oracle import blobs

from lstmzoo.errors import LstmzooError
from lstmzoo.segmentation.metrics import score_sequence, temporal_stability
from lstmzoo.segmentation.metrics.contours import edge_loops, longest_polygon, resample, simplified
from lstmzoo.segmentation.metrics.stability import SPACING, TOLERANCE


def star(turn: float, size: int = 70) -> np.ndarray:
    """A lopsided star, so that no two matches are equally good."""
    y, x = np.mgrid[:size, :size] - size / 2
    angle = np.arctan2(y, x) + turn
    return np.hypot(y, x) < 17 + 6 * np.sin(3 * angle) + 4 * np.cos(2 * angle + 1) + 2 * np.sin(5 * angle)


def test_a_single_mask_is_no_sequence():
    with pytest.raises(LstmzooError, match=r"\(T, H, W\).* \(70, 70\)"):
        temporal_stability(star(0))


# -- Contours -----------------------------------------------------------------------------------------------------


def test_loops_follow_the_edges_of_pixels():
    mask = np.zeros((5, 6), bool)
    mask[1:3, 2:5] = True
    (loop,) = edge_loops(mask)
    assert loop[0].tolist() == loop[-1].tolist() == [2, 1]
    assert loop[1].tolist() == [3, 1]  # the mask lies on the right
    assert len(loop) == 2 * (2 + 3) + 1


@pytest.mark.parametrize("seed", range(5))
def test_loops_enclose_the_area_and_have_the_length_of_all_edges(seed):
    mask = blobs(np.random.default_rng(seed), (30, 40), 5)
    loops = edge_loops(mask)
    area = 0.0
    for loop in loops:
        (x, y), (u, v) = loop[:-1].T, loop[1:].T
        area += (x * v - u * y).sum() / 2  # the shoelace formula; holes run the other way
        assert (np.abs(np.diff(loop, axis=0)).sum(axis=1) == 1).all()
    padded = np.pad(mask, 1).astype(int)
    edges = sum(np.abs(np.diff(padded, axis=axis)).sum() for axis in (0, 1))
    assert area == mask.sum()
    assert sum(len(loop) - 1 for loop in loops) == edges


def test_pixels_that_meet_at_a_corner_are_apart():
    assert [len(loop) for loop in edge_loops(np.eye(2, dtype=bool))] == [5, 5]


def test_simplified_lines_stay_near():
    angle = np.linspace(0, 2 * np.pi, 200)
    circle = 30 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    circle[-1] = circle[0]
    corners = simplified(circle, 1.5)
    assert 6 <= len(corners) <= 20
    assert corners[0].tolist() == corners[-1].tolist()
    distances = [min(_to_piece(point, a, b) for a, b in pairwise(corners)) for point in circle]
    assert max(distances) <= 1.5


def _to_piece(point: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    places = a + np.linspace(0, 1, 200)[:, None] * (b - a)
    return float(np.hypot(*(point - places).T).min())


def test_long_sides_are_divided_evenly():
    line = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 2.0]])
    assert resample(line, 3.0).tolist() == [[0, 0], [2.5, 0], [5, 0], [7.5, 0], [10, 0], [10, 2]]


# -- T ------------------------------------------------------------------------------------------------------------


def test_what_stands_still_or_moves_costs_nothing():
    still = star(0.0)
    assert temporal_stability(np.stack([still, still, np.roll(still, (5, -4), (0, 1))])).tolist() == [0, 0]


def test_flicker_costs_more_than_deformation():
    smooth = np.stack([star(turn) for turn in (0.0, 0.05, 0.1, 0.15)])
    flicker = smooth.copy()
    flicker[1::2, 30:] = False
    assert temporal_stability(smooth).max() < temporal_stability(flicker).min() / 3


def test_empty_masks_have_no_stability():
    masks = np.stack([star(0.0), np.zeros((70, 70), bool), star(0.0), star(0.1)])
    found = temporal_stability(masks)
    assert np.isnan(found).tolist() == [True, True, False]
    speck = np.zeros((70, 70), bool)
    speck[4, 4] = True  # a single pixel is within the tolerance of a point
    assert np.isnan(temporal_stability(np.stack([star(0.0), speck]))).all()


@pytest.mark.parametrize("turns", [(0.0, 0.3), (0.7, 0.75), (1.0, 2.0), (3.0, 3.2)])
def test_t_is_as_defined(turns):
    masks = np.stack([star(turn) for turn in turns])
    assert temporal_stability(masks) == pytest.approx([5 * oracle_t(*masks)], abs=1e-9)


def test_scores_of_a_sequence_hold_t():
    """Frame by frame against the result before, the first against the true mask; what is empty is left out."""
    truth = np.stack([star(turn) for turn in (0.0, 0.1, 0.2, 0.3, 0.4)]).astype(np.uint8)
    predicted = np.stack([star(turn) for turn in (9.0, 0.2, 0.5, 0.6, 0.7)]).astype(np.uint8)
    found = score_sequence(predicted, truth, stability=True)
    compared = np.stack([truth[0], *predicted[1:4]])
    assert found.t is not None
    assert (5 * found.t[0]).tolist() == temporal_stability(compared).tolist()
    assert found.stability == pytest.approx(temporal_stability(compared).mean())
    binary = score_sequence(predicted * 255, truth, stability=True, binary=True)
    np.testing.assert_array_equal(binary.t, found.t)
    predicted[2] = 0
    gap = score_sequence(predicted, truth, stability=True)
    assert gap.stability == pytest.approx(temporal_stability(compared[:2]).mean())


def oracle_t(before: np.ndarray, now: np.ndarray) -> float:
    """T of two masks, given their polygons, with loops."""
    polygons = [longest_polygon(mask, TOLERANCE) for mask in (before, now)]
    contexts = [_contexts(resample(polygon, SPACING)) for polygon in polygons if polygon is not None]
    costs = np.array([[_chi_squared(p, q) for q in contexts[1]] for p in contexts[0]])
    way = _dijkstra(costs)
    i, j = min(way[1:], key=lambda pair: costs[pair])
    turned = np.roll(np.roll(costs, -(i + 1), axis=0), -(j + 1), axis=1)
    pairs = [((a + i + 1) % costs.shape[0], (b + j + 1) % costs.shape[1]) for a, b in _dijkstra(turned)]
    for side in (0, 1):
        pairs = [
            min((pair for pair in pairs if pair[side] == point), key=lambda pair: costs[pair])
            for point in sorted({pair[side] for pair in pairs})
        ]
    return sum(costs[pair] for pair in pairs) / len(pairs)


def _contexts(points: np.ndarray) -> list[np.ndarray]:
    count = len(points)
    mean = sum(math.dist(a, b) for a in points for b in points) / count**2
    borders = [1 / 8 * 16 ** (ring / 4) for ring in range(5)]  # from 1/8 to 2, equally spaced in logarithm
    found = []
    for a in points:
        histogram = np.zeros((5, 12))
        for b in points:
            ring = sum(math.dist(a, b) / mean < border for border in borders)
            angle = math.atan2(b[1] - a[1], b[0] - a[0]) % (2 * math.pi)
            if ring:
                histogram[ring - 1, int(angle / (2 * math.pi / 12)) % 12] += 1
        found.append(histogram.ravel() / histogram.sum())
    return found


def _chi_squared(p: np.ndarray, q: np.ndarray) -> float:
    return sum((a - b) ** 2 / (a + b) for a, b in zip(p, q, strict=True) if a + b) / 2


def _dijkstra(costs: np.ndarray) -> list[tuple[int, int]]:
    """The cheapest way from one corner to the other."""
    end = (costs.shape[0] - 1, costs.shape[1] - 1)
    waiting = [(0.0, (0, 0), (0, 0))]
    came: dict[tuple[int, int], tuple[int, int]] = {}
    while waiting:
        spent, (i, j), origin = heapq.heappop(waiting)
        if (i, j) in came:
            continue
        came[i, j] = origin
        for a, b in ((i + 1, j), (i, j + 1), (i + 1, j + 1)):
            if a <= end[0] and b <= end[1]:
                heapq.heappush(waiting, (spent + costs[a, b], (a, b), (i, j)))
    way = [end]
    while way[-1] != (0, 0):
        way.append(came[way[-1]])
    return way[::-1]
