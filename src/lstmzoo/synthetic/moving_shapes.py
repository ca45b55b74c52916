"""Shapes that move over a ground, under noise so strong that a single frame hardly shows of which kind they are."""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

KINDS = ("Disc", "Square", "Triangle", "Cross")
"""Kinds of shapes; 0 is the ground, and they follow in this order."""

NOISE = 40.0
"""Standard deviation of the noise of every pixel and frame, in grey values."""

MOST_SHAPES = 5
_TURN = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_ARM = np.array([(-1, 3), (1, 3), (1, 1)])  # a quarter of a cross
_QUARTERS = [np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), k) for k in range(4)]
_OUTLINES = (
    np.stack([np.cos(_TURN), np.sin(_TURN)], 1),
    np.array([(1, 1), (1, -1), (-1, -1), (-1, 1)]) * 0.89,
    np.array([(0, -1.35), (1.17, 0.67), (-1.17, 0.67)]),
    np.concatenate([_ARM @ quarter for quarter in _QUARTERS]) / 2.6,
)  # of about equal area, each (P, 2) x and y


class ShapesFrame(NamedTuple):
    """A frame of a sequence."""

    image: np.ndarray  # RGB, uint8 (H, W, 3)
    labels: np.ndarray  # uint8 (H, W): 0 the ground, then the kinds


def moving_shapes(size: tuple[int, int], frames: int, rng: np.random.Generator) -> Iterator[ShapesFrame]:
    """Paint a sequence of shapes that drift, turn and pass in front of each other; colours do not tell the kind.

    Args:
        size: (height, width) in pixels.
        frames: how many.
        rng: source of all that is random.

    Yields:
        The frames.
    """
    height, width = size
    count = int(rng.integers(3, MOST_SHAPES + 1))
    kinds = rng.integers(0, len(KINDS), count)
    colours = rng.uniform(60, 230, (count, 3))
    radius = rng.uniform(0.12, 0.2, count) * height
    place = rng.uniform(0.1, 0.9, (count, 2)) * (width, height)
    speed = rng.normal(0, 0.008, (count, 2)) * height
    angle, turning = rng.uniform(0, 6.28, count), rng.normal(0, 0.03, count)
    coarse = rng.uniform(70, 180, (4, 6, 3)).astype(np.float32)
    ground = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(frames):
        image, labels = ground.copy(), np.zeros(size, np.uint8)
        for k, kind in enumerate(kinds):
            turn = np.array([[np.cos(angle[k]), -np.sin(angle[k])], [np.sin(angle[k]), np.cos(angle[k])]])
            outline = np.round(_OUTLINES[kind] @ turn.T * radius[k] + place[k]).astype(np.int32)
            cv2.fillPoly(image, [outline], colours[k].tolist())
            cv2.fillPoly(labels, [outline], int(kind) + 1)
        noisy = image + rng.normal(0, NOISE, image.shape)
        yield ShapesFrame(noisy.clip(0, 255).astype(np.uint8), labels)
        place, angle = place + speed, angle + turning
        outside = (place < 0) | (place > (width, height))
        speed = np.where(outside, -speed, speed)
