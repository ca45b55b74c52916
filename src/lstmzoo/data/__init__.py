"""Data sets by name, and the readers behind them; each is imported when it is first used."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lstmzoo.actions.data.kth import KTH
    from lstmzoo.actions.data.video_folder import VideoFolder
    from lstmzoo.captioning.data.dataset import Captions
    from lstmzoo.data import kth, video
    from lstmzoo.segmentation.data.davis import DAVIS
    from lstmzoo.segmentation.data.layout import MaskedVideo
    from lstmzoo.segmentation.data.mask_clips import SegmentationClips

__all__ = ["DAVIS", "KTH", "Captions", "MaskedVideo", "SegmentationClips", "VideoFolder", "kth", "video"]

_CLASSES = {
    "Captions": "lstmzoo.captioning.data.dataset",
    "DAVIS": "lstmzoo.segmentation.data.davis",
    "KTH": "lstmzoo.actions.data.kth",
    "MaskedVideo": "lstmzoo.segmentation.data.layout",
    "SegmentationClips": "lstmzoo.segmentation.data.mask_clips",
    "VideoFolder": "lstmzoo.actions.data.video_folder",
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
