"""The lists that come with data sets: the split and the class of each video."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lstmzoo.actions.data.class_names import is_number
from lstmzoo.actions.data.list_columns import Row, identify_columns, is_path, labels_of, split_words
from lstmzoo.errors import DataError
from lstmzoo.io.split_names import SPLITS, split_of
from lstmzoo.io.text_files import columns, read_lines, separator
from lstmzoo.io.video_files import VideoIndex
from lstmzoo.io.wording import listed

SUFFIXES = (".txt", ".csv", ".tsv", ".lst", ".list")
PATH_HEADS = (
    *("path", "video_path", "clip_path", "file_path", "filepath", "frame_dir", "video", "file", "filename"),
    *("file_name", "video_name", "clip", "clip_name", "youtube_id", "name", "video_id", "id"),
)
LABEL_HEADS = (
    *("class", "class_name", "label_name", "action", "activity", "category", "label", "target"),
    *("class_id", "classid", "label_id", "class_index", "tag"),
)
SPLIT_HEADS = ("split", "set", "subset", "partition", "usage")
HEADS = {
    "path": PATH_HEADS,
    "label": LABEL_HEADS,
    "split": SPLIT_HEADS,
    "start": ("time_start",),  # Kinetics: the seconds of the part, which its file is named by
    "end": ("time_end",),
}

_NAME = re.compile(r"([a-z]+?)[-_ ]?(?:list|split|set|videos?|files?|labels?|annotations?)?[-_ ]?(\d+)?", re.IGNORECASE)
_HMDB51 = re.compile(r"(.+)_test_split(\d+)", re.IGNORECASE)
_HMDB51_SPLITS = {"1": "train", "2": "test"}  # 0: in neither


@dataclass(frozen=True)
class ListFile:
    """A list."""

    path: Path
    split: str | None = None  # the split of all its videos; None where the lines say it, if anything does
    name: str | None = None  # the class of all its videos; None where the lines say it


class Entry(NamedTuple):
    """A line of a list."""

    place: str  # the file and the line, for messages
    path: Path | None  # the video; None where it is not there
    text: str  # its name in the list
    label: str  # the label as it stands in the list; empty where there is none
    split: str | None  # train, val or test; None where nothing says it


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


def read_lists(files: Sequence[ListFile], index: VideoIndex) -> tuple[list[list[Entry]], list[str]]:
    """Read the lists of a data set.

    A line holds the path of a video, and perhaps a label and other numbers, in any order, with tabs, commas, semicolons
    or blanks between them; a number before them that counts the lines does not matter. Paths may hold blanks. What
    follows a ``#`` is a comment, unless it names a video. A first line may be a header. Without one, the path is what
    names a video, and the label is what is not a number, or else the only number that can be one.

    Returns:
        The entries of each list, and what was assumed of the columns, in words.

    Raises:
        DataError: no such file, not text, columns that cannot be identified, or a name that several videos answer to.
    """
    tables = [_rows(file, index) for file in files]
    labels, assumed = labels_of([row for rows in tables for row in rows])
    label = iter(labels)
    lists = [[_entry(row, next(label), file, index) for row in rows] for file, rows in zip(files, tables, strict=True)]
    return lists, assumed


def _rows(file: ListFile, index: VideoIndex) -> list[Row]:
    """Parse a list."""
    lines = read_lines(file.path, is_name=lambda word: bool(index.candidates(word)))
    sign = separator(lines)
    try:
        rows = [columns(line, sign) if sign else split_words(line, index) for _, line in lines]
    except csv.Error as error:
        raise DataError(f"{file.path} cannot be parsed: {error}") from error
    places = [f"{file.path}, line {number}" for number, _ in lines]
    heads = _header(rows[0], places[0], index) if rows else {}
    if not heads:
        return identify_columns(rows, places, index, blanks=sign is None)
    return [_by_header(row, heads, place, index) for row, place in zip(rows[1:], places[1:], strict=True)]


def _header(row: list[str], place: str, index: VideoIndex) -> dict[str, int]:
    """The columns that a header names; empty where the first line is none.

    Raises:
        DataError: a header without a path.
    """
    names = [field.casefold().replace(" ", "_") for field in row]
    if any(index.candidates(field) for field in row):
        return {}
    found = {kind: next((head for head in known if head in names), None) for kind, known in HEADS.items()}
    heads = {kind: names.index(head) for kind, head in found.items() if head}
    if len(row) > 1 and heads.keys() & {"label", "split"} and "path" not in heads and not any(map(is_path, row)):
        raise DataError(
            f"{place} seems to be a header, {listed(row)}, but names no column of paths; call it "
            f"{', '.join(PATH_HEADS)} (known, too: for labels {', '.join(LABEL_HEADS)}; "
            f"for splits {', '.join(SPLIT_HEADS)})"
        )
    return heads if "path" in heads else {}


def _by_header(row: list[str], heads: dict[str, int], place: str, index: VideoIndex) -> Row:
    if len(row) <= max(heads.values()):
        raise DataError(f"{place} has {len(row)} columns, fewer than the header")
    field = {kind: row[column] for kind, column in heads.items()}
    if "split" in field and split_of(field["split"]) is None:
        raise DataError(f"{place}: {field['split']!r} is not a split; write train, val or test")
    text = field["path"]
    if is_number(field.get("start", "")) and is_number(field.get("end", "")) and not index.whole(text):
        text = f"{text}_{int(field['start']):06}_{int(field['end']):06}"
    label = [field["label"]] if field.get("label") else []
    return Row(place, text, label, [], there=True, split=split_of(field.get("split", "")))


def _entry(row: Row, label: str, file: ListFile, index: VideoIndex) -> Entry:
    split = row.split or file.split
    if file.name is not None:
        label, split = file.name, _HMDB51_SPLITS.get(label)
    try:
        return Entry(row.place, index.find(row.text, split), row.text, label, split)
    except DataError as error:
        raise DataError(f"{row.place}: {error}") from error
