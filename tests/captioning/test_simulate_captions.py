"""Simulated pictures with captions: true, in the real layout, repeatable, and beyond a decoder without memory."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from lstmzoo.captioning.data.captions_simulator import CAPTIONS_FILE, exact_match, simulate_captions, true_captions
from lstmzoo.data import Captions
from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.synthetic.sentences import sentence, true_sentences
from lstmzoo.synthetic.shapes import COLOURS, SIDE, SIZES, Drawing, Shapes, paint, random_drawing


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_captions(tmp_path_factory.mktemp("captions") / "simulated", images=40)


def test_is_read_as_a_real_set(root):
    sizes = {split: len(Captions(root, split)) for split in ("train", "val", "test")}
    assert sizes == {"train": 32, "val": 4, "test": 4}
    item = Captions(root, "train", size=(SIDE, SIDE))[0]
    assert item["image"].shape == (3, SIDE, SIDE)
    assert len(set(item["captions"])) == 5


def test_every_caption_is_true_and_no_other_pictures(root):
    true = true_captions(root)
    said = {entry["filename"]: entry["sentences"] for entry in json.loads((root / CAPTIONS_FILE).read_text())["images"]}
    for name, sentences in said.items():
        assert {" ".join(one["tokens"]) for one in sentences} <= true[name]
        assert len(true[name]) == 10
    names = list(true)
    strangers = [len(true[a] & true[b]) for a, b in pairwise(names)]
    assert sum(strangers) == 0


def test_wordings():
    picture = Drawing(Shapes(1, "small", "red", "circle"), Shapes(2, "large", "blue", "cross"), beside=True)
    assert [sentence(picture, wording, False) for wording in range(5)] == [
        "A small red circle is left of two large blue crosses.",
        "There is a small red circle left of two large blue crosses.",
        "A circle, small and red, is left of two large blue crosses.",
        "A small red circle has two large blue crosses right of it.",
        "On the left is a small red circle, on the right are two large blue crosses.",
    ]
    above = picture._replace(beside=False)
    assert sentence(above, 0, True) == "Two large blue crosses are below a small red circle."
    assert sentence(above, 3, True) == "Two large blue crosses have a small red circle above them."
    assert sentence(above, 4, True) == "At the bottom are two large blue crosses, at the top is a small red circle."


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_pictures_show_what_is_said(beside, number):
    """Where there is the colour of a kind there are as many blobs as named, of the size named, on the side named."""
    red, blue = Shapes(number, "small", "red", "circle"), Shapes(number, "large", "blue", "square")
    for seed in range(10):
        image = paint(Drawing(red, blue, beside), np.random.default_rng(seed)).astype(int)
        for things, low in ((red, True), (blue, False)):
            distance = np.abs(image - np.array(COLOURS[things.colour])).sum(axis=2)
            count, _, stats, centres = cv2.connectedComponentsWithStats((distance < 130).astype(np.uint8))
            blobs = [k for k in range(1, count) if stats[k, cv2.CC_STAT_AREA] > 20]
            assert len(blobs) == number
            radius = {stats[k, cv2.CC_STAT_WIDTH] / 2 > (SIZES["small"] + SIZES["large"]) / 2 for k in blobs}
            assert radius == {things.size == "large"}
            assert {bool(centres[k][0 if beside else 1] < SIDE / 2) for k in blobs} == {low}


def test_without_memory_no_sentence_is_said():
    """A decoder that knows the picture perfectly, but of the words only the last, hardly ever says something true."""
    rng = np.random.default_rng(0)
    chances = []
    for _ in range(300):
        true = [
            ["<bos>", *text.lower().replace(",", "").rstrip(".").split(), "<eos>"]
            for text in true_sentences(random_drawing(rng))
        ]
        following: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for words in true:
            for word, after in pairwise(words):
                following[word][after] += 1
        different = {tuple(words) for words in true}
        steps = [[following[word][after] / following[word].total() for word, after in pairwise(x)] for x in different]
        chances.append(sum(map(math.prod, steps)))
    assert np.mean(chances) == pytest.approx(0.0025, abs=0.0003)


def test_same_seed_same_files_and_more_extend(root, tmp_path):
    again = simulate_captions(tmp_path / "again", images=20)
    before = {path.name: path.read_bytes() for path in again.glob("images/*")}
    assert before == {name: (root / "images" / name).read_bytes() for name in before}
    (again / "images" / "simulated_000003.jpg").unlink()  # as after an interruption
    simulate_captions(again, images=40)
    assert (again / CAPTIONS_FILE).read_bytes() == (root / CAPTIONS_FILE).read_bytes()
    assert {path.name: path.read_bytes() for path in again.glob("images/*")}.items() >= before.items()
    assert not list(again.rglob(".*.jpg.*"))


def test_refusals(root, tmp_path):
    for options, message in (
        ({"images": 9}, "images=9 .*10"),
        ({"images": None}, "images=None"),
        ({"images": 12.5}, r"images=12\.5"),
        ({"seed": -1}, "seed=-1 .*0"),
    ):
        with pytest.raises(LstmzooError, match=message):
            simulate_captions(tmp_path / "few", **options)
    assert not (tmp_path / "few").exists()
    with pytest.raises(DataError, match=r"'seed': 0.*'seed': 1"):
        simulate_captions(root, images=40, seed=1)
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(DataError, match=str(tmp_path)):
        simulate_captions(tmp_path)


def test_exact_match_counts_true_sentences_only(root: Path) -> None:
    true = true_captions(root)
    said = {name: max(sentences) for name, sentences in true.items()}
    assert exact_match(root, said) == 1.0
    first, *others = said
    assert exact_match(root, {**said, first: said[first] + " too"}) == pytest.approx(len(others) / len(said))
    swapped = dict.fromkeys(others, said[first])
    assert exact_match(root, swapped) < 0.2
