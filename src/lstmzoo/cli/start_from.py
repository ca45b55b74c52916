"""A run that goes on from the checkpoint of another: it has that one's model, data and way of making sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lstmzoo.cli.compose import override_stored, parse
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
    contract = read_contract(Path(str(start_from)).expanduser())
    stored = {"model": _model_of(contract), "data": dict(contract["config"].get("data", {}))}
    if config.task.get("objective") == "scst" and stored["data"].get("flip"):
        stored["data"]["flip"] = False  # sentences are rewarded by what people said of the pictures as they are
    given = parse(overrides)
    chosen = {override.key_or_group for override in given}
    decoding = contract["config"].get("task", {}).get("decoding")
    if decoding and "task.decoding" not in chosen:
        known = _changed({"task": {"decoding": decoding}}, given, "task.decoding.", start_from)
        config.task.decoding = known.task.decoding
    for group, values in stored.items():
        if group in chosen:
            continue
        if not values:
            raise CheckpointError(f"{start_from} does not say what it was trained on: give data=NAME data.root=FOLDER")
        known = _changed({group: values}, given, f"{group}.", start_from)
        OmegaConf.update(config, group, known[group], merge=False)


def _changed(stored: dict[str, Any], given: Sequence[Any], below: str, start_from: Any) -> DictConfig:
    """What is stored, with what the command line says of keys below a place."""
    changes = [str(one.input_line) for one in given if one.key_or_group.startswith(below)]
    return override_stored(OmegaConf.create(stored), changes, origin=f"task.start_from={start_from}")


def _model_of(contract: dict[str, Any]) -> dict[str, Any]:
    """The model as a configuration has it: the number of words follows from the vocabulary."""
    arguments = {key: value for key, value in contract["model"]["args"].items() if key != "vocab_size"}
    return {"name": contract["model"]["name"], **arguments}
