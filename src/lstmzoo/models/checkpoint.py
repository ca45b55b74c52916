"""The checkpoint contract: a checkpoint file is enough by itself to rebuild a model and use it.

A checkpoint is what ``torch.save`` made of a dict with at least two entries::

    checkpoint["state_dict"]   the weights; those of the model have the prefix "model."
    checkpoint["lstmzoo"]      the contract: primitive values only, see save_contract

It loads with ``weights_only=True``: no object of ours is pickled.
"""

from __future__ import annotations

import os
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lstmzoo import __version__
from lstmzoo.errors import CheckpointError, LstmzooError
from lstmzoo.models.encoders import weights_follow
from lstmzoo.models.registry import create_model, is_primitive, list_models

FORMAT = 1
KEY = "lstmzoo"
PREFIX = "model."


def save_contract(
    model_name: str,
    model_args: dict[str, Any],
    classes: list[str],
    transform: dict[str, Any],
    data: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
    vocabulary: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Make the entry ``checkpoint["lstmzoo"]``.

    Args:
        model_name: the model's registered name, ``model.model_name``.
        model_args: its arguments, ``model.model_args``.
        classes: class names in the order of the logits; none for a captioner.
        transform: what turns a file into the model's input; for videos ``size`` [height, width], ``grey``,
            ``clip_len``, ``frame_interval``, and ``fps``, the rate that it is meant for; for pictures ``size``.
        data: settings of the data set it was trained on, for evaluation.
        config: the resolved configuration of the run.
        vocabulary: for a captioner: ``specials`` and ``words``, in the order of their ids.

    Returns:
        A dict of primitive values: ``format``, ``version``, ``model`` {``name``, ``args``}, ``classes``,
        ``transform``, ``data``, ``config``, and ``vocabulary`` where there is one.

    Raises:
        LstmzooError: a value is not primitive.
    """
    contract = {
        "format": FORMAT,
        "version": __version__,
        "model": {"name": model_name, "args": model_args},
        "classes": list(classes),
        "transform": transform,
        "data": data or {},
        "config": config or {},
        **({"vocabulary": vocabulary} if vocabulary else {}),
    }
    for key, value in contract.items():
        if not is_primitive(value):
            raise LstmzooError(
                f"a checkpoint holds only numbers, strings, booleans, None, lists and dicts; got {key}={value!r}"
            )
    return contract


def read_contract(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what a checkpoint says about itself.

    Args:
        path: a checkpoint file, or a run folder (then its ``checkpoints/best.ckpt``).

    Returns:
        The contract, as :func:`save_contract` made it.

    Raises:
        CheckpointError: missing, damaged, not an lstmzoo checkpoint, or of a newer format.
    """
    return _read(path)[0]


def load(path: str | os.PathLike[str], map_location: str | torch.device = "cpu") -> nn.Module:
    """Rebuild a model from its checkpoint; nothing else is needed.

    Args:
        path: a checkpoint file, or a run folder (then its ``checkpoints/best.ckpt``).
        map_location: the device to load to.

    Returns:
        The model in evaluation mode, with attributes ``classes`` (list of names) or ``words`` (a captioner's
        vocabulary, in the order of ids), ``transform`` (dict, see `save_contract`) and ``contract`` (all of it).

    Raises:
        CheckpointError: missing, damaged, not an lstmzoo checkpoint, of a newer format, or of a model that is not
            registered here.
    """
    contract, weights = _read(path)
    name, args = contract["model"]["name"], contract["model"]["args"]
    if name not in list_models():
        raise CheckpointError(
            f"{path} holds a model {name!r}, which is not registered; registered: {', '.join(list_models())}. "
            "For a model of your own, import the module that registers it before loading"
        )
    try:
        with weights_follow():
            model: Any = create_model(name, **args).to(map_location)
        model.load_state_dict(weights)
    except (LstmzooError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} (written by lstmzoo {contract['version']}) does not fit this version's {name!r}: "
            + textwrap.shorten(str(error), 500)
        ) from error
    model.classes = contract["classes"]
    model.transform = contract["transform"]
    model.contract = contract  # type: ignore[assignment]
    if "vocabulary" in contract:
        model.words = words_of(contract["vocabulary"])  # type: ignore[assignment]
    return model.eval()


def words_of(vocabulary: dict[str, Any]) -> list[str]:
    """All words of a contract's vocabulary, the special ones first, in the order of their ids."""
    return [*vocabulary["specials"], *vocabulary["words"]]


