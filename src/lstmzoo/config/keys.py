"""Single keys of a configuration: whether there is one of this name, and which values it takes."""

import dataclasses
import difflib
import typing
from collections.abc import Iterator
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from lstmzoo.config.groups import settings_of_choice
from lstmzoo.config.options import written
from lstmzoo.errors import LstmzooError, unknown_choice
from lstmzoo.models.upgrades import KEYS as EARLIER_KEYS
from lstmzoo.settings import accepts, described
from lstmzoo.training.setting_groups import GROUPS

# Keys that people look for elsewhere.
MOVED = {
    **{f"{group}.{old}": f"{group}.{new}" for group, names in EARLIER_KEYS.items() for old, new in names.items()},
    "task.schedule": "scheduler",
    "trainer.gradient_clip_val": "task.gradient_clip_val",
    "optimizer.lr": "task.lr",
    "optimizer.weight_decay": "task.weight_decay",
    "epochs": "trainer.max_epochs",
}

# Groups to which keys can be added: arguments of a class that is named there, and of Lightning's Trainer.
OPEN = ("trainer", "callbacks", "logger", "optimizer", "scheduler")

# Keys that take more than one type of value.
ANY_TYPE = {"trainer.devices", "trainer.strategy", "trainer.profiler"}

# Where files of your own may say something that no class declares.
CHECKED = ("seed", "resume", "test_after_fit", "trainer", "callbacks")

# Keys of configs/ that take certain values only.
CHOICES: dict[str, Any] = {
    "callbacks.progress": typing.Literal["auto", "lines", "none"],
    "seed": int,
    "test_after_fit": bool,
}


def check_key(base: DictConfig, override: Override) -> None:
    key = override.key_or_group
    first = key.split(".")[0]
    if first == "hydra" and key != "hydra":
        return
    if override.is_delete():
        raise LstmzooError(f"'{override.input_line}': keys can't be taken away; null switches most of them off")
    if key in MOVED:
        raise LstmzooError(f"unknown key '{key}': use {MOVED[key]}={override.value()}")
    known = list(all_keys(base))
    if key in known or ((override.is_add() or override.is_force_add()) and _may_be_added(key, override)):
        return
    near = _nearest(key, known)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    level = _deepest_level(key, known)
    valid = [name for name in known if name.rpartition(".")[0] == level]
    where = f"in '{level}'" if level else "at the top"
    names = ", ".join(
        [name.rpartition(".")[2] for name in valid] + (["experiment"] if not level and "task" in known else [])
    )
    raise LstmzooError(f"unknown key '{key}'{hint}\nValid {where}: {names}")


def _may_be_added(key: str, override: Override) -> bool:
    """Whether a key is an argument of a class; callbacks and loggers are groups of such, each with a name."""
    first, *path = key.split(".")
    named = first in ("callbacks", "logger")
    return (first in OPEN and len(path) > named) or (named and len(path) == 1 and isinstance(override.value(), dict))


def _nearest(key: str, known: list[str]) -> list[str]:
    """Up to two full keys that look like the key, or end like it."""
    leaf = key.rpartition(".")[2]
    same_leaf = [name for name in known if name.rpartition(".")[2] == leaf]
    return (same_leaf or difflib.get_close_matches(key, known, n=2, cutoff=0.75))[:2]


def _deepest_level(key: str, known: list[str]) -> str:
    """The longest part of the key that exists and has keys of its own."""
    level = key.rpartition(".")[0]
    while level and not any(name.startswith(f"{level}.") for name in known):
        level = level.rpartition(".")[0]
    return level


def check_type(base: DictConfig, override: Override) -> None:
    """Compare a new value with the declared type; one that only a file of ``configs/`` declares, with its default's."""
    key = override.key_or_group
    if key in ANY_TYPE or override.is_sweep_override() or override.is_delete() or key not in set(all_keys(base)):
        return
    _check_value(base, key, override.value())


def check_composed(config: DictConfig, packaged: DictConfig) -> None:
    """Check what files of your own put into a configuration, as `check_key` and `check_type` do the command line.

    Args:
        config: the configuration. Hydra has checked model, data and task; arguments of classes are checked with them.
        packaged: the configuration without an experiment.

    Raises:
        LstmzooError: a key at the top that there is not, or a value of the wrong type.
    """
    for key in map(str, config):
        if key not in packaged:
            raise LstmzooError(f"in an experiment: {unknown_choice('key', key, [str(name) for name in packaged])}")
        if OmegaConf.is_dict(packaged[key]) and not OmegaConf.is_dict(config[key]):
            raise LstmzooError(f"{key} must be a group of keys, not {_plain(config[key])!r}")
    if config.resume is not None:
        raise LstmzooError(f"resume={config.resume} counts on the command line only, not in an experiment")
    for key in all_keys(packaged):
        is_group = OmegaConf.is_dict(OmegaConf.select(packaged, key, throw_on_missing=False))
        if key.partition(".")[0] in CHECKED and key not in ANY_TYPE and not is_group:
            _check_value(packaged, key, _plain(OmegaConf.select(config, key, throw_on_missing=False)))


def _check_value(base: DictConfig, key: str, value: Any) -> None:
    default, kind = OmegaConf.select(base, key, throw_on_missing=False), kind_of(base, key)
    if value == "???" or (isinstance(value, str) and "${" in value) or accepts(kind, value):
        return
    known = "" if default is None and accepts(kind, None) is False else f" (default: {written(_plain(default))})"
    raise LstmzooError(f"{key} must be {described(kind)}{known}, not {value!r}")


def kind_of(config: DictConfig, key: str) -> Any:
    """The type of a key: as its group declares it, else that of its value; Any for null."""
    group, *path = key.split(".")
    if group in GROUPS and path and path[0] != "name" and config[group].name in GROUPS[group][0].names():
        declared = settings_of_choice(group, config[group].name)
        kind = declared[path[0]].type if path[0] in declared else Any
        for name in path[1:]:
            kind = typing.get_type_hints(kind).get(name, Any) if dataclasses.is_dataclass(kind) else Any
        return kind
    if key in CHOICES:
        return CHOICES[key]
    value = _plain(OmegaConf.select(config, key, throw_on_missing=False))
    return Any if value is None else type(value) | None  # a file does not say what may be null


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def all_keys(config: DictConfig, prefix: str = "") -> Iterator[str]:
    """Yield the full names of all keys, groups included."""
    for key in config:
        full = prefix + str(key)
        yield full
        node = config._get_node(key)
        if isinstance(node, DictConfig) and not node._is_none() and not node._is_missing():
            yield from all_keys(node, f"{full}.")
