"""Tasks: what is trained on which data, and how; each is a LightningModule with its DataModule.

Importing this package loads no Lightning; `get_task` and the modules do.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from lstmzoo.errors import LstmzooError, unknown_choice

if TYPE_CHECKING:
    from lstmzoo.training.base import BaseTask

# Task name, as in the configs: module and class.
_TASKS = {
    "captioning": ("lstmzoo.captioning.task", "CaptioningTask"),
    "recognition": ("lstmzoo.actions.task", "RecognitionTask"),
    "segmentation": ("lstmzoo.segmentation.task", "SegmentationTask"),
}


def list_tasks() -> list[str]:
    """Return the names of all tasks, sorted."""
    return sorted(_TASKS)


def get_task(name: str) -> type[BaseTask]:
    """Return a task's class by its name.

    Args:
        name: one of `list_tasks`.

    Raises:
        LstmzooError: there is no such task.
    """
    if name not in _TASKS:
        raise LstmzooError(unknown_choice("task", name, _TASKS))
    module, attribute = _TASKS[name]
    return getattr(importlib.import_module(module), attribute)
