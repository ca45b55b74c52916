"""The configuration of a run folder, for `resume`: as of a checkpoint (`stored`), and how it is trained.

A run folder may be someone else's, too. Its model is that of its checkpoint; the recipe of its training is taken over
(`recipe`). Devices, processes, folders and classes to import are for the command line to say.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lstmzoo.config.groups import settings_of_choice
from lstmzoo.errors import CheckpointError, LstmzooError, printable, unknown_choice
from lstmzoo.models import load
from lstmzoo.models.metadata import brief
from lstmzoo.registry import datasets
from lstmzoo.runs.recipe import take_named_class, take_recipe
from lstmzoo.runs.run_folder import read_config
from lstmzoo.runs.stored import (
    OF_THIS_MACHINE,
    defaults_for,
    names_in,
    settings_like,
    settle_places,
    take_group,
    take_model,
    take_seed,
)


def read_run(folder: Path, checkpoint: Path, given: Collection[str]) -> DictConfig:
    """Read the configuration with which a run goes on.

    Args:
        folder: the run folder.
        checkpoint: the one to go on from.
        given: the keys that the command line gives; what is stored of them does not matter.

    Returns:
        The configuration, complete with this version's defaults.

    Raises:
        LstmzooError: there is no such run, or its config.yaml is broken or says what no run has.
        CheckpointError: the checkpoint cannot be read.
    """
    stored = read_config(folder)
    origin = str(folder / "config.yaml")
    metadata: Any = load(checkpoint).metadata
    task, dataset = names_in(stored, origin)
    config = defaults_for(task, dataset)
    known = {str(key) for key in config} - {"hydra"}
    for key in stored:
        if key not in known:
            raise CheckpointError(f"{origin}: {unknown_choice('key', brief(key), known)}")
    trusts = getattr(datasets.get(dataset).target, "trusts", None)
    for group in ("data", "task"):
        settings = settings_of_choice(group, config[group].name)
        taken = take_group(stored.get(group, {}), settings, group, origin, given, trusts)
        if group == "data":
            taken |= {key: settings[key].default for key in OF_THIS_MACHINE if key in settings}
        OmegaConf.update(config, group, {"name": config[group].name, **taken}, merge=False)
    OmegaConf.update(config, "model", take_model(metadata, str(checkpoint)), merge=False)
    machine: Any = OmegaConf.to_container(config.trainer)
    trainer, left_out = take_recipe(stored.get("trainer", {}), machine, origin, given)
    OmegaConf.update(config, "trainer", trainer, merge=False)
    for group in ("optimizer", "scheduler"):
        if group in stored:  # those of before these groups had the defaults
            OmegaConf.update(config, group, take_named_class(group, stored[group], origin, given), merge=False)
    left_out += _take_callbacks(config, stored, origin, given)
    if left_out:
        print(f"Not taken from {origin} (give it on the command line): {printable(', '.join(left_out))}")
    config.seed = take_seed(stored, origin)
    if config.task.get("start_from") is not None:
        config.task.start_from = str(checkpoint)  # it has all that was taken over from there
    if config.task.get("ensemble") and "task.ensemble" not in given:
        config.task.ensemble = []
    tested = stored.get("test_after_fit", True)
    if not isinstance(tested, bool):
        raise CheckpointError(f"{origin} has test_after_fit={brief(tested)}; it is true or false")
    config.test_after_fit = tested
    settle_places(config, given)
    return config


def _take_callbacks(config: DictConfig, stored: dict[str, Any], origin: str, given: Collection[str]) -> list[str]:
    """Take over patience and progress; classes are not imported because a file says so."""
    values, loggers = (stored.get(group) or {} for group in ("callbacks", "logger"))
    for group, value in (("callbacks", values), ("logger", loggers)):
        if not isinstance(value, dict):
            raise CheckpointError(f"{origin} has {group}={brief(value)}; it is a group of keys")
    own = {key: value for key, value in values.items() if not isinstance(value, dict)}
    default: Any = OmegaConf.to_container(config.callbacks)
    taken = take_group(own, settings_like(default), "callbacks", origin, given)
    OmegaConf.update(config, "callbacks", taken, merge=False)
    found = [("callbacks", values), ("logger", loggers)]
    return [f"{group}.{brief(key)}" for group, all_ in found for key, value in all_.items() if isinstance(value, dict)]


def newest_run(folder: Path) -> Path:
    """The run folder below a folder in which a checkpoint was written last, for ``resume=latest``.

    Raises:
        LstmzooError: there is none.
    """
    checkpoints = [*folder.glob("**/checkpoints/last.ckpt")] if folder.is_dir() else []
    if not checkpoints:
        raise LstmzooError(f"resume=latest: there is no run with a checkpoint below {folder.resolve()}")
    return max(checkpoints, key=lambda path: path.stat().st_mtime).parents[1]
