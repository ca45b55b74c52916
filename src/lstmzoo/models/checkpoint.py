"""The checkpoint's metadata: a checkpoint file is enough by itself to rebuild a model and use it.

A checkpoint is what ``torch.save`` made of a dict with at least two entries::

    checkpoint["state_dict"]   the weights; those of the model have the prefix "model."
    checkpoint["lstmzoo"]      the metadata: primitive values only, see checkpoint_metadata

It loads with ``weights_only=True``: no object of ours is pickled. Folders of safetensors and JSON
(`pretrained.weights_folder`) are read as the same dict. Every command reads checkpoints through `open_checkpoint`, and
builds from the metadata what `rebuild` finds to fit the weights: a file from anyone may be read, it runs no code and
takes no more memory than it holds itself.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lstmzoo.errors import CheckpointError, LstmzooError, printable
from lstmzoo.models.checkpoint_file import check_weights, find, read
from lstmzoo.models.metadata import FORMAT, KEY, PREFIX, brief, check_metadata, words_of
from lstmzoo.models.model_registry import is_primitive, list_models
from lstmzoo.models.pretrained.ensemble import member_folders
from lstmzoo.models.pretrained.names import CONFIG, TENSORS
from lstmzoo.models.pretrained.remote import fetch_weights
from lstmzoo.models.pretrained.weights_folder import read_ensemble, read_weights
from lstmzoo.models.rebuild import rebuild
from lstmzoo.models.upgrades import upgrade_metadata
from lstmzoo.registry import tasks
from lstmzoo.version import __version__


def checkpoint_metadata(
    model_name: str,
    model_args: dict[str, Any],
    classes: list[str],
    transform: dict[str, Any],
    data: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
    vocabulary: dict[str, Any] | None = None,
    licences: Sequence[str] = (),
) -> dict[str, Any]:
    """Make the entry ``checkpoint["lstmzoo"]``.

    Args:
        model_name: the model's registered name, ``model.model_name``.
        model_args: its arguments, ``model.model_args``.
        classes: class names in the order of the logits; none for a captioner.
        transform: what turns a file into the model's input; for videos ``size`` [height, width], ``grey``,
            ``clip_len``, ``frame_interval``, and ``fps``, the rate that it is meant for; for images ``size``.
        data: settings of the data set it was trained on, for evaluation.
        config: the resolved configuration of the run.
        vocabulary: for a captioner: ``specials`` and ``words``, in the order of their ids.
        licences: of all the data that it was trained on, those of ``start_from`` first.

    Returns:
        A dict of primitive values: ``format``, ``version``, ``model`` {``name``, ``args``}, ``classes``,
        ``transform``, ``data``, ``config``, and ``vocabulary`` and ``licences`` where there are any.

    Raises:
        LstmzooError: a value is not primitive.
    """
    metadata = {
        "format": FORMAT,
        "version": __version__,
        "model": {"name": model_name, "args": model_args},
        "classes": list(classes),
        "transform": transform,
        "data": data or {},
        "config": config or {},
        **({"vocabulary": vocabulary} if vocabulary else {}),
        **({"licences": list(licences)} if licences else {}),
    }
    for key, value in metadata.items():
        if not is_primitive(value):
            raise LstmzooError(
                f"a checkpoint holds only numbers, strings, booleans, None, lists and dicts; got {key}={value!r}"
            )
    return metadata


def read_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what a checkpoint says about itself.

    Args:
        path: a checkpoint file, or a run folder (then its ``checkpoints/best.ckpt``).

    Returns:
        The metadata, as :func:`checkpoint_metadata` made it; of an ensemble, mostly that of its first member.

    Raises:
        CheckpointError: missing, damaged, not an lstmzoo checkpoint, or of a newer format.
    """
    ensemble = read_ensemble(Path(path))
    return open_checkpoint(path)[KEY] if ensemble is None else ensemble[KEY]


