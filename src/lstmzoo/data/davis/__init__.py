"""DAVIS: sequences of frames with the masks of their objects, and clips of them for training."""

from lstmzoo.data.davis.clips import SegmentationClips
from lstmzoo.data.davis.dataset import DAVIS
from lstmzoo.data.davis.frames import read_frame
from lstmzoo.data.davis.layout import RESOLUTIONS, MaskedVideo
from lstmzoo.data.davis.lists import YEARS
from lstmzoo.data.davis.masks import VOID, davis_palette, read_mask, write_mask
from lstmzoo.data.davis.view import View

__all__ = [
    "DAVIS",
    "RESOLUTIONS",
    "VOID",
    "YEARS",
    "MaskedVideo",
    "SegmentationClips",
    "View",
    "davis_palette",
    "read_frame",
    "read_mask",
    "write_mask",
]
