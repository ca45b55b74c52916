"""What each task brings to the command line: one module per task, with the same names in each.

``datamodule(config, *, simulate, split, checkpoint)``  the data; for a checkpoint's evaluation, as that needs it
``task(config, labels)``                                the task with a new model; labels are the data module's
``REHEARSAL``                                           labels with which to try settings out before there are data
``WRITTEN``                                             the files of an evaluation, in words
``predict(argv)``, ``inspect(argv)``                    these commands
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from lstmzoo.errors import LstmzooError, unknown_choice
from lstmzoo.registry import tasks as known_tasks


def of(task: str) -> ModuleType:
    """Return a task's module.

    Raises:
        LstmzooError: there is no such task.
    """
    if task not in known_tasks.names():
        raise LstmzooError(unknown_choice("task", task, known_tasks.names()))
    return importlib.import_module(f"lstmzoo.cli.{task}")


def of_checkpoint(argv: list[str], command: str) -> ModuleType:
    """Return the module of the task that the checkpoint in the arguments was trained for.

    Args:
        argv: overrides, ``ckpt_path=...`` among them.
        command: which command they are for.

    Raises:
        LstmzooError: no checkpoint is named.
        CheckpointError: it cannot be read.
    """
    from lstmzoo.config.compose import parse
    from lstmzoo.runs.stored import task_name
    from lstmzoo.models.checkpoint import read_contract

    named = [override.value() for override in parse(argv) if override.key_or_group == "ckpt_path"]
    if not named:
        raise LstmzooError(f"ckpt_path must be given, e.g. lstmzoo {command} ckpt_path=PATH")
    path = Path(str(named[-1])).expanduser()
    return of(task_name(read_contract(path), str(path)))
