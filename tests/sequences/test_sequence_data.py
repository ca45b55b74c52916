"""The data sets with a distance, against answers recomputed from x by the papers' rules, in plain Python."""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lstmzoo.cli import main
from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.registry import datasets, register_dataset
from lstmzoo.sequences.data.digits import load_digits
from lstmzoo.sequences.data.sequence_dataset import LONGEST, SequenceDataset

OURS = [
    name
    for name in datasets.names()
    if datasets.get(name).task == "sequence" and datasets.get(name).target.__module__.startswith("lstmzoo.")
]
MADE_UP = [name for name in OURS if name != "digits"]


def make(name: str, split: str = "train", **options) -> SequenceDataset:
    return datasets.get(name).target(split, **options)


def spoken(dataset: SequenceDataset, x: torch.Tensor) -> list[str]:
    """The symbols of a one-hot sequence."""
    assert ((x == 0) | (x == 1)).all()
    assert (x.sum(1) == 1).all()
    return [dataset.alphabet[row.index(1.0)] for row in x.tolist()]


def recall_rule(dataset, x):
    said = spoken(dataset, x)
    assert said[-1] == "?"
    assert all(word.startswith("n") for word in said[1:-1])
    assert len(said) - 2 == dataset.distance
    return [dataset.classes.index(said[0])]


def adding_rule(dataset, x):
    """Experiment 4: two marked pairs; -1 at both ends; 0.5 + (X1 + X2) / 4."""
    marked = [step for step, (_, marker) in enumerate(x.tolist()) if marker == 1.0]
    assert len(marked) == 2
    assert marked[0] < 10
    assert len(x) - 1 - marked[1] >= dataset.distance == len(x) // 2
    assert x[-1, 1] == -1.0
    assert x[0, 1] == -1.0 or (marked[0] == 0 and x[0, 0] == 0.0)
    others = set(range(1, len(x) - 1)) - {*marked}
    assert all(x[step, 1] == 0.0 for step in others)
    assert x[:, 0].abs().max() <= 1
    return [0.5 + sum(float(x[step, 0]) for step in marked) / 4]


def temporal_order_rule(dataset, x):
    """Experiment 6a: the class is X or Y, X or Y, in their order."""
    said = spoken(dataset, x)
    assert (said[0], said[-1]) == ("E", "B")
    relevant = [step for step, word in enumerate(said) if word in "XY"]
    assert len(relevant) == 2
    assert len(said) - 1 - relevant[1] >= dataset.distance
    assert all(word in "abcd" for step, word in enumerate(said[1:-1], start=1) if step not in relevant)
    if dataset.distance == 40:  # the paper's own ranges
        assert 10 <= relevant[0] <= 20
        assert 50 <= relevant[1] <= 60
    return [["XX", "XY", "YX", "YY"].index("".join(said[step] for step in relevant))]


def two_sequence_rule(dataset, x):
    start = x[: dataset.elements, 0].tolist()
    assert len({*start}) == 1
    assert len(x) - dataset.elements == dataset.distance
    return [{1.0: 0, -1.0: 1}[start[0]]]


def copying_rule(dataset, x):
    said = spoken(dataset, x)
    assert said[10 : 10 + dataset.distance] == ["blank"] * dataset.distance
    assert said[10 + dataset.distance] == "delimiter"
    assert said[-10:] == ["blank"] * 10
    assert len(said) == dataset.distance + 21
    return [int(word[1:]) - 1 for word in said[:10]]


def digits_rule(dataset, x):
    """The image is found again among all, by its pixels."""
    pixels, labels = load_digits()
    found = (pixels == x[:64, 0]).all(1).nonzero()[:, 0].tolist()
    assert len(x) == 64 + dataset.distance
    return [int(labels[found[0]])]


RULES = {
    "recall": recall_rule,
    "adding": adding_rule,
    "temporal_order": temporal_order_rule,
    "two_sequence": two_sequence_rule,
    "copying": copying_rule,
    "digits": digits_rule,
}


@pytest.mark.parametrize("name", OURS)
@settings(max_examples=25, deadline=None)
@given(distance=st.integers(0, 70) | st.just(40), seed=st.integers(0, 2**32), batch_size=st.integers(1, 5))
def test_the_target_is_what_the_papers_rule_gives(name, distance, seed, batch_size):
    dataset = make(name, distance=max(distance, datasets.get(name).target.least_distance))
    x, target = dataset.draw(batch_size, torch.Generator().manual_seed(seed))
    assert x.dtype == torch.float32
    assert x.shape == (batch_size, dataset.num_steps, dataset.input_size)
    assert target.shape == (batch_size, dataset.target_steps)
    assert target.dtype == (torch.float32 if dataset.num_classes is None else torch.long)
    for sequence, answers in zip(x, target.tolist(), strict=True):
        assert RULES[name](dataset, sequence) == pytest.approx(answers, abs=1e-6)


