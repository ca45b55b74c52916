"""Configurations from ``configs/`` and the command line, with errors that say what would have been right."""

from __future__ import annotations

import dataclasses
import difflib
import re
import shlex
import typing
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, InstantiationException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lstmzoo.config.groups import config_dir, groups, settings_of_choice, store_registered, with_places
from lstmzoo.config.options import written
from lstmzoo.errors import LstmzooError, unknown_choice
from lstmzoo.registry import datasets, models, tasks
from lstmzoo.settings import accepts, described
from lstmzoo.training.groups import GROUPS

VERSION_BASE = "1.3"

# Further folders of configurations, as Hydra takes them.
SEARCHPATH = "hydra.searchpath"

# Keys that people look for elsewhere.
MOVED = {
    "trainer.gradient_clip_val": "task.gradient_clip_val",
    "optimizer.lr": "task.lr",
    "optimizer.weight_decay": "task.weight_decay",
    "epochs": "trainer.max_epochs",
}

# Groups to which keys can be added: arguments of a class that is named there, and of Lightning's Trainer.
OPEN = ("trainer", "callbacks", "logger", "optimizer", "scheduler")

# Keys that take more than one type of value.
ANY_TYPE = {"trainer.devices", "trainer.strategy", "trainer.profiler"}

_INTERNAL = re.compile(r"\s*(full_key|object_type|reference_type)\b")
_NOT_FOUND = re.compile(r"Could not find '([^']+)/([^/']+)'\s+Available options in '[^']*':((?:\n\t\S+)*)")


@cache
def literal_keys() -> frozenset[str]:
    """Keys whose values are paths or patterns: what is no Hydra syntax in them (spaces, =, parentheses) is meant."""
    store_registered()
    declared = (settings(registry.get(name)) for registry, settings in GROUPS.values() for name in registry.names())
    paths = {setting.name for settings in declared for setting in settings.values() if setting.is_path}
    return frozenset({*paths, "ckpt_path", "dir", "group_pattern", "output", "resume"})


def compose(config_name: str, overrides: Sequence[str], *, complete: bool = True) -> DictConfig:
    """Compose ``configs/<config_name>.yaml`` with command-line overrides.

    Args:
        config_name: name of the main configuration, without ``.yaml``.
        overrides: in Hydra's syntax, e.g. ``["model.cell=gru", "trainer=debug"]``.
        complete: whether all mandatory values must be set.

    Returns:
        The configuration, closed to new keys.

    Raises:
        LstmzooError: an unknown key or choice, a value of the wrong type, a mandatory value left unset, or an
            override that cannot be read; the message names the valid ones.
    """
    parsed = parse(complete_choices(overrides))
    for override in parsed:
        if override.is_delete() and _is_choice(override):
            raise LstmzooError(f"'{override.input_line}': group {override.key_or_group!r} can't be left out")
    choices = [override for override in parsed if _is_choice(override)]
    values = [override for override in parsed if not _is_choice(override)]
    for override in parsed:
        if override.is_sweep_override():
            raise LstmzooError(f"'{override.input_line}' names several values: add -m to run them all")
    base = _hydra_compose(config_name, choices)
    for override in values:
        _check_key(base, override)
        _check_type(base, override)
    config = _hydra_compose(config_name, parsed)
    try:
        OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise LstmzooError(f"the configuration cannot be composed: {in_one_line(error)}") from error
    if complete:
        check_complete(config, config_name)
    check_together(config)
    return config


def complete_choices(overrides: Sequence[str]) -> list[str]:
    """Complete the choices of groups: with the task that a model or a data set is for, and with what goes with a task.

    ``task=captioning`` alone is enough to train a captioner on the data that this task names as its default, and so is
    ``model=...`` or ``data=...`` of another task than the default one. An experiment decides all of that itself.
    """
    overrides = with_places([*_own_configs(overrides), *overrides])
    chosen = dict(text.split("=", 1) for text in overrides if text.partition("=")[0] in (*GROUPS, "experiment"))
    if "experiment" in chosen or not chosen:
        return overrides
    task = _task_of(chosen)
    if task is None or task == _default_task():
        return overrides
    target = tasks.get(task).target
    added = {"task": task, "model": target.default_model, "data": target.default_data, "experiment": "none"}
    folder = [f"hydra.{key}.dir=runs/{task}/{name}" for key, name in (("run", _NOW), ("sweep", f"multirun_{_NOW}"))]
    return [*(f"{key}={value}" for key, value in added.items() if key not in chosen), *folder, *overrides]


_NOW = "${now:%Y-%m-%d_%H-%M-%S-%f}"


def _task_of(chosen: dict[str, str]) -> str | None:
    """The task that choices are for; None where they do not tell."""
    if "task" in chosen:
        return chosen["task"]
    if chosen.get("data") in datasets.names():
        return datasets.get(chosen["data"]).task
    if chosen.get("model") in models.names():
        return next((name for name in tasks.names() if is_model_of(chosen["model"], tasks.get(name).target)), None)
    return None


