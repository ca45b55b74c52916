"""A run that goes on from the checkpoint of another: it has that one's model, data and way of making sentences."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lstmzoo.config.compose import override_stored, parse
from lstmzoo.runs.stored import settle_places, take_contract, take_group, take_model
from lstmzoo.errors import CheckpointError
from lstmzoo.models.checkpoint import read_contract


def take_over(config: DictConfig, overrides: Sequence[str]) -> None:
    """Put model, data and decoding of the checkpoint that ``task.start_from`` names into a configuration.

    The weights fit one model only, what was learnt goes with its data, and numbers before and after can be compared
    where sentences are made in one way; so the checkpoint wins over the choices of an experiment. The command line wins
    over the checkpoint: a whole group (``data=coco``) or single keys of it.

    Args:
        config: as from ``configs/train.yaml``; changed in place. One that names no checkpoint stays as it is.
        overrides: what the command line says.

    Raises:
        CheckpointError: the checkpoint cannot be read, or holds no data settings and the command line neither.
        LstmzooError: a key that the checkpoint's model or data do not have.
    """
    start_from = config.task.get("start_from")
    if start_from is None:
        return
    origin = str(Path(str(start_from)).expanduser())
    contract = read_contract(origin)
    given = parse(overrides)
    chosen = {override.key_or_group for override in given}
    stored = {"model": take_model(contract, origin), "data": _data_of(contract, origin, chosen)}
    if config.task.get("objective") == "scst" and stored["data"].get("flip"):
        stored["data"]["flip"] = False  # sentences are rewarded by what people said of the pictures as they are
    task = contract["config"].get("task")
    if isinstance(task, dict) and task.get("decoding") and "task.decoding" not in chosen:
        default = OmegaConf.to_container(config.task.decoding)
        decoding = take_group(task["decoding"], default, "task.decoding", origin, chosen)
        known = _changed({"task": {"decoding": decoding}}, given, "task.decoding.", start_from)
        config.task.decoding = known.task.decoding
    for group, values in stored.items():
        if group in chosen:
            continue
        if not values:
            raise CheckpointError(f"{start_from} does not say what it was trained on: give data=NAME data.root=FOLDER")
        known = _changed({group: values}, given, f"{group}.", start_from)
        OmegaConf.update(config, group, known[group], merge=False)
    if "data" not in chosen:
        settle_places(config, chosen)


def _data_of(contract: dict[str, Any], origin: str, chosen: Collection[str]) -> dict[str, Any]:
    """The data settings of a checkpoint; none where it has none, or where the command line chooses others."""
    if "data" in chosen or not contract["config"].get("data"):
        return {}
    data = OmegaConf.to_container(take_contract(contract, origin, chosen)[0].data)
    assert isinstance(data, dict)
    return data  # type: ignore[return-value]


def _changed(stored: dict[str, Any], given: Sequence[Any], below: str, start_from: Any) -> DictConfig:
    """What is stored, with what the command line says of keys below a place."""
    changes = [str(one.input_line) for one in given if one.key_or_group.startswith(below)]
    return override_stored(OmegaConf.create(stored), changes, origin=f"task.start_from={start_from}")
