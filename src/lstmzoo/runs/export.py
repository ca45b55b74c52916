"""A run as a folder of weights, with what is known about it; nothing is measured."""

import json
import math
import shlex
from pathlib import Path
from typing import Any

from lstmzoo.errors import DataError
from lstmzoo.models.checkpoint import load
from lstmzoo.models.checkpoint_file import find
from lstmzoo.models.pretrained.card import NOT_STATED, joined, licences_of
from lstmzoo.models.pretrained.names import CONFIG, TENSORS
from lstmzoo.models.pretrained.weights_folder import (
    check_single,
    fingerprint,
    read_config,
    write_ensemble,
    write_weights,
)
from lstmzoo.registry import tasks
from lstmzoo.runs.measured import LARGEST, OWN_TEST
from lstmzoo.runs.request import beside
from lstmzoo.runs.stored import task_name

MOST_NAMES = 12
"""Sequences that are named where so few were measured: a split of one's own, most likely."""


def export_weights(
    path: Path, output: Path, *, float16: bool = False, licence: str | None = None, failures: Path | None = None
) -> None:
    """Write the weights of a checkpoint, or the names of an ensemble's members, and what its run says about them.

    Args:
        path: a checkpoint, a run folder, a folder of weights or a name.
        output: the folder; its name is that of the weights.
        float16: round matrices and kernels to float16.
        licence: of the data of which none is stated; those that are stated hold as well.
        failures: a text in Markdown about what goes wrong; None keeps that of the weights in `output`, or at `path`.

    Raises:
        LstmzooError: the checkpoint cannot be read or rounded, or the folder not be written.
    """
    if float16:
        check_single(path, "float16=true")
    model: Any = load(path)
    task, data = task_name(model.metadata, str(path)), model.metadata["data"].get("name")
    known = read_config(find(path).parent) if find(path).name in (CONFIG, TENSORS) else {"card": {}, "weights": {}}
    metadata = {**model.metadata, "licences": _licences(model.metadata, licence)}
    card = {
        "task": task,
        "licence": joined(metadata["licences"]),
        "pipeline_tag": getattr(model, "pipeline_tag", ""),
        "headline": tasks.get(task).target.headline_of(metadata["classes"]),
        "metrics": _metrics(path, known, data, output.name) or known["card"].get("metrics", []),
        "failures": _failures(failures, output) or known["card"].get("failures", ""),
    }
    if "members" in known:
        write_ensemble(output, known, card)
    else:
        write_weights(output, model, metadata, card, float16)


def _licences(metadata: dict[str, Any], more: str | None) -> list[str]:
    """All that are known; one that is given is of the data of which none is, or of data that no setting names."""
    licences = licences_of(metadata)
    if more is None:
        return licences
    return [*dict.fromkeys([*(one for one in licences if not one.startswith(NOT_STATED)), more])]


def _metrics(path: Path, known: dict[str, Any], data: str | None, name: str) -> list[dict[str, Any]]:
    """What was measured of a checkpoint alone, from the results in its run; its own test first, then few options."""
    run, digest, kind = beside(path, ""), fingerprint(path), known["weights"].get("type", "float32")
    commit = _read_json(run / "versions.json").get("git")
    entries = []
    for file in sorted(run.glob("*/metrics.json")):
        found = _read_json(file)
        try:
            overrides = found["measured"]["overrides"]
            if found["measured"]["sha256"] == digest and found.get("ensemble") == known.get("members"):
                place = (file.parent.name != OWN_TEST, len(overrides))
                entries.append((place, _entry(found, data, name, commit) | {"type": kind}))
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{file} is not what lstmzoo eval writes: {error}; delete it, or move it away") from error
    return [entry for _, entry in sorted(entries, key=lambda one: one[0])]


def _entry(found: dict[str, Any], data: str | None, name: str, commit: str | None) -> dict[str, Any]:
    """One measurement: the numbers, and the command that gives them again."""
    measured = found["measured"]
    overrides = [word for word in measured["overrides"] if not Path(word.partition("=")[2]).is_absolute()]
    chosen = [word.partition("=")[2] for word in overrides if word.startswith("data=")]
    names = sorted(map(str, found.get("sequences") or {}))
    words = ["lstmzoo", "eval", f"ckpt_path={name}", f"split={measured['split']}", *overrides]
    return {
        "data": chosen[-1] if chosen else data,
        "split": measured["split"],
        "values": {key: value for key, value in found.items() if _is_score(key, value)},
        "command": shlex.join(words),
        "commit": measured.get("commit") or commit,
        "date": measured.get("date"),
        **({"sequences": names} if 0 < len(names) <= MOST_NAMES else {}),
        **({"num_sequences": count} if type(count := found.get("num_sequences")) is int else {}),
    }


def _is_score(key: str, value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and not key.startswith("num_")


def _failures(file: Path | None, output: Path) -> str:
    if file is not None:
        try:
            return file.expanduser().read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise DataError(f"failures={file} cannot be read: {error}") from error
    return read_config(output)["card"].get("failures", "") if (output / CONFIG).is_file() else ""


def _read_json(file: Path) -> dict[str, Any]:
    """A JSON file of the run; nothing where it is missing."""
    try:
        found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() and file.stat().st_size < LARGEST else {}
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    return found if isinstance(found, dict) else {}
