"""Which frames, pixels and numbers count, against the protocols written out naively."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from metrics_oracle import blobs, labels, oracle_f, oracle_j, oracle_statistics

from lstmzoo.errors import LstmzooError
from lstmzoo.segmentation.metrics import score_sequence

SIZE = (15, 21)


def sequence(seed: int, objects: int, proposals: int, length: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """A result and the truth, uint8 (T, H, W), the truth with some void."""
    generator = np.random.default_rng(seed)
    truth = np.stack([labels(generator, SIZE, objects) for _ in range(length)])
    truth[0, 0, :objects] = np.arange(1, objects + 1)  # every object is there in the first frame
    predicted = np.where(generator.random(truth.shape) < 0.1, 0, truth) % (proposals + 1)
    truth[:, blobs(generator, SIZE, 2)] = 255
    return predicted.astype(np.uint8), truth


@pytest.mark.parametrize("seed", range(3))
def test_semi_supervised(seed):
    """The first and the last frame don't count, void is background, and objects keep their numbers."""
    predicted, truth = sequence(seed, objects=3, proposals=3)
    found = score_sequence(predicted, truth, name="camel", frames=[f"{index:05d}" for index in range(7)])
    assert found.frames == ["00001", "00002", "00003", "00004", "00005"]
    assert found.proposals.tolist() == [1, 2, 3]
    for number in (1, 2, 3):
        pairs = [(p == number, t == number) for p, t in zip(predicted[1:-1], truth[1:-1], strict=True)]
        assert found.j[number - 1] == pytest.approx([oracle_j(*pair) for pair in pairs], abs=1e-12)
        assert found.f[number - 1] == pytest.approx([oracle_f(*pair) for pair in pairs], abs=1e-12)
        name, j, f = found.objects()[number - 1]
        assert name == f"camel_{number}"
        assert tuple(j) == pytest.approx(oracle_statistics([oracle_j(*pair) for pair in pairs]), abs=1e-12)
        assert tuple(f) == pytest.approx(oracle_statistics([oracle_f(*pair) for pair in pairs]), abs=1e-12)


def test_objects_that_the_result_has_not_got_count_as_empty():
    predicted, truth = sequence(0, objects=3, proposals=3)
    predicted[predicted == 3] = 0
    found = score_sequence(predicted, truth)
    assert found.j.shape == (3, 5)
    expected = [float(not (mask == 3).any()) for mask in truth[1:-1]]
    assert found.j[2].tolist() == expected
    assert found.f[2].tolist() == expected


def test_objects_are_those_of_the_first_frame():
    _, truth = sequence(0, objects=3, proposals=3)
    truth[0][truth[0] == 3] = 0
    assert score_sequence(np.where(truth > 2, 0, truth), truth).j.shape == (2, 5)
    truth[0, 0, 0] = 5  # numbers that nothing has are objects, too, as in the official code
    found = score_sequence(np.where(truth == 255, 0, truth), truth)
    assert found.j.shape == (5, 5)
    assert found.j[[3, 4]].tolist() == [[1] * 5] * 2


@pytest.mark.parametrize(("objects", "proposals"), [(2, 4), (3, 2), (3, 3), (1, 5)])
@pytest.mark.parametrize("seed", range(2))
def test_unsupervised(seed, objects, proposals):
    """All frames count, void does not; of all ways to give proposals to objects the best is taken."""
    predicted, truth = sequence(seed, objects, proposals)
    shuffled = np.random.default_rng(seed).permutation(proposals) + 1
    predicted = np.concatenate([[0], shuffled])[predicted].astype(np.uint8)
    found = score_sequence(predicted, truth, protocol="unsupervised", name="camel")
    void = truth == 255
    rows = max(proposals, objects)
    j, f = np.zeros((rows, objects, 7)), np.zeros((rows, objects, 7))
    for a, b, t in np.ndindex(j.shape):
        masks = (predicted[t] == a + 1, truth[t] == b + 1, void[t])
        j[a, b, t], f[a, b, t] = oracle_j(*masks), oracle_f(*masks)
    ways = list(permutations(range(rows), objects))
    quality = [sum((j[a, b] + f[a, b]).mean() / 2 for b, a in enumerate(way)) for way in ways]
    best = ways[int(np.argmax(quality))]
    assert found.frames == [str(index) for index in range(7)]
    assert (found.j + found.f).mean() * objects / 2 == pytest.approx(max(quality), abs=1e-9)
    for b, a in enumerate(best):
        if (predicted == a + 1).any():  # empty proposals are all the same
            assert found.proposals[b] == a + 1
        assert found.j[b] == pytest.approx(j[a, b], abs=1e-12)
        assert found.f[b] == pytest.approx(f[a, b], abs=1e-12)


def test_void_counts_in_one_protocol_and_not_in_the_other():
    truth = np.zeros((4, 10, 10), np.uint8)
    truth[:, :5, :5] = 1
    predicted = truth.copy()
    predicted[:, 5:, 5:] = 1
    truth[:, 5:, 5:] = 255
    assert score_sequence(predicted, truth).j.tolist() == [[0.5, 0.5]]
    assert score_sequence(predicted, truth, protocol="unsupervised").j.tolist() == [[1.0] * 4]


@pytest.mark.parametrize("protocol", ["semi-supervised", "unsupervised"])
def test_binary(protocol):
    """One object, whatever the numbers are, and both ends are left out in either protocol."""
    predicted, truth = sequence(0, objects=3, proposals=3)
    truth[truth == 255] = 0
    found = score_sequence(predicted * 80, truth, protocol=protocol, binary=True)
    pairs = [(p > 0, t > 0) for p, t in zip(predicted[1:-1], truth[1:-1], strict=True)]
    assert found.j.tolist() == [pytest.approx([oracle_j(*pair) for pair in pairs], abs=1e-12)]
    assert found.f.tolist() == [pytest.approx([oracle_f(*pair) for pair in pairs], abs=1e-12)]


def test_binary_without_anything_in_the_first_frame():
    truth = np.zeros((5, 8, 8), np.uint8)
    truth[2, 2:5, 2:5] = 1
    found = score_sequence(truth, truth, binary=True)
    assert found.j.tolist() == found.f.tolist() == [[1, 1, 1]]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda p, t: (p + 1, t), {}, r"camel 1: .* 4.* 3 "),
        (lambda p, t: (p * 7, t), {"protocol": "unsupervised"}, r"21.* 20 "),
        (lambda p, t: (p[:, :12], t), {}, r"camel 1: .*12x21.* 15x21"),
        (lambda p, t: (p[:-1], t), {}, r"camel .*7 .*6"),
        (lambda p, t: (p[:2], t[:2]), {}, r"camel: 2 "),
        (
            lambda p, t: (p, t),
            {"protocol": "supervised"},
            r"'supervised'.* 'unsupervised'",
        ),
        (lambda p, t: (p, t), {"protocol": "unsupervised", "stability": True}, r"^T .*unsupervised|^T "),
    ],
)
def test_what_cannot_be_scored_is_named(change, options, message):
    predicted, truth = sequence(0, objects=3, proposals=3)
    truth[truth == 255] = 0
    predicted, truth = change(predicted, truth)
    with pytest.raises(LstmzooError, match=message):
        score_sequence(predicted, truth, name="camel", **options)
