"""Telling what a decoder got wrong: frames that are all exactly alike."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from lstmzoo.errors import DataError, DataWarning

FEW = 5
"""So many frames may be exactly alike without anything being wrong."""


class Alike:
    """Notices a video whose frames are all exactly alike, as no camera's are."""

    def __init__(self, name: str) -> None:
        self.name, self.count, self.so_far, self.interlaced = name, 0, True, False
        self.first: np.ndarray | None = None

    def see(self, image: np.ndarray, interlaced: bool) -> None:
        """Look at the next frame."""
        if not self.so_far:
            return
        self.count += 1
        self.interlaced |= interlaced
        self.first = image if self.first is None else self.first
        self.so_far = bool(np.array_equal(image, self.first))
        if not self.so_far:
            self.first = None

    def check(self) -> None:
        """Refuse what was not decoded rightly; where nothing hints at that, a still video is possible.

        Raises:
            DataError: the frames are alike although they are interlaced, which decoders get wrong.
        """
        if not self.so_far or self.count <= FEW:
            return
        text = f"all {self.count} frames of {self.name} are exactly alike"
        remedy = f"convert it: ffmpeg -i {Path(self.name).name} -vf yadif NEW.mp4"
        if self.interlaced:
            raise DataError(f"{text}: it is interlaced and not decoded rightly; {remedy}")
        warnings.warn(f"{text}; if a player shows something moving, {remedy}", DataWarning, stacklevel=3)
