"""Lists of images: which are trained on, tuned on and tested on."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lstmzoo.captioning.data.records import SPLITS, read_text
from lstmzoo.errors import DataError
from lstmzoo.io.split_names import split_of
from lstmzoo.io.wording import listed

LIST_NAMES = {
    "train": "Flickr_8k.trainImages.txt",
    "val": "Flickr_8k.devImages.txt",
    "test": "Flickr_8k.testImages.txt",
}
"""File names of Flickr8k's lists; those of other sets are called ``train.txt``, ``valid.txt`` and the like."""


@dataclass(frozen=True)
class SplitLists:
    """Which image is in which split."""

    split: dict[str, str]  # the split of each image that is listed, by its file name
    place: dict[str, str]  # where it is listed
    unmatched: dict[str, list[str]]  # for each split, the entries that name no known image


def find_lists(folder: Path) -> dict[str, Path]:
    """Find the split lists in a folder.

    Raises:
        DataError: two lists for one split.
    """
    lists = {}
    files = [path for path in sorted(folder.glob("*.txt")) if path.is_file()]
    for split in SPLITS:
        found = [path for path in files if path.name == LIST_NAMES[split] or split_of(path.stem) == split]
        if len(found) > 1:
            raise DataError(f"{listed(found)} are both lists of {split!r}; keep one")
        if found:
            lists[split] = found[0]
    return lists


def read_lists(lists: Mapping[str, Path], images: Mapping[str, object], source: Path) -> SplitLists:
    """Read the split lists.

    A line is the file name of an image, with or without its suffix. Blank lines are skipped.

    Raises:
        DataError: an image that is in two lists, or twice in one.
    """
    stems = Counter(name.rpartition(".")[0] for name in images)
    by_stem = {stem: name for name in images if stems[stem := name.rpartition(".")[0]] == 1}
    splits: dict[str, str] = {}
    places: dict[str, str] = {}
    unmatched: dict[str, list[str]] = {}
    for split, path in lists.items():
        for number, line in enumerate(read_text(path).split("\n"), start=1):
            text = line.strip()
            if not text:
                continue
            place = f"{path.name}, line {number}"
            name = next((name for name in (text, f"{text}.jpg", by_stem.get(text, "")) if name in images), None)
            if name is None:
                unmatched.setdefault(split, []).append(f"{place} names {text!r}, which has no captions in {source}")
                continue
            if name in places:
                raise DataError(f"{path}, line {number}: {text!r} is listed already in {places[name]}; list it once")
            splits[name], places[name] = split, place
    return SplitLists(splits, places, unmatched)
