"""What is taken over from the configuration that a checkpoint or a run folder holds, and what is not.

Such a file may come from anyone. It decides what was trained on what: settings of `model`, `data` and `task` that this
version knows, with values of their types and of sane sizes, the seed, and where the data is read. Devices, processes,
loggers, classes to import, where caches are written and further checkpoints come from the command line, else from the
defaults. Nothing in it is resolved (``${...}``), no module is imported for it, and nothing is written into the folder
of the data unless a cache of ours is there already (`settle_places`).
"""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from omegaconf import DictConfig, OmegaConf

from lstmzoo.config.choices import is_model_of
from lstmzoo.config.compose import compose_unset
from lstmzoo.config.groups import settings_of_choice
from lstmzoo.config.options import written
from lstmzoo.errors import CheckpointError, DataError, printable, unknown_choice
from lstmzoo.io.cache import CACHE_NAME, user_cache_dir
from lstmzoo.models.metadata import MOST, brief, check_finite, check_modules, check_plain, leaves
from lstmzoo.registry import datasets, tasks
from lstmzoo.settings import Setting, accepts, described, settings_of

OF_THIS_MACHINE = ("cache_dir", "num_workers")
"""Settings of data that a checkpoint does not decide: they write, or start processes."""

SAID = ("data.cache_dir", "task.ensemble")
"""Those that are not taken over and are missed where they were set."""

MOST_ANY = 10_000_000
"""The largest whole number of keys that are not in `MOST`."""

Trusts = Callable[[str, str], bool | None]
PLAIN = bool | int | float | str | None


def take_metadata(
    metadata: Mapping[str, Any], origin: str, given: Collection[str] = (), dataset: str | None = None
) -> tuple[DictConfig, list[str]]:
    """Make a configuration of what a checkpoint says of its model, data and task.

    Args:
        metadata: from `read_metadata`.
        origin: the checkpoint, for messages.
        given: keys that the command line gives; what is stored of them does not matter.
        dataset: another data set than the stored one, with its defaults.

    Returns:
        The configuration, complete with defaults, and the settings that were not taken over though they are not the
        defaults, as ``key=value``.

    Raises:
        CheckpointError: the checkpoint holds no data settings, or such as no run has.
    """
    stored = metadata["config"]
    if not stored.get("data") and dataset is None:
        raise CheckpointError(f"{origin} holds no data settings; it was not written by lstmzoo train")
    task = task_name(metadata, origin)
    config = defaults_for(task, dataset or _name(stored["data"], "data", datasets.names(), origin))
    data = {} if dataset else stored["data"]
    left_out: list[str] = []
    for group, values, kept in (
        ("data", data, OF_THIS_MACHINE),
        ("task", stored.get("task", {}), tasks.get(task).target.NOT_STORED),
    ):
        settings = settings_of_choice(group, config[group].name)
        if group == "data":
            settings = _as_seen(metadata["transform"], values, settings, task, origin, given)
        taken = take_group(values, settings, group, origin, given, _trusts(group, config))
        for key in kept:
            if key in taken and _listed(taken[key]) != _listed(settings[key].default):
                left_out += [f"{group}.{key}={taken[key]}"] * (f"{group}.{key}" in SAID)
                taken[key] = settings[key].default
        OmegaConf.update(config, group, {"name": config[group].name, **taken}, merge=False)
    config.seed = take_seed(stored, origin)
    OmegaConf.update(config, "model", take_model(metadata, origin), merge=False)
    return config, left_out


