"""The format of weights: a folder of ``model.safetensors``, ``config.json`` and a card, ``README.md``.

    config["lstmzoo"]   what a checkpoint says about itself, see `checkpoint_metadata`: model, classes or vocabulary,
                        transform with its frame rate, data, configuration of the run, version
    config["weights"]   sha256 of model.safetensors, its type (float32 or float16), and the weights that are left out
                        because they are those of the packaged encoder (`shared`)
    config["card"]      what people want to know: task, licence of the data, scores and how they were measured, failures

An ensemble has neither tensors nor the first two entries: they follow from its members (`ensemble`).

Nothing in it is pickled. Anyone may have written such a folder; it is read as carefully as a checkpoint is.
"""

import json
import os
import struct
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lstmzoo.errors import CheckpointError, LstmzooError
from lstmzoo.io.atomic import replacing_folder, write_json
from lstmzoo.io.download import digest_of
from lstmzoo.models.checkpoint_file import MOST_MEMBERS, check_weights, find
from lstmzoo.models.metadata import KEY, PREFIX, brief, check_metadata, check_plain
from lstmzoo.models.pretrained.card import model_card
from lstmzoo.models.pretrained.ensemble import complete, member_folders
from lstmzoo.models.pretrained.names import CARD, CONFIG, SHIPPED, TENSORS
from lstmzoo.models.pretrained.shared import restored, shared_part
from lstmzoo.models.upgrades import upgrade_metadata

NOT_FINITE = "they were written so. Get another copy from whoever made them, or use other weights"
"""What to do about it: who loads a folder of weights has rarely trained them."""

LARGEST_TEXT = 20_000_000
"""Bytes of config.json, and of the header of model.safetensors."""


def write_weights(
    folder: Path, model: nn.Module, metadata: dict[str, Any], card: dict[str, Any], float16: bool = False
) -> None:
    """Write a folder of weights; it is there as a whole or not at all.

    Args:
        folder: where; one that holds weights is replaced, anything else in it is in the way.
        model: whose weights are written.
        metadata: see `checkpoint_metadata`; paths of this machine are left out.
        card: what people want to know.
        float16: round matrices and kernels; vectors, as those of batch normalisation, stay as they are.

    Raises:
        LstmzooError: other files in the folder, metadata that could not be read again, or numbers beyond float16.
    """
    _check_free(folder)
    metadata, weights = _without_paths(metadata), model.state_dict()
    check_metadata(metadata, folder / CONFIG)
    shared = shared_part(weights)
    left_out = {shared["prefix"] + key for key in shared["tensors"]} if shared else set()
    tensors = {
        name: (_rounded(name, weight) if float16 else weight).detach().cpu().contiguous().clone()
        for name, weight in weights.items()
        if name not in left_out
    }
    with replacing_folder(folder) as unfinished:
        save_file(tensors, unfinished / TENSORS, metadata={"format": "pt"})
        about: dict[str, Any] = {"sha256": digest_of(unfinished / TENSORS), "type": "float16" if float16 else "float32"}
        about["parameters"] = sum(weight.numel() for weight in model.parameters())
        config = {"library_name": "lstmzoo", KEY: metadata, "weights": about, "card": card}
        if shared:
            about["encoder"] = shared
        write_json(unfinished / CONFIG, config)
        (unfinished / TENSORS).chmod((unfinished / CONFIG).stat().st_mode)  # safetensors lets nobody else read it
        _write_card(unfinished, folder, config)


def write_ensemble(folder: Path, config: dict[str, Any], card: dict[str, Any]) -> None:
    """Write an ensemble; it is there as a whole or not at all.

    Args:
        folder: where, see `write_weights`.
        config: that of an ensemble, from `read_config`.
        card: what people want to know.

    Raises:
        LstmzooError: other files in the folder.
    """
    _check_free(folder)
    stored: dict[str, Any] = {key: config[key] for key in ("library_name", "members", "task") if key in config}
    with replacing_folder(folder) as unfinished:
        write_json(unfinished / CONFIG, {**stored, "card": card})
        _write_card(unfinished, folder, {**config, "card": card})


def read_weights(folder: Path) -> dict[str, Any]:
    """Read a folder of weights as what `open_checkpoint` makes of a checkpoint.

    Raises:
        CheckpointError: files are missing, damaged, of another kind, or do not belong together.
    """
    config, file = read_config(folder), folder / TENSORS
    about, origin = config["weights"], str(folder / CONFIG)
    if not file.is_file():
        raise CheckpointError(f"{folder} has no {TENSORS}")
    _check_header(file)
    found = digest_of(file)
    if found != about.get("sha256"):
        raise CheckpointError(
            f"{file} is damaged, incomplete or another file: its SHA-256 is {found}, {CONFIG} says "
            f"{brief(about.get('sha256'))}; fetch it again"
        )
    try:
        tensors = load_file(file)
    except Exception as error:  # a header may hold anything
        raise CheckpointError(f"{file} cannot be read: {' '.join(str(error).split())[:200]}") from error
    check_weights(tensors, file, NOT_FINITE)
    shared = restored(about["encoder"], origin) if "encoder" in about else {}
    if both := sorted(shared.keys() & tensors.keys()):
        raise CheckpointError(f"{origin} lists {both[0][:80]!r} as left out, but it is in {TENSORS}")
    full = {name: weight.float() if weight.dtype == torch.float16 else weight for name, weight in tensors.items()}
    return {KEY: config[KEY], "state_dict": {PREFIX + name: weight for name, weight in (full | shared).items()}}


