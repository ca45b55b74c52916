"""Labelled videos, and the sequences of frames in them."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lstmzoo.errors import DataWarning
from lstmzoo.io import video

Range = tuple[int, int]
"""First and last frame of a sequence, counted from 1, both included."""


class LabelledVideo(NamedTuple):
    """A video and what is known of it."""

    path: Path  # the file, or a folder of frames
    label: int  # index of its class
    group: str  # person, scene or the like; videos of one group are never in two splits
    name: str = ""  # what results call it; by default its name and that of its folder
    scenario: str = ""  # condition of the recording, e.g. ``"d1"``; empty where there is none
    ranges: Sequence[Range] | None = None  # the sequences in it; by default one, the whole video


@dataclass(frozen=True)
class Segment:
    """Some consecutive frames of a video in which one action is seen."""

    path: Path
    first: int  # first frame, counted from 0
    last: int  # the frame after the last one (half-open: the segment is ``[first, last)``)
    label: int  # index of the class
    video: str  # name of the video; segments of one video share it
    group: str  # person, scene or the like; segments of one group are never in two splits
    scenario: str = ""  # condition of the recording, e.g. ``"d1"``; empty where there is none

    def __len__(self) -> int:
        return self.last - self.first


class Clamped(NamedTuple):
    """Ranges as they can be used, and what had to be changed."""

    ranges: list[Range]
    changes: list[str]


def clamp_ranges(ranges: Sequence[Range], frames: int) -> Clamped:
    """Cut ranges to the frames that decode; those wholly past the end go. (Both frames of a range belong to it.)"""
    kept, changes = [], []
    for first, last in ranges:
        if first > frames:
            changes.append(f"{first}-{last} left out")
            continue
        if last > frames:
            changes.append(f"{first}-{last} cut to {first}-{frames}")
        kept.append((first, min(last, frames)))
    return Clamped(kept, changes)


def segments_of(one: LabelledVideo, frames: int) -> list[Segment]:
    """Return the sequences of a video, as far as it has frames; a warning names those that were cut."""
    ranges, changes = clamp_ranges([(1, frames)] if one.ranges is None else one.ranges, frames)
    if changes:
        declared = video.declared_frames(one.path)
        text = f"{one.path} declares {declared} frames, {frames} decode; sequences: {', '.join(changes)}"
        warnings.warn(text, DataWarning, stacklevel=5)
    name = one.name or f"{one.path.parent.name}/{one.path.stem}"
    return [Segment(one.path, first - 1, last, one.label, name, one.group, one.scenario) for first, last in ranges]
