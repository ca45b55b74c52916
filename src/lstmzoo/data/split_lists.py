"""Lists of videos as data sets come with them: which video is in which split, and what is seen in it."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lstmzoo.data.class_table import is_number
from lstmzoo.data.group_splits import SPLITS
from lstmzoo.data.split_names import split_of
from lstmzoo.data.text_files import columns, read_lines, separator
from lstmzoo.data.video_files import VideoIndex, has_suffix
from lstmzoo.data.wording import listed
from lstmzoo.errors import DataError

SUFFIXES = (".txt", ".csv", ".tsv", ".lst", ".list")
PATH_HEADS = (
    *("path", "video_path", "clip_path", "file_path", "filepath", "frame_dir", "video", "file", "filename"),
    *("file_name", "video_name", "clip", "clip_name", "name", "video_id", "id"),
)
LABEL_HEADS = (
    *("class", "class_name", "label_name", "action", "activity", "category", "label", "target"),
    *("class_id", "classid", "label_id", "class_index", "tag"),
)
SPLIT_HEADS = ("split", "set", "subset", "partition", "usage")

_NAME = re.compile(r"([a-z]+?)[-_ ]?(?:list|split|set|videos?|files?|labels?|annotations?)?[-_ ]?(\d+)?", re.IGNORECASE)
_HMDB51 = re.compile(r"(.+)_test_split(\d+)", re.IGNORECASE)
_HMDB51_SPLITS = {"1": "train", "2": "test"}  # 0: in neither

MAX_WORDS = 20
"""Words of a line in which a path with blanks is looked for."""


@dataclass(frozen=True)
class ListFile:
    """A list.

    Attributes:
        path: the file.
        split: the split of all its videos; None where the lines say it, or nothing does.
        name: the class of all its videos; None where the lines say it.
    """

    path: Path
    split: str | None = None
    name: str | None = None


class Entry(NamedTuple):
    """A line of a list.

    Attributes:
        place: the file and the line, for messages.
        path: the video; None where it is not there.
        text: its name in the list.
        label: the label as it stands in the list; empty where there is none.
        split: train, val or test; None where nothing says it.
    """

    place: str
    path: Path | None
    text: str
    label: str
    split: str | None


def find_lists(folder: Path, fold: int = 1) -> list[ListFile]:
    """Find the lists in a folder by their names.

    ``train.txt``, ``val.csv``, ``test_list.txt``, ``validate.txt`` and the like; ``trainlist01.txt`` as in UCF101, of
    which those with the number `fold` are taken; or ``<class>_test_split1.txt`` as in HMDB51.

    Raises:
        DataError: no such folder, no list to train with, or two lists for one split.
    """
    if not folder.is_dir():
        raise DataError(f"data.split_dir={folder} is not a folder; it holds the lists: train.txt, val.txt and test.txt")
    files = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES and path.name[0] != "."]
    of_class = [(path, match) for path in files if (match := _HMDB51.fullmatch(path.stem))]
    if of_class:
        chosen = [ListFile(path, name=match[1]) for path, match in of_class if int(match[2]) == fold]
        if not chosen:
            raise DataError(f"no such list: {folder}/<class>_test_split{fold}.txt; choose another data.fold=...")
        return chosen
    lists: dict[str, ListFile] = {}
    for path in files:
        match = _NAME.fullmatch(path.stem)
        split = split_of(match[1]) if match else None
        if match is None or split is None or (match[2] and int(match[2]) != fold):
            continue
        if split in lists:
            raise DataError(f"{folder} has two lists for {split}, {lists[split].path.name} and {path.name}; keep one")
        lists[split] = ListFile(path, split)
    if "train" not in lists:
        raise DataError(
            f"no such list: {folder / 'train.txt'}; lists are train.txt, val.txt and test.txt in data.split_dir, or "
            f"the like; there are {listed(path.name for path in files)} (of numbered ones, data.fold={fold} are taken)"
        )
    return [lists[split] for split in SPLITS if split in lists]


def read_list(file: ListFile, index: VideoIndex) -> list[Entry]:
    """Read a list.

    A line holds the path of a video, and perhaps a label and the number of frames, in any order, with tabs, commas,
    semicolons or blanks between them; a number before them that counts the lines does not matter. Paths may hold
    blanks. Lines that are blank or begin with ``#`` are skipped; a first line may be a header. Without one, the path is
    what names a video, and the label what is no number, or else the last number.

    Raises:
        DataError: no such file, it is no text, or a name that several videos answer to.
    """
    lines = read_lines(file.path)
    try:
        rows = _rows(lines, index)
    except csv.Error as error:
        raise DataError(f"{file.path} cannot be taken apart: {error}") from error
    places = [f"{file.path}, line {number}" for number, _ in lines]
    heads = _header(rows[0], index) if rows else {}
    if not heads:
        return _by_content(rows, places, index, file)
    return [_by_header(row, heads, place, index, file) for row, place in zip(rows[1:], places[1:], strict=True)]


def _rows(lines: list[tuple[int, str]], index: VideoIndex) -> list[list[str]]:
    """Take lines apart."""
    sign = separator(lines)
    return [columns(line, sign) if sign else _words(line, index) for _, line in lines]


def _words(line: str, index: VideoIndex) -> list[str]:
    """Take a line apart at blanks; the longest run of words that names a video stays together."""
    words = list(re.finditer(r"\S+", line))
    for length in range(len(words) if len(words) <= MAX_WORDS else 0, 1, -1):
        for first in range(len(words) - length + 1):
            start, end = words[first].start(), words[first + length - 1].end()
            if index.candidates(line[start:end]):
                return [*line[:start].split(), line[start:end], *line[end:].split()]
    return [word[0] for word in words]


def _header(row: list[str], index: VideoIndex) -> dict[str, int]:
    """The columns of path, label and split that a header names; empty where the first line is none."""
    names = [field.casefold().replace(" ", "_") for field in row]
    if any(index.candidates(field) for field in row):
        return {}
    kinds = {"path": PATH_HEADS, "label": LABEL_HEADS, "split": SPLIT_HEADS}
    found = {kind: next((head for head in known if head in names), None) for kind, known in kinds.items()}
    return {kind: names.index(head) for kind, head in found.items() if head} if found["path"] else {}


def _by_header(row: list[str], heads: dict[str, int], place: str, index: VideoIndex, file: ListFile) -> Entry:
    if len(row) <= max(heads.values()):
        raise DataError(f"{place} has {len(row)} columns, fewer than the header")
    text, split = row[heads["path"]], file.split
    if "split" in heads:
        split = split_of(row[heads["split"]])
        if split is None:
            raise DataError(f"{place}: {row[heads['split']]!r} is no split; write train, val or test")
    return _entry(text, row[heads["label"]] if "label" in heads else "", place, index, file, split)


def _by_content(rows: list[list[str]], places: list[str], index: VideoIndex, file: ListFile) -> list[Entry]:
    """Tell path, running number and label by what stands in the columns."""
    usual = _path_column(rows, index)
    counted = usual > 0 and all(len(row) > 2 for row in rows) and _counts([row[0] for row in rows])
    entries = []
    for row, place in zip(rows, places, strict=True):
        column = min(usual, len(row) - 1)
        others = [field for other, field in enumerate(row) if other != column][counted:]
        names = [field for field in others if field and not is_number(field)]
        label = " ".join(names) or (others[-1] if others else "")
        entries.append(_entry(row[column], label, place, index, file, file.split))
    return entries


def _counts(fields: list[str]) -> bool:
    """Tell whether a column only counts the lines, from 0 or 1."""
    return any(fields == [str(number + start) for number in range(len(fields))] for start in (0, 1))


def _entry(text: str, label: str, place: str, index: VideoIndex, file: ListFile, split: str | None) -> Entry:
    if file.name is not None:
        label, split = file.name, _HMDB51_SPLITS.get(label)
    try:
        return Entry(place, index.find(text, split), text, label, split)
    except DataError as error:
        raise DataError(f"{place}: {error}") from error


def _path_column(rows: list[list[str]], index: VideoIndex) -> int:
    """The column that names videos; where none does, the one that looks most like paths."""

    def score(column: int) -> tuple[int, int, int]:
        fields = [row[column] for row in rows if column < len(row)]
        hits = [field for field in fields if index.candidates(field)]
        likely = sum("/" in field or "\\" in field or has_suffix(field) for field in fields)
        return len([field for field in hits if not is_number(field)]), likely, len(hits)

    return max(range(max(map(len, rows), default=1)), key=score)