def _default_task() -> str:
    main = (config_dir() / "train.yaml").read_text(encoding="utf-8")
    return re.search(r"- task: (\w+)", main)[1]  # type: ignore[index]


def is_model_of(name: str, task: Any) -> bool:
    """Whether a registered model is one that a task trains; of a function that builds one, nobody knows."""
    target = models.get(name).target
    return not isinstance(target, type) or issubclass(target, task.model_class)


def check_together(config: DictConfig) -> None:
    """Raise `LstmzooError` if the model or the data of a configuration are of another task than its own."""
    task = tasks.get(config.task.name)
    entry = datasets.get(config.data.name)
    if entry.task != task.name:
        fitting = [name for name in datasets.names() if datasets.get(name).task == task.name]
        raise LstmzooError(
            f"data={entry.name} is for task={entry.task}, not for task={task.name}; for that one choose data="
            f"{'|'.join(fitting)}"
        )
    if not is_model_of(config.model.name, task.target):
        fitting = [name for name in models.names() if is_model_of(name, task.target)]
        raise LstmzooError(
            f"model={config.model.name} is not a model for task={task.name}; choose model={'|'.join(fitting)}"
        )


def _own_configs(overrides: Sequence[str]) -> list[str]:
    """A folder ``configs`` in the working directory is searched, too."""
    own = Path.cwd() / "configs"
    given = any(text.startswith(SEARCHPATH) for text in overrides)
    if given or not own.is_dir() or own.samefile(config_dir()):
        return []
    return [f"{SEARCHPATH}=[{quoted(f'file://{own}')}]"]


def compose_unset(config_name: str, choices: Sequence[str]) -> DictConfig:
    """Compose ``configs/<config_name>.yaml`` with choices of groups; mandatory values may be left unset."""
    running = GlobalHydra.instance().hydra  # where this is called inside of a job
    GlobalHydra.instance().clear()
    try:
        return _hydra_compose(config_name, parse(choices))
    finally:
        GlobalHydra.instance().hydra = running


def override_stored(stored: DictConfig, overrides: Sequence[str], origin: str) -> DictConfig:
    """Let command-line values win over a stored, resolved configuration.

    Args:
        stored: the configuration of a run or a checkpoint.
        overrides: ``key=value`` for keys that it has, ``+trainer.key=value`` for further arguments of Lightning's
            Trainer; group choices are refused.
        origin: what the configuration belongs to, for messages.

    Returns:
        A changed copy, closed to new keys.

    Raises:
        LstmzooError: as `compose`; also for group choices, which would mix two configurations.
    """
    config = OmegaConf.create(OmegaConf.to_container(stored, resolve=True))
    assert isinstance(config, DictConfig)
    OmegaConf.set_struct(config, True)
    base = config.copy()
    for override in parse(overrides):
        key = override.key_or_group
        if key in groups() and not isinstance(override.value(), dict):
            raise LstmzooError(
                f"'{override.input_line}' cannot be combined with {origin}: the choice of a group would replace what "
                f"it was made with. Change single keys ('{key}.<key>=value') or start a new run"
            )
        added = override.is_add() or override.is_force_add()
        if added and key in set(all_keys(base)):
            raise LstmzooError(f"'{override.input_line}': {key} is there already, drop the '+'")
        opened = added and key.partition(".")[0] in OPEN
        if not (opened or override.type.name == "CHANGE") or override.is_sweep_override():
            raise LstmzooError(f"'{override.input_line}': with {origin} only key=value is possible")
        _check_key(base, override)
        _check_type(base, override)
        OmegaConf.update(config, key, override.value(), merge=False, force_add=opened)
    return config


def parse(overrides: Sequence[str], *, sweep: bool = False) -> list[Override]:
    """Parse overrides in Hydra's syntax; the values of `literal_keys` may hold any character.

    Args:
        overrides: the overrides.
        sweep: whether keys may have several values; in them, a comma is one like any other if not.
    """
    parser = OverridesParser.create()
    parsed = []
    for text in overrides:
        key, equals, value = text.partition("=")
        literal = [f"{key}={quoted(value)}"] if equals and key.rpartition(".")[2] in literal_keys() else []
        try:
            (found,) = parser.parse_overrides([text])
            if literal and found.is_sweep_override() and not sweep:
                (found,) = parser.parse_overrides(literal)
            parsed.append(found)
        except (OverrideParseException, ValueError) as error:  # ValueError: a number of thousands of digits
            if literal:
                parsed += parser.parse_overrides(literal)
                continue
            remedy = "write key=value, e.g. model.cell=gru; put values with special characters in quotes"
            raise LstmzooError(f"cannot read '{text if len(text) < 300 else text[:300] + '...'}': {remedy}") from error
    return parsed


