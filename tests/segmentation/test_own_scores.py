"""Scores of data that is not DAVIS: numbers of objects that jump, and objects that enter late."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from tiny_davis import SIZE, frame, save_frame, save_palette

from lstmzoo.cli import main
from lstmzoo.errors import DataError, DataWarning
from lstmzoo.segmentation.metrics import evaluate, score_sequence

FRAMES = 8


def scene(starts: dict[int, int], shift: int = 0) -> np.ndarray:
    """Moving rectangles, a row for each object, from a frame of its own on; `shift`: how far off a result is."""
    masks = np.zeros((FRAMES, *SIZE), np.uint8)
    for row, (number, start) in enumerate(starts.items()):
        for t in range(start, FRAMES):
            masks[t, 4 * row : 4 * row + 3, t + shift : t + shift + 6] = number
    return masks


def write(folder: Path, masks: np.ndarray, name: str = "a") -> Path:
    for t, mask in enumerate(masks):
        save_palette(folder / name / f"{t:05d}.png", mask)
    return folder


def write_set(root: Path, truth: np.ndarray, year: int | None = None) -> Path:
    write(root / "Annotations" / "480p", truth)
    for t in range(len(truth)):
        save_frame(root / "JPEGImages" / "480p" / "a" / f"{t:05d}.jpg", frame(t))
    lists = root / "ImageSets" / str(year or "")
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("a\n")
    return root


@pytest.mark.parametrize("split", ["val", "all"])
@pytest.mark.parametrize("protocol", ["semi-supervised", "unsupervised"])
@pytest.mark.parametrize("numbers", [(1, 7), (38, 75), (2, 3), (254, 1)])
def test_numbers_that_jump_change_nothing(tmp_path, numbers, protocol, split):
    """What is scored are two objects, whatever they are called."""
    starts = dict.fromkeys(numbers, 0)
    root = write_set(tmp_path / "set", scene(starts))
    results = write(tmp_path / "results", scene(starts, shift=2))
    with pytest.warns(DataWarning, match=rf"a \({min(numbers)}, {max(numbers)}\)"):
        found = evaluate(results, root, split=split, protocol=protocol, workers=1)
    plain = score_sequence(scene({1: 0, 2: 0}, shift=2), scene({1: 0, 2: 0}), protocol=protocol)
    order = np.argsort(numbers)
    np.testing.assert_array_equal(found.sequences[0].j, plain.j[order])
    np.testing.assert_array_equal(found.sequences[0].f, plain.f[order])
    assert [name for name, _, _ in found.objects()] == [f"a_{number}" for number in sorted(numbers)]
    assert found.sequences[0].proposals.tolist() == sorted(numbers)


def test_the_official_rule_holds_for_its_lists_and_says_what_it_does(tmp_path):
    root = write_set(tmp_path / "set", scene({1: 0, 7: 0, 9: 3}), year=2017)
    results = write(tmp_path / "results", scene({1: 0, 7: 0}, shift=2))
    with pytest.warns(DataWarning) as caught:
        found = evaluate(results, root, workers=1)
    assert len(found.objects()) == 7
    assert found.summary()["J-Mean"] == pytest.approx((5 + 2 * 0.5) / 7)
    words = [str(one.message) for one in caught]
    assert any("a (2, 3, 4, 5, 6)" in word and "ImageSets/val.txt" in word for word in words)
    assert any("a (9)" in word and "ImageSets/val.txt" in word for word in words)


@pytest.mark.parametrize("options", [{}, {"protocol": "unsupervised"}, {"binary": True}])
@pytest.mark.parametrize("starts", [{1: 0, 2: 3}, {5: 2}, {3: 4, 1: 0, 9: 5}])
def test_the_truth_itself_is_perfect(tmp_path, starts, options):
    """https://github.com/epic-kitchens/VISOR-VOS/issues/8: objects that the first mask does not show."""
    root = write_set(tmp_path / "set", scene(starts))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        found = evaluate(root / "Annotations" / "480p", root, workers=1, **options)
    summary = found.summary()
    assert (summary["J&F-Mean"], summary["J-Recall"], summary["J-Decay"]) == (1, 1, 0)
    assert len(found.objects()) == (1 if options.get("binary") else len(starts))


