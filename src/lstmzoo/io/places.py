"""Folders of the user."""

import os
from pathlib import Path


def cache_home() -> Path:
    """Return the folder of the user's cache for this package."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lstmzoo"
