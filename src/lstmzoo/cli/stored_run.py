"""The configuration of a run folder, for `resume`: as of a checkpoint (`lstmzoo.cli.stored`), and how it is trained.

A run folder may have come from someone else, too. Its model is that of its checkpoint, whose weights were found to fit;
how it is trained (`trainer`, `callbacks`, `logger`) is taken over, since a resumed run is to end as if it had never
stopped, but for what would reach beyond this machine's means: more devices or processes than it has, other folders,
several nodes. Those are for the command line to say.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from lstmzoo.cli.run_folder import read_config
from lstmzoo.cli.stored import defaults_for, settle_places, take_group, take_model, take_seed
from lstmzoo.errors import CheckpointError, unknown_choice
from lstmzoo.models import load
from lstmzoo.models.contract import brief

NOT_FROM_A_FILE = ("callbacks", "default_root_dir", "logger", "num_nodes", "plugins")
"""Arguments of Lightning's Trainer that a run folder does not decide."""


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
    contract: Any = load(checkpoint).contract
    config = defaults_for(stored, origin)
    known = {str(key) for key in config} - {"hydra"}
    for key in stored:
        if key not in known:
            raise CheckpointError(f"{origin}: {unknown_choice('key', brief(key), known)}")
    for group in ("data", "task", "callbacks", "logger"):
        default = OmegaConf.to_container(config[group])
        OmegaConf.update(config, group, take_group(stored.get(group, {}), default, group, origin, given), merge=False)
    OmegaConf.update(config, "model", take_model(contract, str(checkpoint)), merge=False)
    OmegaConf.update(config, "trainer", _take_trainer(stored.get("trainer", {}), config, origin, given), merge=False)
    config.seed = take_seed(stored, origin)
    if config.task.get("start_from") is not None:
        config.task.start_from = str(checkpoint)  # it has all that was taken over from there
    if config.task.get("ensemble") and "task.ensemble" not in given:
        config.task.ensemble = []
    tested = stored.get("test_after_fit", True)
    if not isinstance(tested, bool):
        raise CheckpointError(f"{origin} has test_after_fit={brief(tested)}; it is true or false")
    config.test_after_fit = tested
    if "num_workers" in config.data and "data.num_workers" not in given:
        _check_number("data.num_workers", config.data.num_workers, max(8, 2 * _cores()), origin)
    if "cache_dir" in config.data and "data.cache_dir" not in given:
        config.data.cache_dir = None
    settle_places(config, given)
    return config


def _take_trainer(stored: Any, config: DictConfig, origin: str, given: Collection[str]) -> dict[str, Any]:
    """The arguments of Lightning's Trainer, also those that configs/trainer does not list."""
    from lightning.pytorch import Trainer

    default: Any = OmegaConf.to_container(config.trainer)
    more = {key for key in inspect.signature(Trainer).parameters if key not in NOT_FROM_A_FILE}
    free = more - default.keys() | {"devices", "strategy", "max_time"}
    extra: dict[str, Any] = {}
    if isinstance(stored, dict):
        extra = {key: value for key, value in stored.items() if key in free and f"trainer.{key}" not in given}
        stored = {key: value for key, value in stored.items() if key not in free}
    taken = take_group(stored, default, "trainer", origin, given) | extra
    for key, value in extra.items():
        scalars = value if isinstance(value, list) and key == "devices" else [value]
        if not all(one is None or isinstance(one, bool | int | float | str) for one in scalars) or "/" in str(value):
            raise CheckpointError(f"{origin} has trainer.{key}={brief(value)}; give trainer.{key}=... if it is right")
    if taken.get("num_nodes", 1) != 1:
        raise CheckpointError(
            f"{origin} has trainer.num_nodes={taken['num_nodes']}; give trainer.num_nodes=... if it is right"
        )
    devices = taken.get("devices")
    count = len(devices) if isinstance(devices, list) else devices
    _check_number("trainer.devices", count if str(count).lstrip("-").isdigit() else 1, _devices(), origin)
    return taken


def _check_number(key: str, value: Any, most: int, origin: str) -> None:
    if int(value) > most:
        raise CheckpointError(f"{origin} has {key}={value}; this machine has room for {most}: give {key}=...")


def _cores() -> int:
    return os.cpu_count() or 1


def _devices() -> int:
    return max(_cores(), torch.cuda.device_count())
