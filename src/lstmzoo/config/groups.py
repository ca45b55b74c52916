"""What there is to choose from: the files in ``configs/``, and everything that registers itself."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from hydra.core.config_store import ConfigStore

from lstmzoo.discovery import import_own
from lstmzoo.errors import LstmzooError
from lstmzoo.settings import Setting, schema_of
from lstmzoo.training.setting_groups import GROUPS


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


_stored: set[tuple[str, str]] = set()


def store_registered() -> None:
    """Give Hydra a structured configuration of everything that is registered."""
    for group, (registry, settings) in GROUPS.items():
        for name in registry.names():
            if (group, name) not in _stored:
                schema = schema_of(name, settings(registry.get(name)))
                ConfigStore.instance().store(group=group, name=name, node=schema, provider="lstmzoo")
                _stored.add((group, name))


def with_places(overrides: Sequence[str]) -> list[str]:
    """Import what is named by its place, ``model=my_module:MyModel``, and put its name there.

    Raises:
        LstmzooError: there is no such module or class.
    """
    found = []
    for text in overrides:
        group, equals, value = text.partition("=")
        if group in GROUPS and equals and ":" in value:
            registry = GROUPS[group][0]
            text = f"{group}={','.join(registry.find(place).name for place in value.split(','))}"
        elif group == "model.cell" and ":" in value:
            import_own(value.partition(":")[0])  # from the working directory, too
        found.append(text)
    store_registered()
    return found
