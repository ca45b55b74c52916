"""Folders of your own videos as tests ask for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lstmzoo.actions.data.video_division import Division
from lstmzoo.data import VideoFolder


def divide(root: Path, **options: Any) -> Division:
    """The classes and splits of a folder, of which nothing is decoded."""
    return VideoFolder(root, "all", decode=False, **options).division
