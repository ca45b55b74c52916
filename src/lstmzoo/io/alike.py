"""Noticing videos whose frames are all exactly alike: still images, frozen recordings, and what decoders get wrong."""

from __future__ import annotations

import numpy as np

FEW = 5
"""So many frames may be exactly alike without anything being wrong."""


class Alike:
    """Notices a video whose frames are all exactly alike, as no camera's are."""

    def __init__(self, name: str) -> None:
        self.name, self.count, self.so_far = name, 0, True
        self.first: np.ndarray | None = None

    def see(self, image: np.ndarray) -> None:
        """Look at the next frame."""
        if not self.so_far:
            return
        self.count += 1
        self.first = image if self.first is None else self.first
        self.so_far = bool(np.array_equal(image, self.first))
        if not self.so_far:
            self.first = None

    def fault(self) -> str | None:
        """Say what is wrong with the frames that were seen; None where nothing is."""
        if not self.so_far or self.count <= FEW:
            return None
        return (
            f"all {self.count} frames of {self.name} are exactly alike: it shows a still image, froze while it was "
            "recorded, or is not decoded rightly; if a player shows something moving, convert it to another format, "
            "else leave it out"
        )
