"""What the masks of a sequence hold, and what of it does not look as it was meant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from lstmzoo.data.davis.masks import VOID, MaskFile
from lstmzoo.data.wording import listed

_SQUARE = np.ones((3, 3), np.uint8)
_MANY = 3  # numbers that are seen at edges only: fewer may be tiny objects


@dataclass
class MaskFindings:
    """What was found in the masks of one sequence.

    Attributes:
        masks: how many there are.
        empty: those without any object.
        void: there are void pixels.
        numbers: the objects.
        white_object: the first grey mask whose white is taken for an object.
        white_void: the first grey mask whose white is taken for void.
        grey: the objects of grey masks.
        solid: those of them that fill a square of 3 × 3 pixels somewhere.
    """

    masks: int = 0
    empty: int = 0
    void: bool = False
    numbers: set[int] = field(default_factory=set)
    white_object: Path | None = None
    white_void: Path | None = None
    grey: set[int] = field(default_factory=set)
    solid: set[int] = field(default_factory=set)

    def add(self, path: Path, mask: MaskFile) -> None:
        """Look at the next mask of the sequence."""
        found = set(np.unique(mask.ids).tolist())
        objects = found - {0, VOID}
        self.masks += 1
        self.empty += not objects
        self.void |= VOID in found
        self.numbers |= objects
        if not mask.grey:
            return
        if mask.white_is_object:
            self.white_object = self.white_object or path
        elif VOID in found:
            self.white_void = self.white_void or path
        self.grey |= objects
        if objects - self.solid:
            uniform = cv2.erode(mask.ids, _SQUARE) == cv2.dilate(mask.ids, _SQUARE)
            self.solid |= set(np.unique(mask.ids[uniform]).tolist()) & objects

    @property
    def jumping(self) -> bool:
        """Whether the numbers are others than 1, 2, …"""
        return self.numbers != set(range(1, len(self.numbers) + 1))

    def faults(self) -> Iterator[str]:
        """Word what is not as it was meant."""
        if self.white_object and self.white_void:
            yield (
                f"255 is the object in {self.white_object}, which is black and white, and void in {self.white_void}, "
                "which is not: write both with a palette, e.g. with lstmzoo.data.davis.write_mask"
            )
        thin = self.grey - self.solid
        if self.jumping and thin and (len(thin) >= _MANY or thin == self.grey):
            yield (
                f"the grey values {listed(sorted(thin))} are seen at edges only, but every value is the number of an "
                "object: edges that were smoothed? Resize masks with the nearest pixel, or set a threshold"
            )
