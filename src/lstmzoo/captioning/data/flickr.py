"""Captions in a text file with a line per caption: Flickr8k, Flickr30k, and plain csv.

Hodosh, Young, Hockenmaier, "Framing image description as a ranking task", JAIR 2013 (Flickr8k); Young, Lai, Hodosh,
Hockenmaier, "From image descriptions to visual denotations", TACL 2014 (Flickr30k).
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from lstmzoo.captioning.data.csv_lines import Line, csv_lines
from lstmzoo.captioning.data.karpathy import IMAGE_FOLDERS
from lstmzoo.captioning.data.records import CaptionFiles, find_folder, make_record, read_text
from lstmzoo.captioning.data.split_files import find_lists, read_lists
from lstmzoo.captioning.data.text import Issues
from lstmzoo.errors import DataError
from lstmzoo.io.images import IMAGE_SUFFIXES, is_image, list_images
from lstmzoo.io.wording import listed

TOKEN_FILES = {"flickr8k": ("Flickr8k.token.txt",), "flickr30k": ("results_20130124.token",)}
CSV_FILES = ("captions.txt", "captions.csv", "captions.tsv", "results.csv")
CSV_SUFFIXES = (".csv", ".tsv", ".txt")

NO_IMAGE = "bad image name, left out"
"""The oddity of a line whose image name has no known suffix, and that no file is called."""

FLICKR8K_BAD_NAME = "2258277193_586949ec62.jpg.1"
"""A name in Flickr8k, as it was published, that is of no image."""


def read(path: Path, layout: str, image_dir: Path | None = None, split_dir: Path | None = None) -> CaptionFiles:
    """Read a text file with captions and the split lists beside it.

    Args:
        path: the file: ``name.jpg#0<TAB>caption`` a line, or csv, see `lstmzoo.captioning.data.csv_lines`.
        layout: what the result is called: flickr8k, flickr30k or csv.
        image_dir: folder of the images; by default one of the usual names beside the file.
        split_dir: folder of the split lists; by default that of the file.

    Returns:
        The data set; images go by their file name. Without split lists every image is in the split ``all`` only.

    Raises:
        DataError: a broken line (named), no line that names an image, or an image that is listed twice.
    """
    issues = Issues()
    has_tokens = any(path.name in names for names in TOKEN_FILES.values())
    lines = _token_lines(path) if has_tokens else csv_lines(path, issues)
    folder = find_folder(path.parent, IMAGE_FOLDERS, image_dir)
    names = ImageNames(folder)
    captions: dict[str, list[tuple[Any, Any, str]]] = {}
    for called, caption, place in lines:
        name = names.find(called)
        if name is None:
            issues.note(NO_IMAGE, f"{place}: {called}")
            continue
        captions.setdefault(name, []).append((caption, None, place))
    if not captions and NO_IMAGE in issues.found:
        raise DataError(
            f"none of the names in {path} ends as those of images do ({', '.join(IMAGE_SUFFIXES)}), or is that of a "
            f"file in {folder}, e.g. {issues.found[NO_IMAGE][0]}; name the folder of the images with image_dir=..."
        )
    if not captions:
        raise DataError(f"{path} holds no captions")
    lists = read_lists(find_lists(split_dir or path.parent), captions, path)
    records = [
        make_record(name, folder / name, lists.split.get(name, ""), said, lists.place.get(name, said[0][2]), issues)
        for name, said in captions.items()
    ]
    dataset = "" if layout == "csv" else layout
    kept = [record for record in records if record is not None]
    return CaptionFiles(layout, dataset, path, kept, issues, lists.unmatched)


class ImageNames:
    """The image files of a folder, by what they are called.

    Args:
        folder: the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stems: dict[str, dict[str, list[str]]] = {}

    def find(self, name: str) -> str | None:
        """Return the name of the file that is meant.

        Args:
            name: as it stands in the captions: with the suffix of an image, of another file that is there, or without.

        Returns:
            The file's name, below the folder; that of an image need not be there. None where no file can be meant.

        Raises:
            DataError: several files of that name differ by their suffixes only.
        """
        if is_image(name) or (name and os.path.isfile(self.folder / name)):
            return name
        parent, _, stem = name.rpartition("/")
        found = self._in(parent).get(stem, [])
        if len(found) > 1:
            raise DataError(f"{name!r} may be {listed(found)} in {self.folder}; write the suffix, too")
        return (PurePath(parent) / found[0]).as_posix() if found else None

    def _in(self, parent: str) -> dict[str, list[str]]:
        if parent not in self._stems:
            stems: defaultdict[str, list[str]] = defaultdict(list)
            for path in list_images(self.folder / parent) if os.path.isdir(self.folder / parent) else ():
                stems[path.stem].append(path.name)
            self._stems[parent] = dict(stems)
        return self._stems[parent]


def _token_lines(path: Path) -> Iterator[Line]:
    """Read ``name.jpg#k<TAB>caption``; only a line feed ends a line, whatever else a caption holds."""
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        key, tab, caption = line.partition("\t")
        name, hash_sign, _ = key.rpartition("#")
        if not tab or not hash_sign:
            raise DataError(f"{path}, line {number} is not of the form 'name.jpg#0<TAB>caption': {line[:80]!r}")
        yield name, caption, f"{path.name}, line {number}"
