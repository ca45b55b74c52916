"""The settings behind the configuration's groups: ``model=``, ``data=`` and ``task=``."""

from collections.abc import Callable

from lstmzoo.models.registry import FROM_DATA
from lstmzoo.registry import Entry, Registry, datasets, models, tasks
from lstmzoo.settings import Setting, settings_of, with_defaults


def settings_of_model(entry: Entry) -> dict[str, Setting]:
    """The arguments of a model, but for those that follow from the data."""
    return settings_of(entry.target, FROM_DATA)


def settings_of_task(entry: Entry) -> dict[str, Setting]:
    """The arguments of a task, but for those that the commands fill in."""
    return settings_of(entry.target, entry.target.NOT_SETTINGS)


def settings_of_dataset(entry: Entry) -> dict[str, Setting]:
    """The arguments of a data set, of its task's data module, and of its simulator where it has one."""
    module = tasks.get(entry.task).target.data_module
    parts = getattr(entry.target, "PARTS", module.PARTS)
    declared = [entry.target, module, *parts, getattr(entry.target, "simulate_missing", None)]
    found: dict[str, Setting] = {}
    for one in filter(None, declared):
        found |= {name: setting for name, setting in settings_of(one, module.NOT_SETTINGS).items() if name not in found}
    return with_defaults(found, entry.defaults)


GROUPS: dict[str, tuple[Registry, Callable[[Entry], dict[str, Setting]]]] = {
    "model": (models, settings_of_model),
    "data": (datasets, settings_of_dataset),
    "task": (tasks, settings_of_task),
}
"""Each group with its registry, and what declares the keys of a choice."""