def _refuse_strange_modules(file: Path, args: dict[str, Any]) -> None:
    """A cell of one's own is named by its module; a file must not decide which module of the machine is run."""
    trusted = {*sys.modules, *os.environ.get("LSTMZOO_IMPORT", "").split(",")}
    for place in (value for value in args.values() if isinstance(value, str) and ":" in value):
        module = place.partition(":")[0]
        if module not in trusted:
            raise CheckpointError(
                f"{file} uses the cell {place!r}, and loading it would run the module {module!r}. If you trust it, "
                f"import it first; on the command line, set LSTMZOO_IMPORT={module}"
            )


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The contract and the model's weights, or an error that says what the file is instead."""
    file = _find(Path(path))
    checkpoint = _open(file)
    if not isinstance(checkpoint, dict):
        raise CheckpointError(f"{file} is not an lstmzoo checkpoint: it holds a {type(checkpoint).__name__}")
    contract, weights = checkpoint.get(KEY), checkpoint.get("state_dict")
    if not isinstance(contract, dict) or not isinstance(weights, dict):
        lacking = " and ".join(repr(key) for key in (KEY, "state_dict") if not isinstance(checkpoint.get(key), dict))
        keys = ", ".join(map(str, checkpoint)) or "none"
        raise CheckpointError(f"{file} is not an lstmzoo checkpoint: it has no {lacking}; its keys: {keys}")
    if type(contract.get("format")) is not int:
        raise CheckpointError(f"{file}: its entry {KEY!r} has no format number; it was not written by lstmzoo")
    if contract["format"] > FORMAT:
        raise CheckpointError(
            f"{file} has checkpoint format {contract['format']} (lstmzoo {contract.get('version')}); lstmzoo "
            f"{__version__} reads formats up to {FORMAT}. Update: pip install --upgrade lstmzoo"
        )
    if missing := {"version", "model", "classes", "transform", "data", "config"} - contract.keys():
        raise CheckpointError(f"{file}: its entry {KEY!r} lacks {', '.join(sorted(missing))}")
    _check_types(contract, file)
    _refuse_strange_modules(file, contract["model"]["args"])
    return contract, {str(key).removeprefix(PREFIX): w for key, w in weights.items() if str(key).startswith(PREFIX)}


def _check_types(contract: dict[str, Any], file: Path) -> None:
    """Check what the rest of the program relies on, so that a tampered checkpoint gets one message."""
    model, classes = contract["model"], contract["classes"]
    vocabulary = contract.get("vocabulary", {"specials": [], "words": []})
    sound = (
        isinstance(model, dict)
        and isinstance(model.get("name"), str)
        and isinstance(model.get("args"), dict)
        and isinstance(classes, list)
        and len(classes) == model["args"].get("num_classes", len(classes))
        and all(isinstance(contract[key], dict) for key in ("transform", "data", "config"))
        and isinstance(vocabulary, dict)
        and all(isinstance(vocabulary.get(key), list) for key in ("specials", "words"))
        and ("vocabulary" not in contract or len(words_of(vocabulary)) == model["args"].get("vocab_size"))
    )
    if not sound:
        raise CheckpointError(
            f"{file}: its entry {KEY!r} contradicts itself: it needs a model with name and args, as many "
            "classes or words as the model has, and transform, data and config as dictionaries"
        )


def _find(path: Path) -> Path:
    """The checkpoint file that a path means."""
    if path.is_file():
        return path
    best = path / "checkpoints" / "best.ckpt"
    if best.is_file():
        return best
    if path.is_dir():
        others = sorted(str(file.relative_to(path)) for file in path.rglob("*.ckpt"))
        there = f"checkpoints there: {', '.join(others)}" if others else "there is no .ckpt file in it"
        raise CheckpointError(f"the folder {path} has no checkpoints/best.ckpt; {there}")
    if path.name == str(path) and not path.suffix:
        raise CheckpointError(
            f"{str(path)!r} is neither a checkpoint file, nor a run folder, nor the name of published weights "
            "(none are published yet); pass the path of a .ckpt file or of a run folder"
        )
    raise CheckpointError(f"no checkpoint at {path} (looked in {path.absolute().parent})")


def _open(file: Path) -> Any:
    """What ``torch.load`` makes of a file, after a check of its checksums, which ``torch.load`` ignores."""
    damaged = f"cannot read {file}: it is damaged, incomplete or not a checkpoint"
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                broken = archive.testzip()
            if broken is not None:
                raise CheckpointError(f"{damaged} (wrong checksum of {broken})")
        return torch.load(file, map_location="cpu", weights_only=True)
    except LstmzooError:
        raise
    except PermissionError as error:
        raise CheckpointError(f"cannot read {file}: {error.strerror}") from error
    except Exception as error:  # on bytes that are no checkpoint, unpickling fails in any way it likes
        if "Unsupported global" in str(error) or "Unsupported class" in str(error):
            raise CheckpointError(
                f"{file} is not an lstmzoo checkpoint: it holds pickled Python objects, which are not loaded"
            ) from error
        raise CheckpointError(f"{damaged} ({type(error).__name__})") from error
