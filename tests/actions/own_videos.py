"""Folders of your own videos, and labels of videos, as tests ask for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lstmzoo.actions.data.video_division import Division
from lstmzoo.actions.sliding_window import Prediction, classify_stream
from lstmzoo.data import VideoFolder
from lstmzoo.io.video_stream import Stream


def divide(root: Path, **options: Any) -> Division:
    """The classes and splits of a folder, of which nothing is decoded."""
    return VideoFolder(root, "all", decode=False, **options).division


def classify_video(
    model: Any, source: str | Path | int, *, stride: int = 4, max_frames: int | None = None
) -> list[Prediction]:
    """The labels of a video over time."""
    with Stream(source, max_frames=max_frames) as stream:
        seen = classify_stream(model, stream, stride=stride)
        return [prediction for _, prediction in seen if prediction is not None]
