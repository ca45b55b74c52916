"""How well a model classifies the pixels of a video."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lstmzoo.segmentation.metrics.classes import ClassCounts, count_changes, count_confusion
from lstmzoo.segmentation.models.segment_stream import frame_order
from lstmzoo.segmentation.scoring import label_maps, shrunk


@dataclass(frozen=True)
class ClassifiedFrame:
    """A labelled frame of a test, beside what was predicted."""

    name: str  # of the sequence
    position: int  # the frame's number in it, from 0
    iou: float  # the mean over the classes of the frame
    frame: np.ndarray  # uint8 (H, W, 3)
    predicted: np.ndarray  # uint8 (H, W), classes
    truth: np.ndarray  # uint8 (H, W), likewise; 255 void


@dataclass(frozen=True)
class ClassifiedVideo:
    """What was counted in one video, and its worst and best frame."""

    index: int  # its place in the data set
    name: str
    counts: ClassCounts
    examples: tuple[ClassifiedFrame, ClassifiedFrame] | None


def score_classes(
    model: Any,
    item: dict[str, Any],
    size: tuple[int, int],
    *,
    full_size: bool,
    flip: bool = False,
    reset_every: int | None = None,
    shuffle: bool = False,
    examples: bool = False,
    check: bool = False,
) -> ClassifiedVideo:
    """Classify the pixels of a whole video, and count what is right.

    Args:
        model: a segmentation model of K classes in evaluation mode.
        item: of a `LabelFolder`.
        size: (H, W) of the frames that the model sees.
        full_size: score at the size of the files rather than at that of the model.
        flip: average with the prediction for the mirrored video.
        reset_every: frames after which the memory is reset; None: never.
        shuffle: show the frames in a random order.
        examples: keep the worst and the best frame.
        check: refuse outputs that are not finite.

    Raises:
        DataError: the model's outputs are not finite.
    """
    video, truth = item["video"], item["masks"] if full_size else shrunk(item["masks"], size)
    classes, before = model.num_classes, None
    counts = ClassCounts(np.zeros((classes, classes), np.int64))
    worst = best = None
    order = frame_order(len(video), 0, int(item["index"]), shuffle=shuffle, keep_first=False)
    options: dict[str, Any] = {"full_size": full_size, "flip": flip, "reset_every": reset_every, "check": check}
    found_masks = label_maps(model, item, size, range(1, classes), order, **options)
    for position, predicted in sorted(found_masks.items()):
        true = truth[position].cpu().numpy()
        found = ClassCounts(count_confusion(predicted, true, classes))
        changes = (0, 0) if before is None else count_changes(predicted, true, before)
        counts, before = counts + found + ClassCounts(np.zeros_like(found.confusion), *changes), (predicted, true)
        iou = found.summary()["mIoU"]
        if not examples or np.isnan(iou):
            continue
        if worst is None or best is None or iou < worst.iou or iou > best.iou:
            image = video[position].permute(1, 2, 0).cpu().numpy()
            one = ClassifiedFrame(item["name"], position, iou, image, predicted, true)
            worst = one if worst is None or iou < worst.iou else worst
            best = one if best is None or iou > best.iou else best
    pair = None if worst is None or best is None else (worst, best)
    return ClassifiedVideo(int(item["index"]), item["name"], counts, pair)
