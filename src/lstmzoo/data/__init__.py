"""Files in, tensors out: KTH, DAVIS, one's own videos, captions, and simulators that write their layouts."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lstmzoo.data import captions, davis, download, kth, video
    from lstmzoo.data.captions import Captions
    from lstmzoo.data.davis import DAVIS, MaskedVideo, SegmentationClips
    from lstmzoo.data.kth import KTH
    from lstmzoo.data.video_folder import VideoFolder

__all__ = [
    "DAVIS",
    "KTH",
    "Captions",
    "MaskedVideo",
    "SegmentationClips",
    "VideoFolder",
    "captions",
    "davis",
    "download",
    "kth",
    "video",
]

_CLASSES = {
    "Captions": "lstmzoo.data.captions",
    "DAVIS": "lstmzoo.data.davis",
    "KTH": "lstmzoo.data.kth",
    "MaskedVideo": "lstmzoo.data.davis",
    "SegmentationClips": "lstmzoo.data.davis",
    "VideoFolder": "lstmzoo.data.video_folder",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for; OpenCV and torch take their time."""
    if name in _CLASSES:
        return getattr(importlib.import_module(_CLASSES[name]), name)
    if name in __all__:
        return importlib.import_module(f"lstmzoo.data.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
