"""The configuration of a run folder, for `resume`: as of a checkpoint (`lstmzoo.runs.stored`), and how it is trained.

A run folder may have come from someone else, too. Its model is that of its checkpoint, whose weights were found to fit;
the recipe of its training is taken over (`lstmzoo.runs.recipe`), and what reports on it (`callbacks`, `logger`).
Devices, processes and folders are for the command line to say.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lstmzoo.runs.recipe import take_recipe
from lstmzoo.runs.folder import read_config
from lstmzoo.runs.stored import NOT_TAKEN, defaults_for, settle_places, take_group, take_model, take_seed
from lstmzoo.errors import CheckpointError, printable, unknown_choice
from lstmzoo.models import load
from lstmzoo.models.contract import brief


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
        default: Any = OmegaConf.to_container(config[group])
        taken = take_group(stored.get(group, {}), default, group, origin, given)
        if group == "data":
            taken |= {key: default[key] for key in NOT_TAKEN["data"] if key in default}
        OmegaConf.update(config, group, taken, merge=False)
    OmegaConf.update(config, "model", take_model(contract, str(checkpoint)), merge=False)
    machine: Any = OmegaConf.to_container(config.trainer)
    trainer, left_out = take_recipe(stored.get("trainer", {}), machine, origin, given)
    OmegaConf.update(config, "trainer", trainer, merge=False)
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
