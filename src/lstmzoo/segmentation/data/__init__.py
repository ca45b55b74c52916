"""Sequences of frames with the masks of their objects, and clips of them for training."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lstmzoo.io.images import read_rgb as read_frame
from lstmzoo.segmentation.data.layout import RESOLUTIONS, MaskedVideo
from lstmzoo.segmentation.data.lists import YEARS
from lstmzoo.segmentation.data.masks import VOID, davis_palette, read_mask, write_mask
from lstmzoo.segmentation.data.view import View

if TYPE_CHECKING:
    from lstmzoo.segmentation.data.clips import SegmentationClips
    from lstmzoo.segmentation.data.davis import DAVIS
    from lstmzoo.segmentation.data.mask_folder import MaskFolder

__all__ = [
    "DAVIS",
    "RESOLUTIONS",
    "VOID",
    "YEARS",
    "MaskFolder",
    "MaskedVideo",
    "SegmentationClips",
    "View",
    "davis_palette",
    "read_frame",
    "read_mask",
    "write_mask",
]

_NEED_TORCH = {"DAVIS": "davis", "MaskFolder": "mask_folder", "SegmentationClips": "clips"}


def __getattr__(name: str) -> Any:
    """Import torch only for what needs it: scoring masks does not."""
    if name in _NEED_TORCH:
        return getattr(importlib.import_module(f"{__name__}.{_NEED_TORCH[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
