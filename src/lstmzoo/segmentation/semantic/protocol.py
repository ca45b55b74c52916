"""The protocol ``semantic``: what `SegmentationTask` learns and measures where every pixel has a class."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lstmzoo.errors import LstmzooError
from lstmzoo.registry import datasets
from lstmzoo.segmentation.data.label_clips import LabelClips
from lstmzoo.segmentation.models import has_classes
from lstmzoo.segmentation.semantic.class_loss import class_loss, median_frequency_weights
from lstmzoo.segmentation.semantic.class_results import ClassResults, sum_counts
from lstmzoo.segmentation.semantic.class_scoring import ClassifiedVideo, score_classes

SEMANTIC = "semantic"

DUMMY_CLASSES = ["one class", "another"]
"""Classes with which settings are tried out before there are data."""


class PixelClasses:
    """Loss, measures and results of a class for every pixel.

    Args:
        model: the model.
        classes: the K names.
        weighted: make up for rare classes in training.

    Raises:
        LstmzooError: the model does not give K classes.
    """

    monitor, headline = ("val/mIoU", "max"), "mIoU"
    score = staticmethod(score_classes)

    def __init__(self, model: Any, classes: list[str], weighted: bool) -> None:
        if not has_classes(model):
            raise LstmzooError(
                f"{model.model_name!r} gives no class to every pixel; for task.protocol={SEMANTIC} choose "
                "model=segment_recurrent or model=segment_framewise"
            )
        self.classes, self.weighted = classes, weighted
        self.weights: Tensor | None = None

    def begin(self, dataset: LabelClips, device: torch.device) -> None:
        """Get ready to train on a data set."""
        if self.weighted:
            self.weights = median_frequency_weights(dataset.class_frequencies()).to(device)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of logits (B, T, K, H, W) for classes (B, T, H, W)."""
        return class_loss(logits, labels, self.weights)

    def summary(self, found: Sequence[ClassifiedVideo]) -> dict[str, float]:
        """Return what is logged of a validation."""
        numbers = sum_counts(found, len(self.classes)).summary()
        return {f"val/{name}": numbers[name] for name in ("mIoU", "pixel-accuracy", "temporal-consistency")}

    def results(self, found: Sequence[ClassifiedVideo]) -> ClassResults:
        """Return the outcome of a test."""
        return ClassResults(self.classes, found)


def check_protocol(name: str, dataset: Any, protocol: str) -> None:
    """Refuse to learn classes from objects, and objects from classes.

    Args:
        name: of the data set.
        dataset: its class.
        protocol: of the task.

    Raises:
        LstmzooError: they do not go together.
    """
    if _has_classes(dataset):
        if protocol != SEMANTIC:
            raise LstmzooError(f"data={name} has classes, not objects: choose task.protocol={SEMANTIC}, not {protocol}")
    elif protocol == SEMANTIC:
        known = [one for one in datasets.names() if _has_classes(datasets.get(one).target)]
        raise LstmzooError(
            f"data={name} has objects, not classes; task.protocol={SEMANTIC} takes data={'|'.join(known)}"
        )


def _has_classes(dataset: Any) -> bool:
    return LabelClips in getattr(dataset, "PARTS", ())
