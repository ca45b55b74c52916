"""What every layout is read into: one record per image."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lstmzoo.captioning.data.text import Issues, clean, plain, tokenize
from lstmzoo.errors import DataError
from lstmzoo.io.wording import why_unreadable

ImageId = int | str

SPLITS = ("train", "val", "test")

_PARTS = {
    "train": ("train", "restval"),
    "trainval": ("train", "restval", "val"),
    "all": ("train", "restval", "val", "test", ""),
}
"""The splits that some are made of."""

_JSON_NAMES: dict[type, str] = {list: "list", str: "text"}


@dataclass(frozen=True)
class CaptionRecord:
    """An image and its captions."""

    image_id: ImageId  # COCO's number, or the file name where the data set has no numbers of its own
    path: Path  # the image file
    split: str  # train, restval (COCO's images between train and val, used for training), val or test; empty for none
    captions: tuple[str, ...]  # the captions as people wrote them, on one line each
    # the words of each caption; the published ones where there are any, else those of `text.tokenize`
    tokens: tuple[tuple[str, ...], ...]
    place: str  # where the image is named, e.g. ``Flickr_8k.trainImages.txt, line 3``


@dataclass(frozen=True)
class CaptionFiles:
    """A data set as its files describe it."""

    layout: str  # coco, karpathy, flickr8k, flickr30k or csv
    dataset: str  # coco, flickr8k, flickr30k or simulated; empty where the files do not say
    source: Path  # the file (or the folder of the files) with the captions
    records: list[CaptionRecord]  # the images, in the order of the files
    issues: Issues  # what had to be put right
    # for each split, the entries of split lists that name an image without captions
    unmatched: dict[str, list[str]] = field(default_factory=dict)

    def of(self, split: str) -> list[CaptionRecord]:
        """Return the images of a split; restval belongs to train, and ``all`` is everything."""
        parts = _PARTS.get(split, (split,))
        return [record for record in self.records if record.split in parts]

    def unmatched_of(self, split: str) -> list[str]:
        """Return the entries of the split lists of a split that name an image without captions."""
        parts = _PARTS.get(split, (split,))
        return [text for part, texts in self.unmatched.items() if part in parts for text in texts]


def make_record(
    image_id: ImageId, path: Path, split: str, sentences: Iterable[tuple[Any, Any, str]], place: str, issues: Issues
) -> CaptionRecord | None:
    """Make a record of raw captions; `sentences` are (raw caption, its published words or None, its place).

    Returns:
        The record; None where no caption can be used, which is noted.
    """
    captions, tokens = [], []
    for raw, words, where in sentences:
        caption = clean(raw, where, issues)
        if caption:
            captions.append(caption)
            tokens.append(_published(words, where) or tokenize(caption))
    if not captions:
        issues.note("image without captions, left out", place)
        return None
    return CaptionRecord(image_id, path, split, tuple(captions), tuple(tokens), place)


def add_record(record: CaptionRecord, records: dict[ImageId, CaptionRecord], path: Path) -> None:
    """Add a record to those of a file, by its image.

    Raises:
        DataError: the image has a record already; the message names both places.
    """
    if record.image_id in records:
        raise DataError(f"{path}: {record.place} is the image {record.image_id!r} of {records[record.image_id].place}")
    records[record.image_id] = record


def _published(words: Any, place: str) -> tuple[str, ...]:
    """Check the published words of a caption."""
    if words is None:
        return ()
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise DataError(f"{place}: 'tokens' is a list of words, not {str(words)[:80]!r}")
    together = "".join(words)
    if together.isascii() and together.isprintable() and " " not in together and all(words):
        return tuple(words)
    return tuple(word for word in map(plain, words) if word)


def missing_images(records: Iterable[CaptionRecord]) -> list[CaptionRecord]:
    """Return the records whose image file is not there; looks at each folder once."""
    present: dict[Path, set[str]] = {}
    missing = []
    for record in records:
        folder = record.path.parent
        if folder not in present:
            present[folder] = (
                {entry.name for entry in os.scandir(folder) if entry.is_file()} if os.path.isdir(folder) else set()
            )
        if record.path.name not in present[folder]:
            missing.append(record)
    return missing


def find_folder(root: Path, names: Iterable[str], image_dir: Path | None = None) -> Path:
    """Find the folder of the images.

    Args:
        root: folder of the data set.
        names: the names it may have; the first that exists is taken, `root` itself if there is none.
        image_dir: the folder, where it is known.
    """
    if image_dir is not None:
        return image_dir
    return next((root / name for name in names if (root / name).is_dir()), root)


def read_text(path: Path) -> str:
    """Read a text file in UTF-8.

    Raises:
        DataError: it is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(f"{path}, line {line} is not UTF-8 ({error.reason}); convert the file") from error


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        DataError: it is not JSON, or not an object.
    """
    try:
        found = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:  # the latter where lists are nested without end
        raise DataError(
            f"{path} is not JSON ({why_unreadable(error)}); it may be incomplete, fetch it again"
        ) from error
    if not isinstance(found, dict):
        raise DataError(f"{path} holds a {type(found).__name__}, not an object with 'images'")
    return found


def entry(item: Any, key: str, place: str, kind: type | None = None) -> Any:
    """Return a value of a JSON object that has to be there.

    Args:
        item: the object.
        key: the name of the value.
        place: where the object is, for messages.
        kind: what the value must be: list or str; None for anything.

    Raises:
        DataError: it is not; the message names the place.
    """
    if not isinstance(item, dict) or key not in item:
        raise DataError(f"{place} has no {key!r}: {str(item)[:80]}")
    if kind is not None and not isinstance(item[key], kind):
        raise DataError(f"{place}: {key!r} must be a {_JSON_NAMES[kind]}, not {json.dumps(item[key])[:80]}")
    return item[key]


def image_id_of(item: Any, key: str, place: str) -> ImageId:
    """Return the id of an image in a JSON object: a number or a text.

    Raises:
        DataError: it is not there, or something else; the message names the place.
    """
    found = entry(item, key, place)
    if not isinstance(found, (int, str)) or isinstance(found, bool):
        raise DataError(f"{place}: {key!r} must be a number or a text, not {json.dumps(found)[:80]}")
    return found
