"""Measures of class maps: IoU and accuracy from one confusion matrix, and how steady classes are over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lstmzoo.segmentation.data.masks import VOID


@dataclass(frozen=True)
class ClassCounts:
    """Exact counts of pixels, from which all measures follow; those of several videos are added."""

    confusion: np.ndarray  # int64 (K, K), pixels of the true class (row) that were given a class (column)
    stable: int = 0  # pixels whose true class is the same in two neighbouring labelled frames
    kept: int = 0  # those of them whose predicted class is the same, too

    def __add__(self, other: ClassCounts) -> ClassCounts:
        return ClassCounts(self.confusion + other.confusion, self.stable + other.stable, self.kept + other.kept)

    @property
    def iou(self) -> np.ndarray:
        """(K,) TP / (TP + FP + FN); nan for a class that is nowhere true."""
        right, true = self.confusion.diagonal(), self.confusion.sum(1)
        return _ratio(right, np.where(true > 0, true + self.confusion.sum(0) - right, 0))

    @property
    def accuracy(self) -> np.ndarray:
        """(K,) TP / (TP + FN); nan for a class that is nowhere true."""
        return _ratio(self.confusion.diagonal(), self.confusion.sum(1))

    def summary(self) -> dict[str, float]:
        """Return the means over the classes that occur, and those over all pixels."""
        total = int(self.confusion.sum())
        return {
            "mIoU": _mean(self.iou),
            "pixel-accuracy": float(self.confusion.trace() / total) if total else float("nan"),
            "mean-class-accuracy": _mean(self.accuracy),
            "temporal-consistency": self.kept / self.stable if self.stable else float("nan"),
        }

    def by_class(self, names: list[str]) -> dict[str, dict[str, Any]]:
        """Return IoU, accuracy and the share of the true pixels of every class; None where it does not occur."""
        share = self.confusion.sum(1) / max(int(self.confusion.sum()), 1)
        columns = {"IoU": self.iou, "accuracy": self.accuracy, "share": share}
        return {
            name: {key: None if np.isnan(values[k]) else float(values[k]) for key, values in columns.items()}
            for k, name in enumerate(names)
        }


def count_confusion(predicted: np.ndarray, true: np.ndarray, classes: int) -> np.ndarray:
    """Count pixels by true and predicted class.

    Args:
        predicted: uint8 (H, W), 0 … K - 1.
        true: uint8 (H, W), 255 for void, which counts nowhere.
        classes: K.

    Returns:
        int64 (K, K).
    """
    valid = true != VOID
    pairs = classes * true[valid].astype(np.int64) + predicted[valid]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def count_changes(predicted: np.ndarray, true: np.ndarray, before: tuple[np.ndarray, np.ndarray]) -> tuple[int, int]:
    """Count the pixels whose true class stays the same, and those of them whose predicted class does, too.

    Args:
        predicted: uint8 (H, W).
        true: uint8 (H, W), 255 for void.
        before: those of the labelled frame before.
    """
    stable = (true == before[1]) & (true != VOID)
    return int(stable.sum()), int((stable & (predicted == before[0])).sum())


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
