"""Classes painted over the frames they belong to, with a legend."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from lstmzoo.segmentation.data.masks import VOID, davis_palette
from lstmzoo.segmentation.overlays import enlarged, frames_sheet
from lstmzoo.segmentation.semantic.class_scoring import ClassifiedFrame

OPACITY = 0.6
DARK = 128  # colours whose channels are all below this are hard to see over a frame
LEAST = 0.7  # of the legend's size; where more classes do not fit, the commonest are shown
PANEL, LINE, SWATCH = 190, 24, 14  # of the legend, in pixels at a frame height of 360
BACKGROUND, TEXT = (28, 24, 22), (245, 242, 240)  # BGR


def class_palette() -> np.ndarray:
    """Return the colours of classes: those of PASCAL VOC, the bright ones first; its black is void.

    Returns:
        uint8 (256, 3) RGB.
    """
    colours = davis_palette()[1:]
    order = np.argsort(colours.max(1) < DARK, kind="stable")
    return np.concatenate([colours[order], np.zeros((1, 3), np.uint8)])


def overlay_classes(frame: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Paint classes over a frame; void stays as it is.

    Args:
        frame: uint8 (H, W, 3) RGB.
        labels: uint8 (H, W), classes from 0, 255 for void.

    Returns:
        uint8 (H, W, 3).
    """
    painted = cv2.addWeighted(frame, 1 - OPACITY, class_palette()[labels], OPACITY, 0)
    return np.where((labels == VOID)[..., None], frame, painted)


class LegendFrames:
    """Paints the frames of a video, and beside them what the colours mean and how much of the frame each class takes.

    Args:
        classes: the K names.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = [name.encode("ascii", "replace").decode() for name in classes]  # as OpenCV can write them
        self.colours = class_palette()[: len(classes), ::-1].tolist()

    def draw(self, image: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Paint a frame for a video: BGR as a codec wants it, with even sides and not too small to be seen.

        Args:
            image: uint8 (H, W, 3) RGB.
            labels: uint8 (H, W), classes.
        """
        shares = np.bincount(labels.ravel(), minlength=len(self.classes)) / labels.size
        image, labels = enlarged(image, labels)
        height = len(labels)
        scale = max(min(height / 360, height / (LINE * (len(self.classes) + 1))), LEAST * height / 360)
        panel = np.full((height, max(round(PANEL * height / 360), 120), 3), BACKGROUND, np.uint8)
        order = np.argsort(-shares[: len(self.classes)], kind="stable")
        for row, k in enumerate(sorted(order[: int(height / (LINE * scale))].tolist())):
            self._write(panel, k, float(shares[k]), round((row + 0.5) * LINE * scale), scale)
        painted = cv2.cvtColor(overlay_classes(image, labels), cv2.COLOR_RGB2BGR)
        whole = np.concatenate([painted, panel], axis=1)
        return cv2.copyMakeBorder(whole, 0, height % 2, 0, whole.shape[1] % 2, cv2.BORDER_REPLICATE)

    def _write(self, panel: np.ndarray, k: int, share: float, top: int, scale: float) -> None:
        side, size, font = max(round(SWATCH * scale), 4), 0.45 * scale, cv2.FONT_HERSHEY_SIMPLEX
        cv2.rectangle(panel, (side, top), (2 * side, top + side), self.colours[k], -1)
        base, percent = top + side - 1, f"{share:.0%}"
        wide = cv2.getTextSize(percent, font, size, 1)[0][0]
        room = panel.shape[1] - 4 * side - wide
        name = self.classes[k]
        fits = min(1.0, room / max(cv2.getTextSize(name, font, size, 1)[0][0], 1))
        cv2.putText(panel, name, (3 * side, base), font, size * max(fits, 0.1), TEXT, 1, cv2.LINE_AA)
        if share >= 0.005:
            cv2.putText(panel, percent, (panel.shape[1] - side // 2 - wide, base), font, size, TEXT, 1, cv2.LINE_AA)


def classes_sheet(frames: Sequence[ClassifiedFrame], classes: Sequence[str], path: Path, title: str) -> Path:
    """Draw frames twice, with their true and with their predicted classes, and a legend."""
    return frames_sheet(
        [(one.frame, one.truth, one.predicted) for one in frames],
        [f"{one.name}, frame {one.position}: mean IoU {100 * one.iou:.1f}" for one in frames],
        path,
        title=title,
        paint=overlay_classes,
        legend=dict(zip(classes, class_palette().tolist(), strict=False)),
    )
