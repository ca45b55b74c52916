"""Video files and cameras as one thing: frames that come one by one, at a rate."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from lstmzoo.data import video
from lstmzoo.errors import DataError, DataWarning, LstmzooError


class Stream:
    """An opened video file or camera; use it in a ``with`` block and iterate over it once.

    Args:
        source: a video file, or the index of a camera.
        max_frames: stop after so many frames; None for all.

    Attributes:
        name: what to call it in messages.
        rate: frames per second.
        total: how many frames are expected, or None: then it may be endless.

    Raises:
        DataError: no such file or camera, or it cannot be opened.
        LstmzooError: max_frames is no positive number.
    """

    def __init__(self, source: str | Path | int, *, max_frames: int | None = None) -> None:
        if max_frames is not None and max_frames < 1:
            raise LstmzooError(f"max_frames must be at least 1, not {max_frames}")
        self.is_camera = isinstance(source, int)
        self.name = f"camera {source}" if self.is_camera else str(source)
        self.max_frames = max_frames
        self.capture = video.open_source(source)
        rate = self.capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if math.isfinite(rate) and rate > 0 else video.FALLBACK_FPS
        declared = 0 if self.is_camera else self.capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.declared = int(declared) if math.isfinite(declared) and declared > 0 else 0
        limits = [count for count in (self.declared, max_frames) if count]
        self.total = min(limits) if limits else None

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the frames, (H, W, 3) uint8 BGR.

        Raises:
            DataError: not one frame can be decoded.
        """
        count = 0
        while count != self.max_frames:
            found, image = self.capture.read()
            if not found:
                break
            count += 1
            yield image
        if not count:
            raise DataError(f"no frame of {self.name} can be decoded, although it opens")
        # Containers may be off by a frame or two; more than that is a file that was cut short.
        if count != self.max_frames and count < 0.99 * self.declared - 2:
            text = f"{self.name} declares {self.declared} frames, but only the first {count} decode"
            warnings.warn(text, DataWarning, stacklevel=2)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exception: object) -> None:
        self.capture.release()
