"""The numbers of action recognition, against torchmetrics and against counting by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix

import lstmzoo.metrics
from lstmzoo.actions.metrics import accuracy, aggregate, confusion_matrix, report
from lstmzoo.errors import LstmzooError

CLASSES = ["walking", "jogging", "running"]


def random_clips(rng: np.random.Generator, videos: int, num_classes: int = 3) -> dict[str, list]:
    """Clips of sequences of videos, with uneven numbers of each, in random order."""
    rows: dict[str, list] = {name: [] for name in ("probabilities", "labels", "segments", "videos", "scenarios")}
    for video in range(videos):
        label, scenario = int(rng.integers(num_classes)), f"d{rng.integers(1, 5)}"
        for sequence in range(rng.integers(1, 5)):
            for _ in range(rng.integers(1, 4)):
                rows["probabilities"].append(rng.dirichlet(np.ones(num_classes)))
                rows["labels"].append(label)
                rows["segments"].append((video, sequence))
                rows["videos"].append(f"video{video}")
                rows["scenarios"].append(scenario)
    order = rng.permutation(len(rows["labels"]))
    return {name: [values[i] for i in order] for name, values in rows.items()}


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 7), st.integers(1, 60), st.integers(0, 10_000))
def test_confusion_matrix_and_accuracy_equal_torchmetrics(num_classes: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, predictions = rng.integers(num_classes, size=(2, count))
    tensors = torch.from_numpy(predictions), torch.from_numpy(labels)
    expected = MulticlassConfusionMatrix(num_classes)(*tensors).numpy()
    np.testing.assert_array_equal(confusion_matrix(labels, predictions, num_classes), expected)
    micro = MulticlassAccuracy(num_classes, average="micro")(*tensors).item()
    assert accuracy(labels, predictions) == pytest.approx(micro, abs=1e-6)


def test_rows_of_the_confusion_matrix_are_the_truth() -> None:
    assert confusion_matrix([0, 0, 1], [1, 1, 1], 2).tolist() == [[0, 2], [0, 1]]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(0, 10_000))
def test_report_equals_torchmetrics_on_groups_averaged_by_hand(videos: int, seed: int) -> None:
    clips = random_clips(np.random.default_rng(seed), videos)
    result = report(**clips, classes=CLASSES)

    by_sequence: dict[tuple, list[int]] = {}
    for index, key in enumerate(clips["segments"]):
        by_sequence.setdefault(key, []).append(index)
    rows = torch.tensor(np.array(clips["probabilities"]))
    means = {key: rows[indices].mean(0) for key, indices in by_sequence.items()}
    truth = torch.tensor([clips["labels"][indices[0]] for indices in by_sequence.values()])
    scenario = np.array([clips["scenarios"][indices[0]] for indices in by_sequence.values()])
    probabilities = torch.stack(list(means.values()))

    micro = MulticlassAccuracy(3, average="micro")
    assert result.sequence_accuracy == pytest.approx(micro(probabilities, truth).item(), abs=1e-6)
    np.testing.assert_array_equal(result.confusion, MulticlassConfusionMatrix(3)(probabilities, truth).numpy())
    recall = MulticlassAccuracy(3, average=None)(probabilities, truth)
    for k, name in enumerate(CLASSES):
        if (truth == k).any():
            assert result.per_class[name] == pytest.approx(recall[k].item(), abs=1e-6)
        else:
            assert result.per_class[name] is None
    for name in np.unique(scenario):
        chosen = torch.from_numpy(scenario == name)
        expected = micro(probabilities[chosen], truth[chosen]).item()
        assert result.per_scenario[name] == pytest.approx(expected, abs=1e-6)
        assert result.scenario_counts[name] == int(chosen.sum())

    of_video = [torch.stack([v for k, v in means.items() if k[0] == i]).mean(0) for i in range(videos)]
    video_rows = torch.stack(of_video)
    labels = dict(zip(clips["videos"], clips["labels"], strict=True))
    video_truth = torch.tensor([labels[f"video{i}"] for i in range(videos)])
    assert result.video_accuracy == pytest.approx(micro(video_rows, video_truth).item(), abs=1e-6)
    assert (result.num_sequences, result.num_videos) == (len(by_sequence), videos)


def test_a_video_counts_its_sequences_equally_however_many_clips_they_have() -> None:
    # Three clips of one sequence say class 0, one clip of another says class 1.
    rows = [[0.6, 0.4]] * 3 + [[0.3, 0.7]]
    result = report(rows, [1] * 4, ["a", "a", "a", "b"], ["v"] * 4, [""] * 4, ["zero", "one"])
    assert result.sequence_accuracy == 0.5
    assert result.video_accuracy == 1.0  # (0.6 + 0.3) / 2 < 0.5; over clips it would be 0.525
    assert result.per_scenario == {}


def test_aggregate_keeps_the_order_of_first_appearance() -> None:
    keys, means = aggregate(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]), ["b", "a", "b"])
    assert keys == ["b", "a"]
    np.testing.assert_allclose(means, [[0.5, 0.5], [0.0, 1.0]])


def test_half_precision_tensors_are_accepted() -> None:
    _, means = aggregate(torch.tensor([[0.25, 0.75]], dtype=torch.bfloat16), ["a"])
    assert means.tolist() == [[0.25, 0.75]]


def test_the_report_is_ready_for_json() -> None:
    clips = random_clips(np.random.default_rng(0), 6)
    written = json.loads(json.dumps(report(**clips, classes=CLASSES).as_dict()))
    assert np.array(written["confusion"]).sum() == written["num_sequences"]
    assert written["classes"] == CLASSES


def test_mistakes_are_named() -> None:
    with pytest.raises(LstmzooError, match=r"clips.*split"):
        report(np.zeros((0, 2)), [], [], [], [], ["a", "b"])
    with pytest.raises(LstmzooError, match="video 'v' has both 0 and 1"):
        report([[0.5, 0.5]] * 2, [0, 1], ["s", "t"], ["v", "v"], ["", ""], ["a", "b"])
    with pytest.raises(ValueError, match="label 2"):
        confusion_matrix([0, 2], [0, 1], 2)
    with pytest.raises(ValueError, match="2 labels but 1 predictions"):
        accuracy([0, 1], [0])
    with pytest.raises(ValueError, match=r"1 rows.*2 keys"):
        aggregate([[0.5, 0.5]], ["a", "b"])
    with pytest.raises(ValueError, match=r"\(clips, classes\)"):
        aggregate(np.zeros(3), ["a", "b", "c"])


def test_the_module_is_reachable_by_attribute() -> None:
    assert lstmzoo.actions.metrics.report is report
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lstmzoo.metrics.nothing
