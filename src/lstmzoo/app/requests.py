"""What all pages share: one request at a time, errors in one line, and results in folders that are tidied up."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import gradio

from lstmzoo.errors import LstmzooError

ONE_AT_A_TIME: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "model"}
"""For every event: gates are held in the model itself, so that two requests would disturb each other."""

MAX_UPLOAD = "100mb"
MAX_FRAMES = 600
"""Frames of a video that are looked at."""


def answering(function: Callable[..., Any]) -> Callable[..., Any]:
    """Show our errors, which say what to do, in the page; others stay on the terminal."""

    @wraps(function)
    def answered(*values: Any, **more: Any) -> Any:
        try:
            return function(*values, **more)
        except LstmzooError as error:
            raise gradio.Error(str(error), print_exception=False) from error

    return answered
