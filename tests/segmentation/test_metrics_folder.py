"""Folders of masks that any method made: scored in several processes, written as the official tools do, or refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from metrics_oracle import labels, oracle_f, oracle_j
from PIL import Image
from tiny_davis import SIZE, ids, save_grey, save_palette, write_davis

from lstmzoo.cli import main
from lstmzoo.errors import DataError, DataWarning, LstmzooError
from lstmzoo.segmentation.metrics import evaluate, score_sequence

NAMES = ("bear", "camel", "dog")


def result(seed: int, number: int) -> np.ndarray:
    """Some mask or other of objects 1 and 2."""
    return labels(np.random.default_rng([seed, number]), SIZE, 2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_davis(tmp_path / "davis", {"val": NAMES})


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for seed, name in enumerate(NAMES):
        for number in range(6):
            save_palette(tmp_path / "results" / name / f"{number:05d}.png", result(seed, number))
    return tmp_path / "results"


def expected(seed: int, binary: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """J and F by their definitions, semi-supervised: (K, N) each."""
    numbers = range(1, 5)
    if binary:
        pairs = [[(result(seed, n) > 0, ids(n) == 1) for n in numbers]]
    else:
        pairs = [[(result(seed, n) == k, ids(n) == k) for n in numbers] for k in (1, 2)]
    j, f = ([[measure(*pair) for pair in of] for of in pairs] for measure in (oracle_j, oracle_f))
    return np.array(j), np.array(f)


@pytest.mark.parametrize("workers", [1, 2, None])
def test_every_frame_of_every_sequence(root, results, workers):
    found = evaluate(results, root, workers=workers)
    assert [one.name for one in found.sequences] == list(NAMES)
    for seed, one in enumerate(found.sequences):
        j, f = expected(seed)
        np.testing.assert_allclose(one.j, j, atol=1e-12)
        np.testing.assert_allclose(one.f, f, atol=1e-12)
        assert one.frames == ["00001", "00002", "00003", "00004"]
    means = [np.mean([expected(seed)[kind] for seed in range(3)]) for kind in (0, 1)]
    assert found.summary()["J-Mean"] == pytest.approx(means[0])
    assert found.summary()["F-Mean"] == pytest.approx(means[1])
    assert found.summary()["J&F-Mean"] == pytest.approx(sum(means) / 2)
    assert found.by_sequence()["dog"]["J-Mean"] == pytest.approx(expected(2)[0].mean())


def test_processes_start_although_opencv_has_run_threads(root, results):
    before = cv2.getNumThreads()
    cv2.setNumThreads(4)
    try:
        cv2.GaussianBlur(np.zeros((2000, 2000), np.uint8), (31, 31), 5)
        evaluate(results, root, workers=2)
        assert cv2.getNumThreads() == 4
    finally:
        cv2.setNumThreads(before)


def test_lists_of_2016_have_one_object(tmp_path, results):
    root = write_davis(tmp_path / "2016", {"val": NAMES}, year=2016)
    found = evaluate(results, root, workers=1)
    for seed, one in enumerate(found.sequences):
        j, f = expected(seed, binary=True)
        np.testing.assert_allclose(one.j, j, atol=1e-12)
        np.testing.assert_allclose(one.f, f, atol=1e-12)
    for name in NAMES:  # black and white results, as those of 2016 are
        for number in range(6):
            path = results / name / f"{number:05d}.png"
            save_grey(path, (np.asarray(Image.open(path)) > 0).astype(np.uint8))
    again = evaluate(results, root, workers=1, protocol="unsupervised")
    assert again.summary() == found.summary()


def test_unsupervised_takes_its_own_masks(root, results):
    with pytest.raises(DataError, match=r"Annotations_unsupervised.*2017-unsupervised.*data\.binary=true"):
        evaluate(results, root, protocol="unsupervised")
    shutil.copytree(root / "Annotations", root / "Annotations_unsupervised")
    shutil.rmtree(root / "Annotations")
    found = evaluate(results, root, protocol="unsupervised")
    truth, predicted = (np.stack([of(n) for n in range(6)]) for of in (ids, lambda n: result(1, n)))
    alone = score_sequence(predicted, truth, protocol="unsupervised")
    np.testing.assert_array_equal(found.sequences[1].j, alone.j)
    assert len(found.sequences[1].frames) == 6


def test_only_annotated_frames_are_scored(tmp_path, results):
    """Of one's own partly annotated data the first and the last annotated frame are left out."""
    root = write_davis(tmp_path / "own", {"val": NAMES}, year=None, annotated=lambda number: number != 2)
    found = evaluate(results, root, workers=1)
    assert found.sequences[0].frames == ["00001", "00003", "00004"]
    np.testing.assert_allclose(found.sequences[0].j, expected(0)[0][:, [0, 2, 3]], atol=1e-12)