@pytest.mark.parametrize("name", OURS)
def test_what_is_drawn_depends_on_the_generator_alone(name):
    dataset = make(name, distance=12)
    one, two, other = (dataset.draw(4, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert not torch.equal(one[0], other[0])


@pytest.mark.parametrize("name", MADE_UP)
def test_no_sequence_is_in_two_splits_or_seen_twice(name):
    opened = [make(name, split, distance=40, epoch_size=30, test_size=30) for split in ("train", "val", "test")]
    items = [opened[0][(index, epoch)] for epoch in (0, 1) for index in range(30)]
    items += [opened[0].__class__("train", distance=40, epoch_size=30, seed=1)[(index, 0)] for index in range(30)]
    items += [dataset[index] for dataset in opened[1:] for index in range(30)]
    assert len({item["x"].numpy().tobytes() for item in items}) == len(items) == 150


@pytest.mark.parametrize("name", OURS)
def test_val_and_test_are_the_same_for_every_seed_and_epoch(name):
    for split in ("val", "test"):
        one, two = make(name, split, distance=20, seed=0), make(name, split, distance=20, seed=7)
        assert len(one) == len(two)
        for index in (0, len(one) - 1):
            assert torch.equal(one[index]["x"], two[(index, 3)]["x"])
            assert torch.equal(one[index]["target"], two[(index, 3)]["target"])
        with pytest.raises(IndexError, match=str(len(one))):
            one[len(one)]


def test_digits_are_divided_without_a_leak():
    opened = [make("digits", split) for split in ("train", "val", "test")]
    items = [dataset[index] for dataset in opened for index in range(len(dataset))]
    images, labels = load_digits()
    assert len(items) == len(images) == 1797
    assert len({item["x"].numpy().tobytes() for item in items}) == len({image.numpy().tobytes() for image in images})
    shares = [dataset.labels.bincount() / labels.bincount() for dataset in opened]
    for share, wanted in zip(shares, (0.6, 0.2, 0.2), strict=True):
        assert (share - wanted).abs().max() < 0.01


def test_without_scikit_learn_digits_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    load_digits.cache_clear()
    with pytest.raises(DataError, match=r"lstmzoo\[digits\]"):
        make("digits")
    load_digits.cache_clear()


@pytest.mark.parametrize("name", OURS)
def test_chance_is_what_a_constant_guess_gets(name):
    dataset = make(name, distance=15)
    _, target = dataset.draw(40_000, torch.Generator().manual_seed(0))
    if dataset.num_classes is None:
        answers = torch.full((*target.shape, 1), 0.5)
        assert float(dataset.loss(answers, target).mean()) == pytest.approx(dataset.baseline_mse, rel=0.03)
        assert abs(float(target.mean()) - 0.5) < 0.005
    else:
        most_frequent = target.mode(0).values  # of every step
        answers = torch.nn.functional.one_hot(most_frequent.expand_as(target), dataset.num_classes).float()
    assert float(dataset.is_right(answers, target).float().mean()) == pytest.approx(dataset.chance, abs=0.01)


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("distance", [-1, LONGEST + 1, 2.5, "far", True])
def test_an_impossible_distance_is_named_with_the_range(name, distance):
    with pytest.raises(LstmzooError) as caught:
        make(name, distance=distance)
    least = datasets.get(name).target.least_distance
    assert all(part in str(caught.value) for part in (repr(distance), str(least), str(LONGEST)))


@pytest.mark.parametrize("options", [{"epoch_size": 0}, {"test_size": -1}, {"split": "all"}, {"symbols": 0}])
def test_other_impossible_settings_are_named(options):
    with pytest.raises(LstmzooError, match=str(next(iter(options.values())))):
        datasets.get("recall").target(**options)


@pytest.mark.parametrize("name", OURS)
def test_every_data_set_names_its_source(name):
    assert any(year in inspect.getdoc(datasets.get(name).target) for year in ("1997", "1998", "2016"))


@pytest.mark.parametrize("name", OURS)
def test_long_sequences_are_drawn_without_a_loop(name):
    x, _ = make(name, distance=10_000).draw(32, torch.Generator().manual_seed(0))
    assert x.shape[0] == 32
    assert x.shape[1] >= 10_000


@pytest.mark.parametrize("name", OURS)
def test_data_check_says_what_is_there(name, tmp_path, capsys):
    report = tmp_path / "report.json"
    assert main(["data", "check", name, "distance=30", f"json={report}"]) == 0
    found = json.loads(report.read_text())
    x, target = make(name, "test", distance=30).draw(2, torch.Generator().manual_seed(0))
    for row in found["splits"]:
        assert row == {
            "split": row["split"],
            "sequences": len(make(name, row["split"], distance=30)),
            "steps": x.shape[1],
            "inputs": x.shape[2],
            "answers": target.shape[1],
        }
    assert f"{found['chance']:.1%}" in capsys.readouterr().out


def test_the_data_set_of_the_docs_works():
    page = (Path(__file__).parents[2] / "docs" / "sequences.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names = {"SequenceDataset": SequenceDataset, "Any": Any, "Generator": torch.Generator, "Tensor": torch.Tensor}
    names |= {"torch": torch, "register_dataset": register_dataset}
    try:
        exec(code, names)
        x, target = make("parity", distance=9).draw(4, torch.Generator().manual_seed(0))
    finally:
        datasets.entries.pop("parity", None)
    assert target[:, 0].tolist() == [sum(row) % 2 for row in x[..., 0].tolist()]
