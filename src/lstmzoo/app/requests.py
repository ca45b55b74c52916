"""What all pages share: one request at a time, errors in one line, and results in folders that are tidied up."""

import os
import shutil
import time
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import gradio

from lstmzoo.errors import LstmzooError

ONE_AT_A_TIME: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "model"}
"""For every event: gates are held in the model itself, so that two requests would disturb each other."""

MAX_UPLOAD = "100mb"
MAX_FRAMES = 600
"""Frames of a video that are looked at."""


KEPT_S = 3600
"""Seconds for which uploads and results are kept."""


@cache
def _results() -> TemporaryDirectory[str]:
    """A folder that ends with the program."""
    return TemporaryDirectory(prefix="lstmzoo_")


def new_folder() -> Path:
    """Make a folder for the results of a request; old ones are deleted."""
    folder = Path(_results().name)
    for old in folder.iterdir():
        if old.stat().st_mtime < time.time() - KEPT_S:
            shutil.rmtree(old)
    return Path(mkdtemp(dir=folder))


def answering(function: Callable[..., Any]) -> Callable[..., Any]:
    """Show our errors, which say what to do, in the page; others stay on the terminal.

    Uploads have the names that people gave them, not those of the places where they were put.
    """

    @wraps(function)
    def answered(*values: Any, **more: Any) -> Any:
        try:
            return function(*values, **more)
        except LstmzooError as error:
            message = str(error)
            for value in values:
                if isinstance(value, str) and os.path.isabs(value):
                    message = message.replace(value, Path(value).name)
            raise gradio.Error(message, print_exception=False) from error

    return answered
