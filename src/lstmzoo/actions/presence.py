"""Whether there is anybody to be seen at all: the classes of a model have no word for an empty scene.

What acts moves against the scene, which a camera on a stand shows unchanged. So a frame counts as occupied where a
spot of it differs from the clip's median far more than the noise of the scene does. This needs no training, and works
with every model; a camera that moves shows every frame occupied.
"""

import cv2
import numpy as np

NOBODY = "nobody"
"""The label where nobody is there."""

LEAST_PRESENCE = 0.25
"""Below this share of occupied frames, nobody is there."""

DECIMALS = 4
"""Of the score: what is written is what the label was decided by."""

_SPOT = 1 / 20  # side of a spot, as a share of the image's height: a hand is about as large
_FAR = 10.0  # so many times the noise
_NOISE = (0.4, 3.0)  # grey values; 8 bits hide what is less, and more is a camera that moves


def presence(clip: np.ndarray) -> float:
    """Return the share of a clip's frames that are occupied.

    Args:
        clip: (T, H, W, C) uint8.

    Returns:
        The score, in 0..1, rounded to `DECIMALS`; 1 for a single frame, which says nothing about motion.
    """
    if len(clip) < 2:
        return 1.0
    grey = clip.mean(axis=-1, dtype=np.float32)  # (T, H, W)
    change = grey - np.median(grey, axis=0)
    change = np.abs(change - np.median(change, axis=(1, 2), keepdims=True))  # the light may change
    noise = np.clip(np.median(change.mean(axis=0)), *_NOISE)
    side = max(1, round(_SPOT * clip.shape[1]))
    occupied = [cv2.blur(frame, (side, side)).max() > _FAR * noise for frame in change]
    return round(float(np.mean(occupied)), DECIMALS)
