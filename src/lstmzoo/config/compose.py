"""Configurations from ``configs/`` and the command line, with errors that say what would have been right."""

import re
import shlex
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, InstantiationException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lstmzoo.config.choices import check_together, complete_choices
from lstmzoo.config.groups import config_dir, groups, store_registered
from lstmzoo.config.keys import OPEN, all_keys, check_composed, check_key, check_type
from lstmzoo.config.options import written
from lstmzoo.config.overrides import SEARCHPATH, parse
from lstmzoo.errors import DataWarning, LstmzooError, unknown_choice
from lstmzoo.training.setting_groups import GROUPS

VERSION_BASE = "1.3"

_INTERNAL = re.compile(r"\s*(full_key|object_type|reference_type)\b")
_NOT_FOUND = re.compile(r"Could not find '([^']+)/([^/']+)'\s+Available options in '[^']*':((?:\n\t\S+)*)")


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
        if override.is_add() and _is_choice(override):
            raise LstmzooError(f"'{override.input_line}': a group is chosen without the '+'")
        if override.is_delete() and _is_choice(override):
            raise LstmzooError(f"'{override.input_line}': group {override.key_or_group!r} can't be left out")
    choices = [override for override in parsed if _is_choice(override)]
    values = [override for override in parsed if not _is_choice(override)]
    for override in parsed:
        if override.is_sweep_override():
            raise LstmzooError(f"'{override.input_line}' names several values: add -m to run them all")
    base = _hydra_compose(config_name, choices)
    for override in values:
        check_key(base, override)
        check_type(base, override)
    config = _hydra_compose(config_name, parsed)
    try:
        OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise LstmzooError(f"the configuration cannot be composed: {in_one_line(error)}") from error
    check_composed(config, _packaged(config_name))
    if complete:
        check_complete(config, config_name)
    check_together(config)
    return config


@cache
def _packaged(config_name: str) -> DictConfig:
    return _hydra_compose(config_name, parse(["experiment=none"]))


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
        group, _, rest = key.partition(".")
        if rest == "name" and group in groups() and override.value() != base[group].name:
            remedy = f"choose it with {group}={override.value()}, where the command can" if group == "data" else ""
            raise LstmzooError(
                f"'{override.input_line}' cannot be combined with {origin}: the settings beside it are those of "
                f"{base[group].name}; {remedy or 'start a new run'}"
            )
        added = override.is_add() or override.is_force_add()
        if added and key in set(all_keys(base)):
            raise LstmzooError(f"'{override.input_line}': {key} is there already, drop the '+'")
        opened = added and key.partition(".")[0] in OPEN
        if not (opened or override.type.name == "CHANGE") or override.is_sweep_override():
            raise LstmzooError(f"'{override.input_line}': with {origin} only key=value is possible")
        check_key(base, override)
        check_type(base, override)
        OmegaConf.update(config, key, override.value(), merge=False, force_add=opened)
    return config


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


def _is_choice(override: Override) -> bool:
    key = override.key_or_group
    return key in groups() or key.startswith("hydra/") or key == SEARCHPATH


def _searched(overrides: Sequence[Override]) -> list[Path]:
    """The folders that are searched for choices besides our own."""
    named = [override.value() for override in overrides if override.key_or_group == SEARCHPATH]
    found = [str(place) for places in named for place in (places if isinstance(places, list) else [places])]
    folders = [Path(place.removeprefix("file://")) for place in found if not place.startswith("pkg://")]
    for folder in folders:
        if not folder.is_dir():
            raise LstmzooError(f"there is no folder {folder} with configurations in it")
        _check_names(folder)
    return folders


@cache
def _check_names(folder: Path) -> None:
    """Say of files in your own folder that they would not count: packaged choices of the same name do.

    Raises:
        LstmzooError: one has the name of a registered model, data set or task, with which Hydra would mix it.
    """
    for group, names in groups().items():
        for file in sorted((folder / group).glob("*.yaml")):
            if file.stem not in names:
                continue
            if group in GROUPS:
                raise LstmzooError(f"{file} has the name of a registered {group}; give it another, e.g. my_{file.name}")
            warnings.warn(
                f"{file} is not read: lstmzoo has a choice {group}={file.stem}; give the file another name",
                DataWarning,
                stacklevel=2,
            )


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
    named = re.search(r"full_key: (\S+)", str(cause))
    key = getattr(error, "full_key", None) or (named and named[1])
    return f"{key}: {message}" if key else message


def _hydra_compose(config_name: str, overrides: Sequence[Override]) -> DictConfig:
    store_registered()
    choices = choices_of(overrides)
    for override in overrides:
        if override.key_or_group in choices and not override.is_delete():
            valid = choices[override.key_or_group]
            choice = override.value()
            if choice not in valid:
                raise LstmzooError(unknown_choice(override.key_or_group, written(choice), valid))
    try:
        with initialize_config_dir(str(config_dir()), version_base=VERSION_BASE, job_name=config_name):
            return hydra_compose(config_name, [str(override.input_line) for override in overrides])
    except (HydraException, OmegaConfBaseException, ValueError, AssertionError) as error:
        raise LstmzooError(f"the configuration cannot be composed: {in_one_line(error)}") from error