def load(
    path: str | os.PathLike[str], map_location: str | torch.device = "cpu", *, sha256: str | None = None
) -> nn.Module:
    """Rebuild a model from its checkpoint; nothing else is needed.

    Args:
        path: a checkpoint file, a run folder (then its ``checkpoints/best.ckpt``), a folder of weights, the name of
            weights in this package (``lstmzoo list weights``), or the https address of a .ckpt file or of a folder's
            config.json.
        map_location: the device to load to.
        sha256: of the file at an address, which is not loaded without it; it is fetched into the user's cache.

    Returns:
        The model, or several as one where the weights are those of an ensemble, in evaluation mode, with attributes
        ``classes`` (list of names) or ``words`` (a captioner's vocabulary, in the order of ids), ``transform`` (dict,
        see `checkpoint_metadata`), ``metadata`` (all of it) and ``checkpoint`` (the path).

    Raises:
        CheckpointError: missing, damaged, not an lstmzoo checkpoint, of a newer format, of a model that is not
            registered here or does not fit, or with weights that are not finite; an address without its sha256.
        DataError: what is at an address cannot be fetched, or is not what its sha256 says.
    """
    if isinstance(path, str) and "://" in path:
        path = fetch_weights(path, sha256)
    elif sha256 is not None:
        raise CheckpointError(f"sha256 belongs to an https address, and {path} is none")
    ensemble = read_ensemble(Path(path))
    model = _load_single(path) if ensemble is None else _load_ensemble(ensemble, str(path))
    model.to(map_location)
    model.checkpoint = str(path)
    return model.eval()


def _load_ensemble(config: dict[str, Any], path: str) -> Any:
    """Load the members, and what makes one model of them."""
    metadata = config[KEY]
    task = metadata["config"]["task"]["name"]
    if (combine := tasks.get(task).target.ensemble_class) is None:
        raise CheckpointError(f"{path} is an ensemble, and there are none in the task {task}")
    members = []
    for name, folder in member_folders(config["members"], path).items():
        members.append(_load_single(folder))
        members[-1].checkpoint = name
    return _described(combine(members), metadata)


def _load_single(path: str | os.PathLike[str]) -> Any:
    checkpoint = open_checkpoint(path)
    metadata = checkpoint[KEY]
    name = metadata["model"]["name"]
    if name not in list_models():
        raise CheckpointError(
            f"{path} holds a model {name!r}, which is not registered; registered: {', '.join(list_models())}. "
            "For a model of your own, import the module that registers it before loading; on the command line, name it "
            "in LSTMZOO_IMPORT"
        )
    weights = {
        key.removeprefix(PREFIX): weight for key, weight in checkpoint["state_dict"].items() if key.startswith(PREFIX)
    }
    origin = f"{path} (written by lstmzoo {metadata['version']})"
    return _described(rebuild(name, metadata["model"]["args"], weights, origin), metadata)


def _described(model: Any, metadata: dict[str, Any]) -> Any:
    """The model with what its metadata says about its input and output."""
    model.classes = metadata["classes"]
    model.transform = metadata["transform"]
    model.metadata = metadata
    if "vocabulary" in metadata:
        model.words = words_of(metadata["vocabulary"])
    return model


def open_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read all of a checkpoint, with everything that training needs to go on, and make sure that it is whole.

    Args:
        path: a checkpoint file, a run folder, a folder of weights or the name of weights, see `load`.

    Returns:
        What was saved; the tensors are views of the file.

    Raises:
        CheckpointError: missing, damaged, not an lstmzoo checkpoint, of a newer format, or with weights that are not
            finite.
    """
    file = find(Path(path))
    if file.name in (CONFIG, TENSORS):
        return read_weights(file.parent)
    checkpoint = read(file)
    if not isinstance(checkpoint, dict):
        raise CheckpointError(f"{file} is not an lstmzoo checkpoint: it holds a {type(checkpoint).__name__}")
    lacking = [key for key in (KEY, "state_dict") if not isinstance(checkpoint.get(key), dict)]
    if lacking:
        names = [printable(key[:80]) if isinstance(key, str) else brief(key) for key in checkpoint]
        keys = ", ".join(names[:20]) or "none"
        raise CheckpointError(
            f"{file} is not an lstmzoo checkpoint: it has no {' and '.join(map(repr, lacking))}; its keys: {keys}"
        )
    check_metadata(checkpoint[KEY], file)
    upgrade_metadata(checkpoint[KEY])
    check_weights(checkpoint["state_dict"], file)
    return checkpoint
