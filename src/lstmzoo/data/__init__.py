"""Files in, tensors out: KTH, one's own videos, captions, and simulators that write the layout of the real sets."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lstmzoo.data import captions, download, kth, video
    from lstmzoo.data.captions import Captions
    from lstmzoo.data.kth import KTH
    from lstmzoo.data.video_folder import VideoFolder

__all__ = ["KTH", "Captions", "VideoFolder", "captions", "download", "kth", "video"]

_CLASSES = {
    "Captions": "lstmzoo.data.captions",
    "KTH": "lstmzoo.data.kth",
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