def take_model(metadata: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """The model as a configuration has it, from what the weights were found to fit; not from the configuration."""
    settings = settings_of_choice("model", metadata["model"]["name"])
    arguments = {key: value for key, value in metadata["model"]["args"].items() if key in settings}
    check_texts(arguments, origin, "model")
    return {"name": metadata["model"]["name"], **arguments}


def task_name(metadata: Mapping[str, Any], origin: str) -> str:
    """The task that a checkpoint was trained for.

    Raises:
        CheckpointError: it names none that there is, or contradicts itself.
    """
    stored, model = metadata["config"].get("task"), metadata["model"]["name"]
    if stored:
        name = _name(stored, "task", tasks.names(), origin)
    else:  # no run configuration is inside
        fitting = [one for one in tasks.names() if is_model_of(model, tasks.get(one).target)]
        if not fitting:
            raise CheckpointError(f"{origin} does not say what its model {model!r} was trained for: no task fits it")
        name = fitting[0]
    target = tasks.get(name).target
    if not is_model_of(model, target) or target.has_vocabulary != ("vocabulary" in metadata):
        raise CheckpointError(
            f"{origin} contradicts itself: its task is {name!r}, its model {model!r}, and it has "
            f"{'a' if 'vocabulary' in metadata else 'no'} vocabulary"
        )
    target.check_transform(metadata["transform"], origin)
    return name


def take_group(
    stored: Any,
    settings: Mapping[str, Setting],
    group: str,
    origin: str,
    given: Collection[str] = (),
    trusts: Trusts | None = None,
) -> dict[str, Any]:
    """Check the stored values of a group of keys, and complete them with the defaults.

    Args:
        stored: as a file holds them.
        settings: what there is in this version.
        group: the group's name.
        origin: the file, for messages.
        given: full names of keys that are not taken, because the command line gives them.
        trusts: tells of a key and a text whether this text may come from a file; None: as any other text.

    Raises:
        CheckpointError: a key that this version does not know, a value of another type, or an impossible one.
    """
    check_plain(stored, origin)
    if not isinstance(stored, dict):
        raise CheckpointError(f"{origin} has {group}={brief(stored)}; it is a group of keys: {', '.join(settings)}")
    stored = {key: value for key, value in stored.items() if key != "name" and f"{group}.{key}" not in given}
    check_finite(stored, origin)
    check_texts(stored, origin, group)
    return _take_all(stored, settings, group, origin, trusts)


def settings_like(values: Mapping[str, Any]) -> dict[str, Setting]:
    """Settings of keys that only a file of ``configs/`` declares: as their values are."""
    kinds = {key: PLAIN if value is None else type(value) | None for key, value in values.items()}
    return {key: Setting(key, kinds[key], value, "") for key, value in values.items()}


def take_seed(stored: Mapping[str, Any], origin: str) -> int:
    """The seed, 0 where there is none."""
    seed = stored.get("seed", 0)
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise CheckpointError(f"{origin} has the seed {brief(seed)}; a seed is a whole number of at least 0")
    return seed


def check_texts(value: Any, origin: str, place: str) -> None:
    """Refuse what configurations would put something else in place of."""
    check_modules(value if place == "model" else None, origin)
    for text in leaves(value):
        if isinstance(text, str) and ("${" in text or text == "???"):
            raise CheckpointError(
                f"{origin} has the {place} setting {brief(text)}; only plain values are taken from it"
            )


def settle_places(config: DictConfig, given: Collection[str]) -> None:
    """Let caches of a data set that only a file names be written where caches of ours are, or in the user's folder.

    Raises:
        DataError: the data are not where the file says; simulated ones would be made there.
    """
    if "data.root" in given or config.data.get("root") is None:
        return
    root = Path(str(config.data.root)).expanduser()
    simulated = hasattr(datasets.get(config.data.name).target, "simulate_missing")
    if not root.exists() or (simulated and not (root.is_dir() and any(root.iterdir()))):
        raise DataError(f"the data of this checkpoint is not in {root}; pass data.root=FOLDER to say where it is")
    if "cache_dir" in config.data and "data.cache_dir" not in given and not (root / CACHE_NAME).is_dir():
        config.data.cache_dir = str(user_cache_dir(root))


def defaults_for(task: str, dataset: str) -> DictConfig:
    """This version's configuration for a task and a data set."""
    model = tasks.get(task).target.default_model
    return compose_unset("train", [f"task={task}", f"data={dataset}", f"model={model}", "experiment=none"])


def names_in(stored: Mapping[str, Any], origin: str) -> tuple[str, str]:
    """The task and the data set that a stored configuration names.

    Raises:
        CheckpointError: it names none that there are.
    """
    return (
        _name(stored.get("task"), "task", tasks.names(), origin),
        _name(stored.get("data"), "data", datasets.names(), origin),
    )


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _trusts(group: str, config: DictConfig) -> Trusts | None:
    return getattr(datasets.get(config.data.name).target, "trusts", None) if group == "data" else None


def _as_seen(
    transform: Mapping[str, Any],
    data: Any,
    settings: dict[str, Setting],
    task: str,
    origin: str,
    given: Collection[str],
) -> dict[str, Setting]:
    """Data are measured as the model sees them: by its transform."""
    seen = {
        key: transform[key] for key in tasks.get(task).target.transform_keys if key in transform and key in settings
    }
    for key, value in seen.items():
        if isinstance(data, dict) and data.get(key, value) != value and f"data.{key}" not in given:
            raise CheckpointError(
                f"{origin} contradicts itself: data.{key}={brief(data[key])}, but its transform has {brief(value)}"
            )
    return settings | {key: dataclasses.replace(settings[key], default=value) for key, value in seen.items()}


def _name(stored: Any, group: str, known: Collection[str], origin: str) -> str:
    name = stored.get("name") if isinstance(stored, dict) else stored
    if not isinstance(name, str) or name not in known:
        own = "; if it is your own, set LSTMZOO_IMPORT to the module that registers it"
        raise CheckpointError(f"{origin}: {unknown_choice(group, printable(str(name))[:80], known)}{own}")
    return name


def _take_all(
    stored: Mapping[str, Any], settings: Mapping[str, Setting], place: str, origin: str, trusts: Trusts | None
) -> dict[str, Any]:
    for key in stored:
        if key not in settings:
            raise CheckpointError(
                f"{origin} has the setting {place}.{brief(key)}, which lstmzoo train does not write: "
                f"{unknown_choice('key', key, settings)}"
            )
    return {
        key: _take(stored[key], setting, f"{place}.{key}", origin, trusts) if key in stored else setting.default
        for key, setting in settings.items()
    }


def _take(value: Any, setting: Setting, place: str, origin: str, trusts: Trusts | None) -> Any:
    kind = setting.type
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise CheckpointError(f"{origin} has {place}={brief(value)}; it is a group of keys")
        return _take_all(value, settings_of(kind), place, origin, trusts)
    plain = kind is not Any or isinstance(value, PLAIN)
    if not accepts(kind, value) or not plain:
        raise CheckpointError(
            f"{origin} has {place}={brief(value)}; it must be {described(kind)}, e.g. {written(setting.default)}"
        )
    _check_value(value, setting, place, origin, trusts)
    return value


def _check_value(value: Any, setting: Setting, place: str, origin: str, trusts: Trusts | None) -> None:
    """Check sizes and texts, in lists too."""
    most = MOST.get(setting.name, 2**63 if setting.name.endswith("seed") else MOST_ANY)
    for one in value if isinstance(value, list) else [value]:
        wrong = isinstance(one, int | float) and abs(one) > most
        if isinstance(one, str) and not setting.is_path and not _is_choice(setting.type, one):
            trusted = trusts(setting.name, one) if trusts else None
            wrong = one != Path(one).name if trusted is None else not trusted  # a name, not a way to another folder
        if wrong:
            raise CheckpointError(
                f"{origin} has {place}={brief(value)}, which is not taken from a file; if it is right, give "
                f"{place}=... on the command line"
            )


def _is_choice(kind: Any, text: str) -> bool:
    """Whether a text is one of those that a type lists."""
    choices = [kind, *get_args(kind)]
    return any(get_origin(choice) is Literal and text in get_args(choice) for choice in choices)