def test_frames_that_are_not_scored_may_be_missing(root, results):
    before = evaluate(results, root, workers=1).summary()
    for name in NAMES:
        (results / name / "00000.png").unlink()
        (results / name / "00005.png").unlink()
    assert evaluate(results, root, workers=1).summary() == before


def test_simulated_sets_have_one_kind_of_masks(root, results):
    (root / "simulated.json").write_text("{}")
    found = evaluate(results, root, protocol="unsupervised", workers=1)
    truth, predicted = (np.stack([of(n) for n in range(6)]) for of in (ids, lambda n: result(1, n)))
    np.testing.assert_array_equal(found.sequences[1].j, score_sequence(predicted, truth, protocol="unsupervised").j)


def test_masks_of_the_foreground_are_recognised(root, results, recwarn):
    """What a segmenter without first masks writes, scored against several objects, looks far worse than it is."""
    evaluate(results, root, workers=1)
    assert not recwarn
    for name in NAMES:
        for number in range(6):
            save_palette(results / name / f"{number:05d}.png", np.isin(ids(number), (1, 2)).astype(np.uint8))
    with pytest.warns(DataWarning, match=r"0 .*1.*binary=True"):
        assert evaluate(results, root, workers=1).summary()["J-Mean"] < 0.5
    recwarn.clear()
    assert evaluate(results, root, workers=1, binary=True).summary()["J-Mean"] == 1
    assert not recwarn


@pytest.mark.parametrize("workers", [0, -3, "x", 1.5, True])
def test_workers_are_a_number_of_processes(root, results, workers):
    with pytest.raises(LstmzooError, match=f"workers={workers}"):
        evaluate(results, root, workers=workers)


# -- On the command line ------------------------------------------------------------------------------------------


def test_tables_are_those_of_the_official_tools(root, results, capsys):
    assert main(["eval", f"results={results}", "data=davis", f"data.root={root}", "stability=true"]) == 0
    printed = capsys.readouterr().out
    assert "all objects" in printed
    assert "camel" in printed
    scores = evaluate(results, root, stability=True)
    summary = scores.summary()
    names = ["J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay"]
    numbers = ",".join(f"{summary[name]:.3f}" for name in names)
    written = (results / "global_results-val.csv").read_bytes().decode()
    assert written == f"{','.join(names)}\n{numbers}\n"
    lines = ["Sequence,J-Mean,F-Mean"]
    for seed, name in enumerate(NAMES):
        j, f = expected(seed)
        lines += [f"{name}_{k + 1},{j[k].mean():.3f},{f[k].mean():.3f}" for k in (0, 1)]
    assert (results / "per-sequence_results-val.csv").read_bytes().decode() == "\n".join(lines) + "\n"
    report = json.loads((results / "metrics.json").read_text())
    assert report["summary"]["J&F-Mean"] == summary["J&F-Mean"]
    assert "T-Mean" in report["summary"]
    assert report["frames"]["camel"]["J"] == scores.sequences[1].j.tolist()


def test_objects_of_the_lists_of_2016_are_told_apart_where_that_is_asked_for(tmp_path, results):
    root = write_davis(tmp_path / "davis", {"val": NAMES}, year=2016)
    for path in write_davis(tmp_path / "numbered", {"val": NAMES}).glob("Annotations/480p/*/*.png"):
        shutil.copy(path, root / path.relative_to(tmp_path / "numbered"))
    shown = []
    for said, binary in (("null", None), ("true", True), ("false", False)):
        assert main(["eval", f"results={results}", "data=davis", f"data.root={root}", f"data.binary={said}"]) == 0
        shown.append(json.loads((results / "metrics.json").read_text())["summary"]["J-Mean"])
        assert shown[-1] == evaluate(results, root, binary=binary).summary()["J-Mean"]
    assert shown[0] == shown[1] != shown[2]


