"""Measures, loss and models of a class for every pixel, against torchmetrics and closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchmetrics.functional import classification

from lstmzoo.errors import LstmzooError
from lstmzoo.models import create_model
from lstmzoo.segmentation.metrics.classes import ClassCounts, count_changes, count_confusion
from lstmzoo.segmentation.models import SegmentStream
from lstmzoo.segmentation.semantic.class_loss import class_loss, median_frequency_weights
from lstmzoo.segmentation.semantic.class_scoring import score_classes
from lstmzoo.segmentation.task import SegmentationTask

K = 4


@pytest.fixture
def maps() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    true = rng.integers(0, K, (5, 20, 30)).astype(np.uint8)
    predicted = np.where(rng.random(true.shape) < 0.6, true, rng.integers(0, K, true.shape)).astype(np.uint8)
    true[rng.random(true.shape) < 0.1] = 255
    return predicted, true


def test_the_measures_are_those_of_torchmetrics(maps: tuple[np.ndarray, np.ndarray]) -> None:
    counts = ClassCounts(np.zeros((K, K), np.int64))
    for predicted, true in zip(*maps, strict=True):
        counts += ClassCounts(count_confusion(predicted, true, K))
    predicted, true = (torch.from_numpy(x).long() for x in maps)
    options: dict[str, Any] = {"num_classes": K, "ignore_index": 255}
    iou = classification.multiclass_jaccard_index(predicted, true, average="none", **options)
    recall = classification.multiclass_accuracy(predicted, true, average="none", **options)
    pixels = classification.multiclass_accuracy(predicted, true, average="micro", **options)
    np.testing.assert_allclose(counts.iou, iou, rtol=1e-6)
    np.testing.assert_allclose(counts.accuracy, recall, rtol=1e-6)
    summary = counts.summary()
    assert summary["mIoU"] == pytest.approx(float(iou.mean()))
    assert summary["mean-class-accuracy"] == pytest.approx(float(recall.mean()))
    assert summary["pixel-accuracy"] == pytest.approx(float(pixels))


def test_a_class_that_is_nowhere_true_counts_in_no_mean() -> None:
    predicted = np.array([[0, 0, 2, 1]], np.uint8)
    true = np.array([[0, 1, 1, 1]], np.uint8)
    counts = ClassCounts(count_confusion(predicted, true, 3))
    np.testing.assert_allclose(counts.iou, [1 / 2, 1 / 3, np.nan])
    assert counts.summary()["mIoU"] == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert counts.by_class(["a", "b", "c"])["c"] == {"IoU": None, "accuracy": None, "share": 0.0}


def test_consistency_looks_at_pixels_whose_true_class_stays() -> None:
    before = np.array([[0, 1, 1, 2, 2]], np.uint8), np.array([[0, 0, 1, 255, 2]], np.uint8)
    now = np.array([[0, 1, 2, 2, 1]], np.uint8), np.array([[0, 0, 1, 255, 1]], np.uint8)
    assert count_changes(*now, before) == (3, 2)  # the third pixel changes, the last two do not count
    counts = ClassCounts(np.eye(3, dtype=np.int64), 3, 2) + ClassCounts(np.eye(3, dtype=np.int64), 1, 1)
    assert counts.summary()["temporal-consistency"] == 3 / 4
    assert np.isnan(ClassCounts(np.eye(3, dtype=np.int64)).summary()["temporal-consistency"])


@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_is_the_weighted_mean_over_labelled_pixels(weighted: bool) -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 3, K, 5, 6), torch.randint(0, K, (2, 3, 5, 6)).to(torch.uint8)
    labels[0, 1], labels[1, 2, :2] = 255, 255
    weights = torch.tensor([1.0, 3.0, 0.5, 2.0]) if weighted else None
    p = logits.softmax(2)
    total, worth = 0.0, 0.0
    for b, t, y, x in (labels != 255).nonzero().tolist():
        number = int(labels[b, t, y, x])
        weight = 1.0 if weights is None else float(weights[number])
        total -= weight * float(p[b, t, number, y, x].log())
        worth += weight
    assert class_loss(logits, labels, weights).item() == pytest.approx(total / worth, rel=1e-5)
    assert class_loss(logits, torch.full_like(labels, 255), weights).item() == 0


def test_median_frequency_makes_common_classes_cheap_and_rare_ones_dear() -> None:
    weights = median_frequency_weights(np.array([0.4, 0.2, 0.1, 0.001, np.nan]))
    torch.testing.assert_close(weights, torch.tensor([0.15 / 0.4, 0.15 / 0.2, 0.15 / 0.1, 10.0, 1.0]))


@pytest.mark.parametrize("name", ["segment_recurrent", "segment_framewise"])
@pytest.mark.parametrize("flip", [False, True])
def test_a_stream_gives_the_softmax_of_the_whole_clip(name: str, flip: bool) -> None:
    torch.manual_seed(0)
    model: Any = create_model(name, decoder_channels=8, num_classes=K).eval()
    video = torch.randint(256, (4, 3, 32, 48), dtype=torch.uint8)
    with torch.no_grad():
        whole = model(video[None])[0][0].softmax(1)
        if flip:
            mirrored = model(video.flip(-1)[None])[0][0].softmax(1).flip(-1)
            whole = (whole + mirrored) / 2
    assert whole.shape == (4, K, 32, 48)
    stream = SegmentStream(model, (32, 48), flip=flip)
    for frame, expected in zip(video, whole, strict=True):
        torch.testing.assert_close(stream(frame), expected, rtol=1e-3, atol=1e-5)


def test_a_score_is_what_the_frames_give_one_by_one() -> None:
    torch.manual_seed(0)
    model: Any = create_model("segment_framewise", decoder_channels=8, num_classes=K).eval()
    video = torch.randint(256, (3, 3, 40, 60), dtype=torch.uint8)
    truth = torch.randint(0, K, (3, 40, 60)).to(torch.uint8)
    truth[0, :10], truth[1] = 255, 255
    item = {"video": video, "masks": truth, "annotated": torch.tensor([True, False, True]), "name": "x", "index": 7}
    found = score_classes(model, item, (32, 48), full_size=True, examples=True)
    expected = ClassCounts(np.zeros((K, K), np.int64))
    for t in (0, 2):
        small = F.interpolate(video[t : t + 1] / 255, (32, 48), mode="bilinear", antialias=True)
        with torch.no_grad():
            logits = model(small[None])[0][0]
        predicted = F.interpolate(logits.softmax(1), (40, 60), mode="bilinear")[0].argmax(0).numpy().astype(np.uint8)
        expected += ClassCounts(count_confusion(predicted, truth[t].numpy(), K))
    np.testing.assert_array_equal(found.counts.confusion, expected.confusion)
    assert found.index == 7
    assert found.counts.stable == int(((truth[0] == truth[2]) & (truth[0] != 255)).sum())
    assert found.examples is not None
    assert {one.position for one in found.examples} == {0, 2}
    small = score_classes(model, item, (32, 48), full_size=False)
    assert 0 < small.counts.confusion.sum() < found.counts.confusion.sum()


def test_models_of_objects_take_no_classes_and_old_weights_fit() -> None:
    with pytest.raises(LstmzooError, match="num_classes=3"):
        create_model("segment_guided", num_classes=3)
    with pytest.raises(LstmzooError, match="num_classes=1"):
        create_model("segment_framewise", num_classes=1)
    head = create_model("segment_framewise", decoder_channels=8).decoder.head  # type: ignore[union-attr]
    assert head.weight.shape == (1, 8, 1, 1)  # type: ignore[union-attr]


def test_the_protocol_asks_for_a_model_with_classes() -> None:
    options: dict[str, Any] = {"transform": {"size": [32, 48]}, "config": {}, "protocol": "semantic"}
    with pytest.raises(LstmzooError, match="segment_framewise"):
        SegmentationTask("segment_guided", {"decoder_channels": 8}, classes=[], **options)
    task = SegmentationTask(
        "segment_recurrent", {"decoder_channels": 8, "num_classes": 2}, classes=["a", "b"], **options
    )
    assert task.monitor == ("val/mIoU", "max")
    task.window_loss({"video": torch.zeros(1, 2, 3, 32, 48), "masks": torch.zeros(1, 2, 32, 48)}, slice(None), None)
