"""Ensembles as weights: a config.json that names other weights in this package, and no tensors.

    config["members"]   names of weights, whose probabilities are averaged
    config["task"]      settings of the task in place of those of the first member, e.g. how captions are decoded
    config["card"]      as that of all weights

All else is that of the first member.
"""

import hashlib
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from lstmzoo.errors import CheckpointError
from lstmzoo.models.metadata import KEY, brief
from lstmzoo.models.pretrained.card import joined, licences_of
from lstmzoo.models.pretrained.names import TENSORS, shipped


def member_folders(names: Any, origin: str) -> dict[str, Path]:
    """The folders of the members, by name.

    Raises:
        CheckpointError: they are not names of weights in this package, at least two and all different.
    """
    single = {name: folder for name, folder in shipped().items() if (folder / TENSORS).is_file()}
    sound = isinstance(names, list) and all(isinstance(name, str) and name in single for name in names)
    if not sound or len({*names}) != len(names) or len(names) < 2:
        raise CheckpointError(
            f"{origin} has members={brief(names)}; an ensemble names at least two of the weights in this package, each "
            f"once and no other ensemble: {', '.join(single)}"
        )
    return {name: single[name] for name in names}


def complete(config: dict[str, Any], members: list[dict[str, Any]], origin: str) -> dict[str, Any]:
    """The config of an ensemble with all that the configs of its members say.

    Raises:
        CheckpointError: its settings of the task are none that the first member's task has.
    """
    metadata, settings = deepcopy(members[0][KEY]), config.get("task", {})
    _check_settings(settings, metadata["config"]["task"], f"{origin}: task")
    metadata["config"]["task"] |= settings
    metadata["licences"] = [*dict.fromkeys(one for member in members for one in licences_of(member[KEY]))]
    weights = [member["weights"] for member in members]
    same = [*(one["sha256"] for one in weights), json.dumps(settings, sort_keys=True)]
    about = {
        "sha256": hashlib.sha256(" ".join(same).encode()).hexdigest(),
        "type": joined(one["type"] for one in weights),
        "parameters": sum(one["parameters"] for one in weights),
    }
    return {**config, KEY: metadata, "weights": about}


def _check_settings(given: Any, known: dict[str, Any], name: str) -> None:
    """Compare settings with those of a member: their names, and which are groups; values are the task's to check."""
    if not isinstance(given, dict):
        raise CheckpointError(f"{name}={brief(given)}; it is a group of keys")
    for key, value in given.items():
        if key not in known:
            raise CheckpointError(f"{name} has {brief(key)}; valid: {', '.join(known)}")
        if isinstance(known[key], dict) and not isinstance(value, dict):
            raise CheckpointError(f"{name}.{key}={brief(value)}; it is a group of keys")