@pytest.mark.slow
def test_objects_of_unsupervised_tables_stand_in_the_order_of_proposals(root, results, tmp_path):
    """As the official tool has it; the scores themselves are in the order of the objects."""
    shutil.copytree(root / "Annotations", root / "Annotations_unsupervised")
    for number in range(6):
        swapped = np.array([0, 2, 1], np.uint8)[np.where(ids(number) == 255, 0, ids(number))]
        swapped[2:4][swapped[2:4] == 2] = 0  # half of object 1 is missed
        save_palette(results / "camel" / f"{number:05d}.png", swapped)
    output = tmp_path / "output"
    arguments = ["eval", f"results={results}", "data=davis", f"data.root={root}", f"output={output}"]
    assert main([*arguments, "protocol=unsupervised"]) == 0
    report = json.loads((output / "metrics.json").read_text())
    assert report["objects"]["camel_1"]["J"]["mean"] == pytest.approx(0.5)
    assert report["objects"]["camel_2"]["J"]["mean"] == 1
    assert report["frames"]["camel"]["proposals"] == [2, 1]
    lines = (output / "per-sequence_results-val.csv").read_text().splitlines()
    assert next(line for line in lines if line.startswith("camel")) == "camel_1,1.000,1.000"
    assert not (results / "metrics.json").exists()


@pytest.mark.parametrize(
    ("damage", "options", "message"),
    [
        (lambda r: shutil.rmtree(r / "dog"), {}, r"dog, .*3 "),
        (lambda r: (r / "dog" / "00002.png").unlink(), {}, r"dog/00002.png .*1 of 4 "),
        (lambda r: save_palette(r / "dog" / "00002.png", np.zeros((6, 10), np.uint8)), {}, r"dog 00002: .* 6x10"),
        (lambda r: save_palette(r / "dog" / "00002.png", np.full(SIZE, 3, np.uint8)), {}, r"dog 00002: .* number 3"),
        (lambda r: Image.new("RGB", SIZE[::-1]).save(r / "dog" / "00002.png"), {}, r"dog/00002.png .*RGB"),
        (lambda r: (r / "dog" / "00002.png").write_bytes(b"no PNG"), {}, r"dog/00002.png"),
        (lambda r: r.rename(r.parent / "away"), {}, r"results "),
        (lambda r: None, {"split": "vall"}, r"'vall'.* 'val'"),
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_what_cannot_be_scored_is_named(root, results, damage, options, message, workers):
    damage(results)
    with pytest.raises(DataError, match=message):
        evaluate(results, root, workers=workers, **options)


def test_a_folder_too_high_is_noticed(root, results):
    shutil.copytree(results, results.parent / "outcome" / "val")
    with pytest.raises(DataError, match=r"results=\S*/outcome/val"):
        evaluate(results.parent / "outcome", root)


def test_test_sets_cannot_be_scored(tmp_path, results):
    root = write_davis(tmp_path / "test", {"test-dev": NAMES}, annotated=lambda number: number == 0)
    with pytest.raises(DataError, match=r"bear .*1 .*6 "):
        evaluate(results, root, split="test-dev")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["results={results}", "data=davis", "data.root={root}", "protocol=supervised"], ["protocol", "supervised"]),
        (["results={results}", "data=kth"], ["{results}"]),
        (["results={results}", "data=davis", "data.root={root}", "workers=x"], ["workers", "x"]),
        (["results={results}/dog", "data=davis", "data.root={root}", "output={root}/../new/deep"], ["bear"]),
        (["results={results}/nowhere", "data=davis", "data.root={root}"], ["nowhere"]),
    ],
)
def test_mistakes_on_the_command_line(root, results, capsys, arguments, named):
    assert main(["eval", *(argument.format(results=results, root=root) for argument in arguments)]) == 2
    said = capsys.readouterr().err
    assert all(part.format(results=results) in said for part in named)
    assert not (results.parent / "new").exists()
