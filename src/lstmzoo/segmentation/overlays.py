"""Masks painted over the frames they belong to."""

from __future__ import annotations

import cv2
import numpy as np

from lstmzoo.segmentation.data import VOID, davis_palette

OPACITY = 0.5


def overlay_masks(frame: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Paint objects in the colours of DAVIS, with a bright outline around each; void is white.

    Args:
        frame: uint8 (H, W, 3) RGB.
        ids: uint8 (H, W), 0 background, 1 … 254 objects, 255 void.

    Returns:
        uint8 (H, W, 3).
    """
    colours = davis_palette()
    colours[VOID] = 255
    painted = ids > 0
    blend = frame.copy()
    blend[painted] = ((1 - OPACITY) * frame[painted] + OPACITY * colours[ids[painted]]).astype(np.uint8)
    thickness = max(1, round(min(ids.shape) / 240))
    for number in np.unique(ids[painted & (ids != VOID)]).tolist():
        outlines, _ = cv2.findContours((ids == number).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        bright = (255 * colours[number].astype(float) / max(1, colours[number].max())).astype(int).tolist()
        cv2.drawContours(blend, outlines, -1, bright, thickness)
    return blend
