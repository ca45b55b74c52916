"""What a checkpoint may say about itself; anything else gets one message.

Anyone may have written it, and all that is built from a checkpoint is built from it. So it is checked as a whole first:
plain values, not endless, of the right types and sizes, and no name of a module that would have to be run.
"""

import math
import os
import reprlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lstmzoo.errors import CheckpointError
from lstmzoo.version import __version__

FORMAT = 1
KEY = "lstmzoo"
PREFIX = "model."
"""Of the names of a model's weights in a checkpoint."""

MOST_VALUES = 1_000_000
DEEPEST = 16
MOST_TEXT = 100_000
LONGEST_CLIP = 10_000
LARGEST_SIDE = 4096
MOST_NUMBERS = 64 * 512 * 512 * 3
"""Numbers of a clip, which a video model sees at once: frames x height x width x channels. The features that a network
makes of them take some fifty times as many bytes; beyond that, a few numbers in a file would take the machine."""

MOST = {
    "batch_size": 4096,
    "clip_len": 10_000,
    "frame_interval": 10_000,
    "max_length": 1000,
    "num_beams": 100,
    "num_return_sequences": 10,  # each may have a group of num_beams
    "size": 4096,
    "test_clips": 1000,
    "val_clips": 1000,
}
"""The largest whole numbers that are taken from a file, by the name of the setting."""

RATES = (0.1, 1000.0)
"""Frames per second that a model may be meant for."""


def check_metadata(metadata: dict[str, Any], file: Path) -> None:
    """Check metadata as it was read.

    Raises:
        CheckpointError: it is of a newer format, incomplete, or holds what no metadata holds; or it names a cell of
            a module that is not imported here.
    """
    if type(metadata.get("format")) is not int or metadata["format"] < 1:
        raise CheckpointError(f"{file}: its entry {KEY!r} has no format number; it was not written by lstmzoo")
    if metadata["format"] > FORMAT:
        raise CheckpointError(
            f"{file} has checkpoint format {brief(metadata['format'])} (lstmzoo {brief(metadata.get('version'))}); "
            f"lstmzoo {__version__} reads formats up to {FORMAT}. Update: pip install --upgrade lstmzoo"
        )
    if missing := {"version", "model", "classes", "transform", "data", "config"} - metadata.keys():
        raise CheckpointError(f"{file}: its entry {KEY!r} lacks {', '.join(sorted(missing))}")
    origin = f"{file}: its entry {KEY!r}"
    check_plain(metadata, origin)
    _check_parts(metadata, origin)
    check_transform(metadata["transform"], origin)
    check_finite([metadata["model"]["args"], metadata["transform"]], origin)
    check_modules([metadata["model"], metadata["config"].get("model")], str(file))


def check_plain(value: Any, origin: str) -> None:
    """Check that a value is made of numbers, text, lists and dicts, none of them endless.

    Raises:
        CheckpointError: it is not.
    """
    waiting, seen = [(value, 0)], 0
    while waiting:
        one, depth = waiting.pop()
        seen += 1
        if depth > DEEPEST or seen > MOST_VALUES:
            raise CheckpointError(f"{origin} is nested too deeply, or holds more than a run's settings")
        if isinstance(one, dict | list | tuple):
            parts = [*one, *one.values()] if isinstance(one, dict) else one
            if seen + len(parts) > MOST_VALUES or (isinstance(one, dict) and not all(map(_is_key, one))):
                raise CheckpointError(f"{origin} holds {brief(one)}, which is nothing a run's settings have")
            waiting += [(part, depth + 1) for part in parts]
        elif not _is_plain(one):
            raise CheckpointError(f"{origin} holds {brief(one)}, which is no number, text, list or dictionary")


def check_finite(value: Any, origin: str) -> None:
    """Check that no number is nan or infinite.

    Raises:
        CheckpointError: one is.
    """
    for one in leaves(value):
        if isinstance(one, float) and not math.isfinite(one):
            raise CheckpointError(f"{origin} holds the number {one}, which is not finite")


def check_modules(value: Any, origin: str) -> None:
    """A cell or model of your own is named by its module; a file must not decide which module of the machine is run.

    Args:
        value: what a model is built from, text like ``my_module:MyCell`` anywhere in it.
        origin: what holds it.

    Raises:
        CheckpointError: it names a module that is neither imported already nor listed in LSTMZOO_IMPORT.
    """
    trusted = {*sys.modules, *os.environ.get("LSTMZOO_IMPORT", "").split(",")} - {""}
    for place in (one for one in leaves(value) if isinstance(one, str) and ":" in one):
        module = place.partition(":")[0]
        if module not in trusted:
            raise CheckpointError(
                f"{origin} uses {place!r}, and loading it would run the module {module!r}. If you trust it, "
                f"import it first; on the command line, set LSTMZOO_IMPORT={module}"
            )


