"""What there is to choose from: the files in ``configs/``, and everything that registers itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from hydra.core.config_store import ConfigStore

from lstmzoo.errors import LstmzooError
from lstmzoo.registry import Entry
from lstmzoo.settings import Setting, schema_of
from lstmzoo.training.groups import GROUPS


def config_dir() -> Path:
    """Return the folder of the configurations: inside the installed package, else at the top of the checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "configs", package.parents[1] / "configs"):
        if (folder / "train.yaml").is_file():
            return folder
    raise LstmzooError(f"lstmzoo's configs were not found in {package} nor beside it; install lstmzoo again")


def groups(more: Iterable[Path] = ()) -> dict[str, list[str]]:
    """Return the config groups and the choices of each, e.g. ``{"model": ["action_rnn", ...], ...}``.

    Args:
        more: folders that hold further choices, in folders named like the groups.
    """
    places = [config_dir(), *more]
    names = {path.name for path in config_dir().iterdir() if path.is_dir()} | {*GROUPS}
    files = {name: {file.stem for place in places for file in (place / name).glob("*.yaml")} for name in names}
    registered = {name: registry.names() for name, (registry, _) in GROUPS.items()}
    return {name: sorted(files[name].union(registered.get(name, []))) for name in sorted(names)}


def settings_of_choice(group: str, name: str) -> dict[str, Setting]:
    """Return the settings of a registered model, data set or task.

    Raises:
        LstmzooError: there is none of this name.
    """
    registry, settings = GROUPS[group]
    return settings(registry.get(name))


@cache
def store_registered() -> None:
    """Give Hydra a structured configuration of everything that is registered."""
    for group, (registry, _) in GROUPS.items():
        for name in registry.names():
            _store(group, registry.get(name))


def with_places(overrides: Sequence[str]) -> list[str]:
    """Import what is named by its place, ``model=my_module:MyModel``, and put its name there.

    Raises:
        LstmzooError: there is no such module or class.
    """
    store_registered()
    found = []
    for text in overrides:
        group, equals, value = text.partition("=")
        if group in GROUPS and equals and ":" in value:
            registry = GROUPS[group][0]
            entries = [registry.find(place) for place in value.split(",")]
            for entry in entries:
                _store(group, entry)
            text = f"{group}={','.join(entry.name for entry in entries)}"
        found.append(text)
    return found


def _store(group: str, entry: Entry) -> None:
    schema = schema_of(entry.name, GROUPS[group][1](entry))
    ConfigStore.instance().store(group=group, name=entry.name, node=schema, provider="lstmzoo")
