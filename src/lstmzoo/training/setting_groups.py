"""The settings behind the configuration's groups: ``model=``, ``data=`` and ``task=``."""

from collections.abc import Callable
from typing import Any

from lstmzoo.models.model_registry import FROM_DATA, TRAINING_ONLY
from lstmzoo.registry import Entry, Registry, datasets, models, tasks
from lstmzoo.settings import Setting, settings_of, with_defaults


def settings_of_model(entry: Entry) -> dict[str, Setting]:
    """The arguments of a model, but for those that follow from the data."""
    return settings_of(entry.target, FROM_DATA)


def settings_of_task(entry: Entry) -> dict[str, Setting]:
    """The arguments of a task, but for those that the commands fill in."""
    return with_defaults(settings_of(entry.target, entry.target.NOT_SETTINGS), entry.defaults)


def settings_of_dataset(entry: Entry) -> dict[str, Setting]:
    """The arguments of a data set, of its task's data module, and of its simulator where it has one."""
    module = tasks.get(entry.task).target.data_module
    found: dict[str, Setting] = {}
    for one in (entry.target, module, *_made_for_training(entry)):
        found |= {name: setting for name, setting in settings_of(one, module.NOT_SETTINGS).items() if name not in found}
    return with_defaults(found, entry.defaults)


def training_only(group: str, name: str) -> set[str]:
    """The settings of a choice that change nothing once a model is trained."""
    entry = GROUPS[group][0].get(name)
    if group == "model":
        return {*TRAINING_ONLY}
    if group == "task":
        return {*entry.target.TRAINING_ONLY} - {*entry.target.NOT_SETTINGS}
    task = tasks.get(entry.task).target
    module = task.data_module
    of_training = {one for part in _made_for_training(entry) for one in settings_of(part, module.NOT_SETTINGS)}
    always = {*settings_of(entry.target), *task.transform_keys}
    return {*module.TRAINING_ONLY, *(of_training - always)}


def _made_for_training(entry: Entry) -> list[Any]:
    parts = getattr(entry.target, "PARTS", tasks.get(entry.task).target.data_module.PARTS)
    simulator = getattr(entry.target, "simulate_missing", None)
    return [*parts, simulator] if simulator else [*parts]


GROUPS: dict[str, tuple[Registry, Callable[[Entry], dict[str, Setting]]]] = {
    "model": (models, settings_of_model),
    "data": (datasets, settings_of_dataset),
    "task": (tasks, settings_of_task),
}
"""Each group with its registry, and what declares the keys of a choice."""