def read_ensemble(path: Path) -> dict[str, Any] | None:
    """Read the config of an ensemble; None for a checkpoint, or weights with tensors of their own.

    Raises:
        CheckpointError: there is nothing at the path, or it cannot be read.
    """
    file = find(path)
    config = read_config(file.parent) if file.name == CONFIG else {}
    return config if "members" in config else None


def check_single(path: Path, purpose: str) -> None:
    """Check that a path means one model, not an ensemble.

    Raises:
        CheckpointError: it means an ensemble.
    """
    if (config := read_ensemble(path)) is not None:
        raise CheckpointError(
            f"{path} is an ensemble, and {purpose} needs a single model; choose one of its members: "
            f"{', '.join(config['members'])}"
        )


def fingerprint(path: Path) -> str:
    """The SHA-256 of a checkpoint; that of an ensemble follows from those of its members and from its settings.

    Raises:
        CheckpointError: there is none, or an ensemble that cannot be read.
    """
    config = read_ensemble(path)
    return digest_of(find(path)) if config is None else config["weights"]["sha256"]


def read_config(folder: Path) -> dict[str, Any]:
    """Read config.json, checked: plain values, metadata as that of checkpoints, in the names of this version.

    That of an ensemble is completed by those of its members.

    Raises:
        CheckpointError: it is missing, damaged or something else.
    """
    file = folder / CONFIG
    if not file.is_file():
        raise CheckpointError(f"{folder} has no {CONFIG}; a folder of weights holds {CONFIG} and {TENSORS}")
    try:
        if os.path.getsize(file) > LARGEST_TEXT:
            raise ValueError(f"larger than {LARGEST_TEXT:,} bytes")
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{file} cannot be read: {str(error)[:200] or type(error).__name__}") from error
    check_plain(config, str(file))
    if isinstance(config, dict) and "members" in config:
        folders = member_folders(config["members"], str(file))
        config = complete(config, [read_config(one) for one in folders.values()], str(file))
    parts = [config.get(key) for key in (KEY, "weights", "card")] if isinstance(config, dict) else [None]
    if not all(isinstance(part, dict) for part in parts):
        raise CheckpointError(f"{file} is not that of lstmzoo's weights: it needs {KEY!r}, 'weights' and 'card'")
    _check_card(config["card"], file)
    check_metadata(config[KEY], file)
    upgrade_metadata(config[KEY])
    return config  # type: ignore[no-any-return]


def _check_free(folder: Path) -> None:
    strange = sorted({one.name for one in folder.iterdir()} - {CONFIG, TENSORS, CARD}) if folder.is_dir() else []
    if strange:
        raise LstmzooError(f"{folder} holds {', '.join(strange[:5])}; choose an empty folder, or one with weights only")


def _write_card(unfinished: Path, folder: Path, config: dict[str, Any]) -> None:
    text = model_card(config, folder.name, is_shipped=folder.resolve().parent == SHIPPED)
    (unfinished / CARD).write_text(text, encoding="utf-8")


def _check_card(card: dict[str, Any], file: Path) -> None:
    """Check what cards are written from."""
    metrics = card.get("metrics", [])
    sound = isinstance(metrics, list) and all(
        isinstance(one, dict)
        and all(isinstance(one.get(key), str) for key in ("data", "split", "command"))
        and isinstance(one.get("commit"), str | None)
        and isinstance(values := one.get("values"), dict)
        and all(type(value) in (int, float) for value in values.values())
        and isinstance(names := one.get("sequences", []), list)
        and all(isinstance(name, str) for name in names)
        and type(one.get("num_sequences", 0)) is int
        for one in metrics
    )
    texts = ("task", "licence", "pipeline_tag", "headline", "failures", "repository")
    if not sound or not all(isinstance(card.get(key, ""), str) for key in texts):
        raise CheckpointError(
            f"{file}: its card is not one of lstmzoo's: texts ({', '.join(texts)}) and metrics, each with data, split, "
            "command and values; delete the entry 'metrics', or fetch the weights again"
        )


def _check_header(file: Path) -> None:
    """Check the sizes that the file says of itself before anything is made of them."""
    with open(file, "rb") as stream:
        start = stream.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else LARGEST_TEXT
        header = stream.read(length) if length < LARGEST_TEXT else b""
    if len(header) != length or header.count(b'"dtype"') > MOST_MEMBERS:
        raise CheckpointError(f"{file} is damaged, incomplete or no file of safetensors; fetch it again")


def _rounded(name: str, weight: Tensor) -> Tensor:
    if weight.dim() < 2 or weight.dtype != torch.float32:
        return weight
    if not (rounded := weight.half()).isfinite().all():
        raise LstmzooError(f"the weight {name} has numbers beyond those of float16: leave float16 out")
    return rounded


def _without_paths(value: Any) -> Any:
    """The value without entries that are paths of this machine: nobody else has them, and they say who made it."""
    if isinstance(value, dict):
        return {key: _without_paths(one) for key, one in value.items() if not _is_path(one)}
    return [_without_paths(one) for one in value if not _is_path(one)] if isinstance(value, list | tuple) else value


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and os.path.isabs(value)
