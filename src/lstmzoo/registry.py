"""What can be chosen by name: models, data sets and tasks. Each is declared once, by a decorator, and found everywhere.

    @register_model("my_model")                     lstmzoo train model=my_model
    @register_dataset("my_data", "recognition")     lstmzoo train data=my_data
    @register_task("my_task")                       lstmzoo train task=my_task

Names are looked for where `discovery` looks, and in modules that a command names: ``model=my_module:MyModel``.
"""

import fnmatch
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lstmzoo import discovery
from lstmzoo.errors import LstmzooError, unknown_choice

Target = TypeVar("Target", bound=Callable[..., Any])


@dataclass(frozen=True)
class Entry:
    """What is registered under a name."""

    name: str
    target: Any  # the class or function
    task: str = ""  # of a data set: the task that it is for
    defaults: Mapping[str, Any] = field(default_factory=dict)  # defaults that differ from those of the class

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.target) or "").partition("\n")[0]


class Registry:
    """Entries of one kind by name.

    Args:
        kind: what they are called in messages and configurations.
        part: the module or package of a task's folder in which they are defined.
    """

    def __init__(self, kind: str, part: str) -> None:
        self.kind, self.part = kind, part
        self.entries: dict[str, Entry] = {}

    def add(self, entry: Entry) -> None:
        """Register an entry.

        Raises:
            LstmzooError: the name is taken by something else.
        """
        taken = self.entries.get(entry.name)
        if taken is not None:
            raise LstmzooError(f"{self.kind} {entry.name!r} is already registered ({taken.target.__qualname__})")
        self.entries[entry.name] = entry

    def names(self, pattern: str = "*") -> list[str]:
        """Return the names that match a shell-style pattern, sorted."""
        discovery.import_all(self.part)
        return sorted(fnmatch.filter(self.entries, pattern))

    def get(self, name: str) -> Entry:
        """Find an entry by its name.

        Raises:
            LstmzooError: there is none of this name.
        """
        if name not in self.entries:
            names = self.names()
            if name not in self.entries:
                own = f"{discovery.VARIABLE}=my_module makes those known that a module of your own registers"
                raise LstmzooError(f"{unknown_choice(self.kind, name, names)}. {own}")
        return self.entries[name]

    def find(self, place: str) -> Entry:
        """Find an entry by its name, or by the place of a class, ``my_module:MyClass``, whose module is then imported.

        Only what a person wrote may come here; a name out of a file is for `get`, which imports nothing.

        Raises:
            LstmzooError: there is none of this name, no such module or class, or one that is not registered.
        """
        module, colon, attribute = place.partition(":")
        if not colon:
            return self.get(place)
        target = _import(module, attribute, self.kind)
        for registry in (self, models, datasets, tasks):
            known = [entry for entry in registry.entries.values() if entry.target is target]
            if known and registry is not self:
                raise LstmzooError(f"{self.kind}={place}: {attribute} is registered for {registry.kind}={place}")
            if known:
                return known[0]
        decorator = f"@register_{'dataset' if self.kind == 'data' else self.kind}(...)"
        raise LstmzooError(
            f"{self.kind}={place}: {attribute} is not registered; put {decorator} before it, so that its checkpoints "
            "find it by its name"
        )


models = Registry("model", "models")
datasets = Registry("data", "data")
tasks = Registry("task", "task")


def register_model(name: str) -> Callable[[Target], Target]:
    """Register a model class, or a function that builds a model, under a name.

    All its arguments must be primitive (numbers, strings, booleans, None, and lists or dicts of them), so that a
    checkpoint can rebuild the model from its name and arguments alone. They are the keys of ``model=<name>``, with
    their defaults; the ``Args:`` of the docstring are their help.

    Example::

        @register_model("my_model")
        class MyModel(nn.Module):
            def __init__(self, num_classes: int = 6, hidden_size: int = 128) -> None: ...

    Args:
        name: the name for :func:`create_model` and for ``model=`` configs.

    Returns:
        The decorator; it returns the class or function unchanged.

    Raises:
        LstmzooError: the name is taken.
    """
    return _decorator(models, name)


def register_dataset(name: str, task: str, **defaults: Any) -> Callable[[Target], Target]:
    """Register a data set under a name, as a choice for ``data=``.

    Args:
        name: the name.
        task: the task that it is for.
        **defaults: settings whose defaults differ from those of the class and of the task's data module.

    Returns:
        The decorator; it returns the class unchanged.

    Raises:
        LstmzooError: the name is taken.
    """
    return _decorator(datasets, name, task, defaults)


def register_task(name: str, **defaults: Any) -> Callable[[Target], Target]:
    """Register a task, a subclass of :class:`lstmzoo.training.base.BaseTask`, as a choice for ``task=``.

    Args:
        name: the name.
        **defaults: settings whose defaults differ from those of the class.

    Returns:
        The decorator; it returns the class unchanged.

    Raises:
        LstmzooError: the name is taken.
    """
    return _decorator(tasks, name, defaults=defaults)


def _decorator(
    registry: Registry, name: str, task: str = "", defaults: Mapping[str, Any] | None = None
) -> Callable[[Target], Target]:
    def register(target: Target) -> Target:
        registry.add(Entry(name, target, task, defaults or {}))
        return target

    return register


def _import(module: str, attribute: str, kind: str) -> Any:
    try:
        found = discovery.import_own(module)
    except LstmzooError as error:
        raise LstmzooError(f"{kind}={module}:{attribute}: {error}") from error
    if not callable(getattr(found, attribute, None)):
        public = [name for name, one in vars(found).items() if inspect.isclass(one) and one.__module__ == module]
        raise LstmzooError(f"{kind}={module}:{attribute}: {unknown_choice('class', attribute, public)}")
    return getattr(found, attribute)