@pytest.mark.parametrize(("number", "start"), [(1, 0), (2, 3), (6, 4)])
def test_an_object_counts_from_the_frame_after_its_first(number, start):
    """As if its sequence had begun there, which is for the official rule to score."""
    starts = {1: 0, 2: 3, 6: 4}
    truth, predicted = scene(starts), scene(starts, shift=1)
    predicted[:2][predicted[:2] == 0] = 2  # before it appears, nothing that is said of it matters
    found = score_sequence(predicted, truth, official=False, stability=True)
    alone = score_sequence(
        *((masks[start:] == number).astype(np.uint8) for masks in (predicted, truth)), stability=True
    )
    row = found.numbers.index(number)
    for values, expected in ((found.j, alone.j), (found.f, alone.f), (found.t, alone.t)):
        np.testing.assert_array_equal(values[row], [np.nan] * start + expected[0].tolist())


def test_what_appears_too_late_is_named(tmp_path):
    root = write_set(tmp_path / "set", scene({1: 0, 4: FRAMES - 2}))
    with pytest.warns(DataWarning, match=r"a \(4\)"):
        found = evaluate(root / "Annotations" / "480p", root, workers=1)
    assert [name for name, _, _ in found.objects()] == ["a_1"]
    late = write_set(tmp_path / "late", scene({4: FRAMES - 2}))
    with pytest.raises(DataError, match="late"):
        evaluate(late / "Annotations" / "480p", late, workers=1)


@pytest.mark.parametrize("year", [None, 2017])
def test_results_with_more_objects_than_the_truth_are_told_of_binary(tmp_path, year):
    root = write_set(tmp_path / "set", scene({1: 0}), year)
    results = write(tmp_path / "results", scene({1: 0, 3: 0}))
    with pytest.raises(DataError, match=r"a 00001: .* 3.*data\.binary=true"):
        evaluate(results, root, workers=1)
    assert evaluate(results, root, workers=1, binary=True).summary()["J-Mean"] < 1


def test_all_sequences_are_scored_where_there_are_no_lists(tmp_path, capsys):
    root = write_set(tmp_path / "set", scene({1: 0}))
    results = write(tmp_path / "results", scene({1: 0}))
    arguments = ["eval", f"results={results}", "data=mask_folder", f"data.root={root}"]
    assert main(arguments) == 0
    assert "no lists" not in capsys.readouterr().out
    assert (results / "global_results-val.csv").is_file()
    shutil.rmtree(root / "ImageSets")
    assert main(arguments) == 0
    assert "all sequences are scored" in " ".join(capsys.readouterr().out.split())
    assert (results / "global_results-all.csv").is_file()
    assert json.loads((results / "metrics.json").read_text())["split"] == "all"
    assert main([*arguments, "split=val"]) == 2
    assert "unknown split 'val'" in capsys.readouterr().err


def test_tables_of_objects_that_enter_late(tmp_path):
    root = write_set(tmp_path / "set", scene({38: 0, 75: 3}))
    results = write(tmp_path / "results", scene({38: 0}))
    with pytest.warns(DataWarning, match="jump") as caught:
        assert main(["eval", f"results={results}", "data=mask_folder", f"data.root={root}", "split=val"]) == 0
    assert len(caught) == 1
    table = (results / "per-sequence_results-val.csv").read_text().splitlines()
    assert table[1:] == ["a_38,1.000,1.000", "a_75,0.000,0.000"]
    written = (results / "metrics.json").read_text()
    assert "NaN" not in written
    assert json.loads(written)["frames"]["a"]["J"] == [[1.0] * 6, [None] * 3 + [0.0] * 3]