def quoted(value: str) -> str:
    """Quote a value in Hydra's syntax; backslashes count only where they stand before a quote."""
    return "'" + re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), value) + "'"


def check_complete(config: DictConfig, command: str, *given: str, prefix: str = "") -> None:
    """Raise `LstmzooError` naming the mandatory keys that are not set.

    Args:
        config: the configuration.
        command: which command it is for.
        *given: words of the command line that belong to an example of what would be right.
        prefix: what stands before the names of the keys.
    """
    missing = [prefix + key for key in sorted(OmegaConf.missing_keys(config))]
    if missing:
        example = " ".join(["lstmzoo", command, *map(shlex.quote, given), *(f"{key}=PATH" for key in missing)])
        raise LstmzooError(f"{', '.join(missing)} must be given, e.g. {example}")


def all_keys(config: DictConfig, prefix: str = "") -> Iterator[str]:
    """Yield the full names of all keys, groups included."""
    for key in config:
        full = prefix + str(key)
        yield full
        node = config._get_node(key)
        if isinstance(node, DictConfig) and not node._is_none() and not node._is_missing():
            yield from all_keys(node, f"{full}.")


def _is_choice(override: Override) -> bool:
    key = override.key_or_group
    return key in groups() or key.startswith("hydra/") or key == SEARCHPATH


def _searched(overrides: Sequence[Override]) -> list[Path]:
    """The folders in which choices are looked for besides our own."""
    named = [override.value() for override in overrides if override.key_or_group == SEARCHPATH]
    found = [str(place) for places in named for place in (places if isinstance(places, list) else [places])]
    folders = [Path(place.removeprefix("file://")) for place in found if not place.startswith("pkg://")]
    for folder in folders:
        if not folder.is_dir():
            raise LstmzooError(f"there is no folder {folder} with configurations in it")
    return folders


def choices_of(overrides: Sequence[Override]) -> dict[str, list[str]]:
    """The groups and their choices, those in the folders that overrides name among them."""
    return groups(_searched(overrides))


def in_one_line(error: Exception) -> str:
    """Word an error of Hydra or OmegaConf in one line, with the key that it is about."""
    unknown = _NOT_FOUND.search(str(error))
    if unknown:
        return unknown_choice(unknown[1], unknown[2], unknown[3].split())
    cause = error.__cause__ if isinstance(error, InstantiationException) and error.__cause__ else error
    message = " ".join(line.strip() for line in str(cause).splitlines() if not _INTERNAL.match(line))
    key = getattr(error, "full_key", None)
    return f"{key}: {message}" if key else message


def _hydra_compose(config_name: str, overrides: Sequence[Override]) -> DictConfig:
    choices = choices_of(overrides)
    for override in overrides:
        if override.key_or_group in choices and not override.is_delete():
            valid = choices[override.key_or_group]
            choice = override.value()
            if choice is not None and choice not in valid:
                raise LstmzooError(unknown_choice(override.key_or_group, choice, valid))
    try:
        with initialize_config_dir(str(config_dir()), version_base=VERSION_BASE, job_name=config_name):
            return hydra_compose(config_name, [str(override.input_line) for override in overrides])
    except (HydraException, OmegaConfBaseException, ValueError, AssertionError) as error:
        raise LstmzooError(f"the configuration cannot be composed: {in_one_line(error)}") from error


def _check_key(base: DictConfig, override: Override) -> None:
    key = override.key_or_group
    first = key.split(".")[0]
    if first == "hydra" and key != "hydra":
        return
    if override.is_delete():
        raise LstmzooError(f"'{override.input_line}': keys can't be taken away; null switches most of them off")
    if (override.is_add() or override.is_force_add()) and first in OPEN and key != first:
        return
    known = list(all_keys(base))
    if key in known:
        return
    if key in MOVED:
        raise LstmzooError(f"unknown key '{key}': use {MOVED[key]}={override.value()}")
    near = _nearest(key, known)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    level = _deepest_level(key, known)
    valid = [name for name in known if name.rpartition(".")[0] == level]
    where = f"in '{level}'" if level else "at the top"
    names = ", ".join(
        [name.rpartition(".")[2] for name in valid] + (["experiment"] if not level and "task" in known else [])
    )
    raise LstmzooError(f"unknown key '{key}'{hint}\nValid {where}: {names}")


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


def _check_type(base: DictConfig, override: Override) -> None:
    """Compare a new value with the declared type; one that only a file of ``configs/`` declares, with its default's."""
    key = override.key_or_group
    if key in ANY_TYPE or override.is_sweep_override() or override.is_delete() or key not in set(all_keys(base)):
        return
    default, value = OmegaConf.select(base, key, throw_on_missing=False), override.value()
    kind = kind_of(base, key)
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
    value = _plain(OmegaConf.select(config, key, throw_on_missing=False))
    return Any if value is None else type(value) | None  # a file does not say what may be null


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
