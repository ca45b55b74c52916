"""DAVIS: sequences of frames with the masks of their objects, and clips of them for training."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lstmzoo.data.davis.layout import RESOLUTIONS, MaskedVideo
from lstmzoo.data.davis.lists import YEARS
from lstmzoo.data.davis.masks import VOID, davis_palette, read_mask, write_mask
from lstmzoo.data.davis.view import View
from lstmzoo.data.images import read_rgb as read_frame

if TYPE_CHECKING:
    from lstmzoo.data.davis.clips import SegmentationClips
    from lstmzoo.data.davis.dataset import DAVIS

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

_NEED_TORCH = {"DAVIS": "dataset", "SegmentationClips": "clips"}


def __getattr__(name: str) -> Any:
    """Import torch only for what needs it: scoring masks does not."""
    if name in _NEED_TORCH:
        return getattr(importlib.import_module(f"{__name__}.{_NEED_TORCH[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
