"""What the masks of a sequence hold, and what of it does not look as it was meant."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from lstmzoo.io.wording import listed
from lstmzoo.segmentation.data.masks import VOID, MaskFile

_SQUARE = np.ones((3, 3), np.uint8)
_MANY = 3  # numbers that are seen at edges only: fewer may be tiny objects
_SHADE = 32  # from here on, a grey value is rather one that is to be seen than a count


@dataclass
class MaskFindings:
    """What was found in the masks of one sequence."""

    masks: int = 0  # how many there are
    empty: int = 0  # those without any object
    void: bool = False  # there are void pixels
    numbers: set[int] = field(default_factory=set)  # the objects
    white_object: Path | None = None  # the first grey mask whose white is taken for an object
    white_void: Path | None = None  # the first grey mask whose white is taken for void
    grey: set[int] = field(default_factory=set)  # the objects of grey masks
    solid: set[int] = field(default_factory=set)  # the objects that fill a square of 3 × 3 pixels somewhere
    # those that lie, in some mask, mostly between a lower and a higher number, as shades at an edge do
    passing: set[int] = field(default_factory=set)
    solid_white: Path | None = None  # the first grey mask in which void fills such a square beside objects

    def add(self, path: Path, mask: MaskFile) -> None:
        """Look at the next mask of the sequence."""
        found = set(np.unique(mask.ids).tolist())
        objects = found - {0, VOID}
        self.masks += 1
        self.empty += not objects
        self.void |= VOID in found
        self.numbers |= objects
        if mask.grey:
            self._add_grey(path, mask, objects, VOID in found)
        if not objects <= self.solid or (mask.grey and VOID in found and self.solid_white is None):
            lowest, highest = cv2.erode(mask.ids, _SQUARE), cv2.dilate(mask.ids, _SQUARE)
            uniform = set(np.unique(mask.ids[lowest == highest]).tolist())
            self.solid |= uniform & objects
            if mask.grey and objects and VOID in uniform:
                self.solid_white = self.solid_white or path
            between = np.bincount(mask.ids[(lowest < mask.ids) & (mask.ids < highest)], minlength=256)
            mostly = 2 * between > np.bincount(mask.ids.ravel(), minlength=256)
            self.passing |= set(np.flatnonzero(mostly).tolist()) & objects

    def _add_grey(self, path: Path, mask: MaskFile, objects: set[int], void: bool) -> None:
        self.grey |= objects
        if mask.white_is_object:
            self.white_object = self.white_object or path
        elif void:
            self.white_void = self.white_void or path

    @property
    def jumping(self) -> bool:
        """Whether the numbers are others than 1, 2, …"""
        return self.numbers != set(range(1, len(self.numbers) + 1))

    def faults(self) -> Iterator[str]:
        """Word what is not as it was meant."""
        if self.white_object and self.white_void:
            yield (
                f"255 is the object in {self.white_object}, which is black and white, and void in {self.white_void}, "
                "which is not: write both with a palette, e.g. with lstmzoo.segmentation.data.masks.write_mask"
            )
        soft = self._soft()
        if soft:
            yield (
                f"the {'grey values' if soft <= self.grey else 'numbers'} {listed(sorted(soft))} are seen at edges "
                "only, but every value is the number of an object: edges that were smoothed? Resize masks with the "
                "nearest pixel, or set a threshold"
            )
        elif self.solid_white and not self.white_object and min(self.grey) >= _SHADE:
            yield (
                f"255 counts as void beside the grey values {listed(sorted(self.grey))}, e.g. in {self.solid_white}, "
                "and is not learnt nor scored: if it is an object, too, number the objects 1, 2, …; if it is void, "
                "write the masks with a palette, e.g. with lstmzoo.segmentation.data.masks.write_mask"
            )

    def _soft(self) -> set[int]:
        """The numbers that smoothed edges have left; of few or touching tiny objects one cannot be sure."""
        if not self.jumping:
            return set()
        grey = self.grey - self.solid
        if len(grey) >= _MANY or (grey and grey == self.grey):
            return grey
        soft = (self.numbers - self.solid) & self.passing
        return soft if len(soft) >= _MANY and 2 * len(soft) > len(self.numbers) else set()
