"""J, F and their statistics against their definitions written out pixel by pixel, and against another package."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics_oracle import blobs, oracle_f, oracle_j, oracle_outline, oracle_statistics
from PIL import Image
from vos_benchmark.evaluator import Evaluator

from lstmzoo.errors import LstmzooError
from lstmzoo.segmentation.metrics import boundary_f, jaccard, statistics
from lstmzoo.segmentation.metrics.measures import grown, outline, outline_radius

sizes = st.tuples(st.integers(1, 33), st.integers(1, 41))


def masks(seed: int, size: tuple[int, int], kind: str) -> tuple[np.ndarray, np.ndarray]:
    """The truth and a result: unrelated, a shifted truth, one of them empty, or full."""
    generator = np.random.default_rng(seed)
    truth = blobs(generator, size)
    if kind == "shifted":
        return np.roll(truth, generator.integers(-3, 4, 2), (0, 1)), truth
    if kind == "empty result":
        return np.zeros(size, bool), truth
    if kind == "empty truth":
        return truth, np.zeros(size, bool)
    if kind == "full":
        return np.ones(size, bool), truth
    return blobs(generator, size), truth


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=sizes,
    kind=st.sampled_from(["unrelated", "shifted", "shifted", "empty result", "empty truth", "full"]),
    tolerance=st.sampled_from([0.008, 0.008, 0.05, 0.1]),
    with_void=st.booleans(),
)
def test_j_and_f_are_as_defined(seed, size, kind, tolerance, with_void):
    predicted, truth = masks(seed, size, kind)
    void = blobs(np.random.default_rng(seed + 1), size, 2) if with_void else None
    assert jaccard(predicted, truth, void) == pytest.approx(oracle_j(predicted, truth, void), abs=1e-12)
    expected = oracle_f(predicted, truth, void, tolerance)
    assert boundary_f(predicted, truth, void, tolerance) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=sizes)
def test_outline_is_as_defined(seed, size):
    mask = blobs(np.random.default_rng(seed), size).astype(np.uint8)
    assert set(map(tuple, np.argwhere(outline(mask)).tolist())) == oracle_outline(mask)


@pytest.mark.parametrize("size", [(480, 854), (480, 911), (481, 1152), (1080, 1920), (96, 160), (240, 427)])
def test_f_in_pictures_of_real_sizes(size):
    """Thin things, so that the slow definition can follow; among them one that is just near enough, one just not."""
    radius = int(np.ceil(0.008 * np.sqrt(size[0] ** 2 + size[1] ** 2)))
    assert outline_radius(size) == radius
    truth, predicted = np.zeros(size, bool), np.zeros(size, bool)
    truth[20, 20], predicted[20 + radius, 20] = True, True
    truth[20, 90], predicted[20, 90 + radius + 1] = True, True
    truth[-1, -3:], predicted[-2:, -1] = True, True
    found = boundary_f(predicted, truth)
    assert found == pytest.approx(oracle_f(predicted, truth), abs=1e-12)
    assert 0 < found < 1


def test_numbers_mean_the_same_as_bool():
    generator = np.random.default_rng(0)
    predicted, truth, void = (blobs(generator, (30, 40)) for _ in range(3))
    assert jaccard(predicted * 7, truth * 255, void * 3) == jaccard(predicted, truth, void)
    assert boundary_f(predicted * 7, truth * 255, void * 3) == boundary_f(predicted, truth, void)


@pytest.mark.parametrize("measure", [jaccard, boundary_f])
def test_other_sizes_are_refused(measure):
    small, large = np.ones((4, 5), bool), np.ones((5, 4), bool)
    with pytest.raises(LstmzooError, match=r"4x5, 5x4"):
        measure(small, large)
    with pytest.raises(LstmzooError, match=r"4x5, 4x5, 5x4"):
        measure(small, small, large)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.5000001, 0.7, 1.0]) | st.floats(0, 1), min_size=1, max_size=40))
def test_statistics_are_as_defined(values):
    assert statistics(np.array(values)) == pytest.approx(oracle_statistics(values), abs=1e-12)


@pytest.mark.parametrize("count", [255, 256, 257, 300, 1000])
def test_decay_of_long_sequences(count):
    """Numbers of frames do not fit 8 bits beyond 256."""
    values = np.linspace(1, 0, count)
    assert statistics(values) == pytest.approx(oracle_statistics(values.tolist()), abs=1e-12)
    assert statistics(values).decay == pytest.approx(0.75, abs=0.01)


def test_a_half_is_no_recall():
    assert statistics(np.array([0.5, 0.5, 0.51])).recall == pytest.approx(1 / 3)


@pytest.mark.parametrize("radius", [0, 1, 2, 3, 5, 8, 9, 18])
def test_one_pixel_grows_to_the_disk(radius):
    """As scikit-image draws it for the official code: dx² + dy² ≤ r²."""
    middle, stride = radius + 1, 3 * radius + 3
    found = grown(1 << middle * stride + middle, stride, radius)
    for y, x in np.ndindex(2 * middle + 1, 2 * middle + 1):
        assert (found >> y * stride + x & 1) == ((y - middle) ** 2 + (x - middle) ** 2 <= radius**2)


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_vos_benchmark(seed):
    evaluator = Evaluator()
    generator = np.random.default_rng(seed)
    size = (240 + seed, 427 - 7 * seed)
    pairs = [(blobs(generator, size), blobs(generator, size)) for _ in range(2)]
    pairs += [(np.roll(truth, (2, -3), (0, 1)), truth) for _, truth in pairs]
    pairs += [(np.zeros(size, bool), pairs[0][1])]
    for predicted, truth in pairs:
        evaluator.feed_frame(predicted.astype(np.uint8), truth.astype(np.uint8))
    assert [jaccard(*pair) for pair in pairs] == pytest.approx(evaluator.object_iou[1], abs=1e-12)
    assert [boundary_f(*pair) for pair in pairs] == pytest.approx(evaluator.boundary_f[1], abs=1e-12)


def test_agrees_with_vos_benchmark_on_real_masks(real_data):
    """Every object's mask of later frames as the result of earlier ones, at full size."""
    pairs = []
    for folder in sorted((real_data / "davis2016" / "Annotations" / "480p").iterdir()):
        first, *later = (np.asarray(Image.open(path)) > 0 for path in sorted(folder.glob("*.png"))[:21:10])
        pairs += [(first, one) for one in later]
    evaluator = Evaluator()
    for predicted, truth in pairs:
        evaluator.feed_frame(predicted.astype(np.uint8), truth.astype(np.uint8))
    assert len(pairs) == 26
    assert [jaccard(*pair) for pair in pairs] == pytest.approx(evaluator.object_iou[1], abs=1e-12)
    assert [boundary_f(*pair) for pair in pairs] == pytest.approx(evaluator.boundary_f[1], abs=1e-12)
