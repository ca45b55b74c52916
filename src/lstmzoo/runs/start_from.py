"""A run that goes on from the checkpoint of another: it has that one's model and data."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lstmzoo.config.choices import check_together
from lstmzoo.config.compose import override_stored
from lstmzoo.config.groups import settings_of_choice
from lstmzoo.config.overrides import parse
from lstmzoo.errors import CheckpointError
from lstmzoo.models.checkpoint import read_metadata
from lstmzoo.models.pretrained.weights_folder import check_single
from lstmzoo.registry import tasks
from lstmzoo.runs.stored import settle_places, take_group, take_metadata, take_model


def inherit(config: DictConfig, overrides: Sequence[str]) -> None:
    """Put model and data of the checkpoint that ``task.start_from`` names into a configuration.

    The weights fit one model only, and what was learnt goes with its data; so the checkpoint wins over the choices of
    an experiment. The command line wins over the checkpoint: a whole group (``data=coco``) or single keys of it. What
    else of the task is inherited, the task says.

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
    check_single(Path(origin), "training")
    metadata = read_metadata(origin)
    given = parse(overrides)
    chosen = {override.key_or_group for override in given}
    stored = {"model": take_model(metadata, origin), "data": _data_of(metadata, origin, chosen)}
    task = tasks.get(config.task.name).target
    task.adapt_inherited(stored["data"], config.task)
    for key in task.INHERITED:
        _inherit_setting(config, metadata, key, given, origin)
    for group, values in stored.items():
        if group in chosen:
            continue
        if not values:
            raise CheckpointError(f"{start_from} does not say what it was trained on: give data=NAME data.root=FOLDER")
        known = _changed({group: values}, given, f"{group}.", start_from)
        OmegaConf.update(config, group, known[group], merge=False)
    check_together(config)
    if "data" not in chosen:
        settle_places(config, chosen)
        return
    for key in task.transform_keys:  # other data are seen as the model is used to
        if key in config.data and key in metadata["transform"] and f"data.{key}" not in chosen:
            config.data[key] = metadata["transform"][key]


def _inherit_setting(config: DictConfig, metadata: dict[str, Any], key: str, given: Sequence[Any], origin: str) -> None:
    """Take over one setting of the task, where the command line does not replace it."""
    stored, name = metadata["config"].get("task"), f"task.{key}"
    chosen = {override.key_or_group for override in given}
    if name in chosen or not isinstance(stored, dict) or key not in stored:
        return
    settings = {key: settings_of_choice("task", config.task.name)[key]}
    taken = take_group({key: stored[key]}, settings, "task", origin, chosen)
    known = _changed({"task": {"name": config.task.name, **taken}}, given, f"{name}.", origin)
    OmegaConf.update(config, name, known.task[key])


def _data_of(metadata: dict[str, Any], origin: str, chosen: Collection[str]) -> dict[str, Any]:
    """The data settings of a checkpoint; none where it has none, or where the command line chooses others."""
    if "data" in chosen or not metadata["config"].get("data"):
        return {}
    data = OmegaConf.to_container(take_metadata(metadata, origin, chosen)[0].data)
    assert isinstance(data, dict)
    return data  # type: ignore[return-value]


def _changed(stored: dict[str, Any], given: Sequence[Any], below: str, start_from: Any) -> DictConfig:
    """What is stored, with what the command line says of keys below a place."""
    changes = [str(one.input_line) for one in given if one.key_or_group.startswith(below)]
    return override_stored(OmegaConf.create(stored), changes, origin=f"task.start_from={start_from}")