def leaves(value: Any) -> Iterator[Any]:
    """All values that are no lists or dicts in a value that `check_plain` has passed; keys not."""
    if isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from leaves(part)
    else:
        yield value


def words_of(vocabulary: dict[str, Any]) -> list[str]:
    """All words of metadata's vocabulary, the special ones first, in the order of their ids."""
    return [*vocabulary["specials"], *vocabulary["words"]]


def brief(value: Any) -> str:
    """A value for a message, however large or deep it is."""
    return reprlib.repr(value)


def _check_parts(metadata: dict[str, Any], origin: str) -> None:
    """Check what the rest of the program relies on, so that a tampered checkpoint gets one message."""
    model, classes = metadata["model"], metadata["classes"]
    vocabulary = metadata.get("vocabulary", {"specials": [], "words": []})
    sound = (
        isinstance(model, dict)
        and isinstance(model.get("name"), str)
        and isinstance(model.get("args"), dict)
        and all(isinstance(key, str) for key in model["args"])
        and isinstance(metadata["version"], str)
        and _are_names(classes)
        and len(classes) == model["args"].get("num_classes", len(classes))
        and all(isinstance(metadata[key], dict) for key in ("transform", "data", "config"))
        and isinstance(vocabulary, dict)
        and all(isinstance(vocabulary.get(key), list) for key in ("specials", "words"))
        and _are_names(words_of(vocabulary))
        and _are_names(metadata.get("licences", []))
        and ("vocabulary" not in metadata or len(words_of(vocabulary)) == model["args"].get("vocab_size"))
    )
    if not sound:
        raise CheckpointError(
            f"{origin} contradicts itself: it needs a version, a model with name and args, as many classes or words "
            "as the model has (each a text of its own, as licences are), and transform, data and config as dictionaries"
        )


def check_transform(transform: dict[str, Any], origin: str) -> None:
    """Check how videos and images are cut: a few bytes must not ask for terabytes.

    Raises:
        CheckpointError: a size, length or rate that no network is trained on.
    """
    size, length, grey = transform.get("size", [1, 1]), transform.get("clip_len", 1), transform.get("grey", False)
    sides = isinstance(size, list | tuple) and len(size) == 2 and all(_counts(side, LARGEST_SIDE) for side in size)
    if not sides:
        raise CheckpointError(
            f"{origin} has the transform size={brief(size)}; it is [height, width] in pixels, 1 to {LARGEST_SIDE}"
        )
    for key in ("clip_len", "frame_interval"):
        if not _counts(transform.get(key, 1), LONGEST_CLIP):
            raise CheckpointError(
                f"{origin} has the transform {key}={brief(transform[key])}; it is a number of frames, "
                f"1 to {LONGEST_CLIP}"
            )
    numbers = length * size[0] * size[1] * (1 if grey is True else 3)
    if numbers > MOST_NUMBERS or not isinstance(grey, bool):
        raise CheckpointError(
            f"{origin} has a transform of larger clips than a model sees at once: {length} frames of "
            f"{size[0]} x {size[1]}, grey={brief(grey)}; {MOST_NUMBERS:,} numbers are the most, which are 64 frames of "
            "512 x 512 in colour"
        )
    fps = transform.get("fps", RATES[0])
    if type(fps) not in (int, float) or not RATES[0] <= fps <= RATES[1]:
        raise CheckpointError(
            f"{origin} has the transform fps={brief(fps)}; it is a number of frames per second, "
            f"{RATES[0]:g} to {RATES[1]:g}"
        )


def _counts(value: Any, most: int) -> bool:
    return type(value) is int and 1 <= value <= most


def _are_names(names: Any) -> bool:
    """Whether these are texts, all different."""
    return (
        isinstance(names, list) and all(isinstance(one, str) and one for one in names) and len({*names}) == len(names)
    )


def _is_key(key: Any) -> bool:
    return isinstance(key, str | int)


def _is_plain(one: Any) -> bool:
    """Text must be text that can be written to a file: no lone surrogates."""
    if type(one) is str:
        return len(one) <= MOST_TEXT and not any("\ud800" <= char <= "\udfff" for char in one)
    return one is None or type(one) in (bool, float) or (type(one) is int and abs(one) < 2**63)
