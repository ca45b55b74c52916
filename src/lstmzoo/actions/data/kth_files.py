"""The files of KTH: 00sequences.txt and the videos."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lstmzoo.actions.data.segments import Range
from lstmzoo.errors import DataError, unknown_choice
from lstmzoo.io.video import is_video
from lstmzoo.io.wording import counted, listed

ACTIONS = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")
"""The classes, in the order of their labels."""

SEQUENCES_FILE = "00sequences.txt"

SIMULATED_MARKER = "simulated.json"
"""File that the simulator leaves in the folders it makes."""

_NAME = re.compile(r"person(0[1-9]|1\d|2[0-5])_([a-z]+)_(d[1-4])")
_RANGE = re.compile(r"(\d+)\s*-\s*(\d+)")
_RECORD = re.compile(rf"(person\S+)\s+(?:(\*missing\*)|frames\s+({_RANGE.pattern}(?:\s*,\s*{_RANGE.pattern})*)\s*,?)")
_MEANT_AS_RECORD = re.compile(r"person\S*\s+(frames|\*missing\*|\d+\s*-)|person\d+_\w+_d\d$|.*\bframes\s+\d+\s*-\s*\d")
_NO_PROSE = re.compile(r"person\d+_|.*\d\s*-\s*\d|.*\*missing\*")


class VideoName(NamedTuple):
    """What the name of a KTH video says."""

    person: int
    action: str
    scenario: str


def parse_name(name: str) -> VideoName:
    """Parse the name of a video, e.g. ``person01_boxing_d1``.

    Raises:
        DataError: it is not of that form, or the action is not one of `ACTIONS`.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise DataError(f"{name!r} is not a name of the form personNN_action_dK with NN = 01 … 25, K = 1 … 4")
    if match[2] not in ACTIONS:
        raise DataError(unknown_choice("action", match[2], ACTIONS))
    return VideoName(int(match[1]), match[2], match[3])


def parse_sequences(path: str | os.PathLike[str]) -> dict[str, list[Range]]:
    """Read the frame ranges of KTH's sequences.

    Records are known by their form, ``personNN_action_dK <blanks> frames <blanks> 1-95, 96-185, ...``; headers of any
    length, either kind of line end, and blanks before tabs do not matter. Ranges are given as they stand: in their
    order, and where they overlap.

    Args:
        path: 00sequences.txt.

    Returns:
        For each video its ranges, first and last frame counted from 1, both included; no ranges for a video that the
        file marks as ``*missing*``.

    Raises:
        DataError: no such file, a broken line (named with its number), two records that contradict each other, or no
            record at all.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no such file: {path}; it lists the frame ranges of KTH and comes with the videos")
    sequences: dict[str, list[Range]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        text = line.strip()
        record = _RECORD.fullmatch(text)
        if record is None:
            # The header is prose and may mention files and numbers; after it, what does so has to be a record.
            if _MEANT_AS_RECORD.match(text) or (sequences and _NO_PROSE.match(text)):
                raise DataError(f"{path}, line {number} is not of the form 'name frames 1-95, 96-185': {text!r}")
            continue
        name, ranges = record[1], [(int(first), int(last)) for first, last in _RANGE.findall(record[3] or "")]
        try:
            parse_name(name)
        except DataError as error:
            raise DataError(f"{path}, line {number}: {error}; the line is {text!r}") from error
        if any(not 1 <= first <= last for first, last in ranges):
            raise DataError(f"{path}, line {number}: a range must run from 1 or more upwards: {text!r}")
        if sequences.setdefault(name, ranges) != ranges:
            raise DataError(f"{path}, line {number} contradicts an earlier line on {name}: {text!r}")
    if not sequences:
        raise DataError(f"{path} holds no record of the form 'person01_boxing_d1 frames 1-95, 96-185'")
    return sequences


def read_sequences(root: Path) -> dict[str, list[Range]]:
    """Read the ranges of the data set in `root`.

    Raises:
        DataError: no such folder, no 00sequences.txt in it (with the remedy), or one that cannot be parsed.
    """
    if not (root / SEQUENCES_FILE).is_file():
        what = f"has no {SEQUENCES_FILE}" if root.is_dir() else "is not a folder"
        raise DataError(f"{root} {what}, so it is not KTH. {remedy(root)}")
    return parse_sequences(root / SEQUENCES_FILE)


def remedy(root: Path) -> str:
    """How to get the data, in words."""
    return (
        f"Download it with `lstmzoo data prepare kth root={root}`, "
        f"or make a simulated one with `lstmzoo data simulate kth root={root}`"
    )


@dataclass(frozen=True)
class VideoFiles:
    """The videos found in a folder."""

    paths: dict[str, Path]  # file of each video, by its name (without ``_uncomp`` and suffix)
    duplicates: dict[str, list[Path]]  # for a video that was found more than once, the files that are not used


def find_videos(root: Path) -> VideoFiles:
    """Find videos in a folder and in the folders directly inside it that are not hidden, e.g. one per action.

    Of several with the same name the first is used: `root` before its folders, those by name.
    """
    folders = [root, *sorted(child for child in root.iterdir() if child.is_dir() and child.name[0] != ".")]
    paths: dict[str, Path] = {}
    duplicates: dict[str, list[Path]] = {}
    for folder in folders:
        for path in sorted(folder.iterdir()):
            name = path.stem.removesuffix("_uncomp")
            if not (is_video(path) and path.is_file() and _NAME.fullmatch(name)):
                continue
            if name in paths:
                duplicates.setdefault(name, []).append(path)
            else:
                paths[name] = path
    return VideoFiles(paths, duplicates)


def missing_videos(names: Sequence[str]) -> str:
    """What is missing, in words."""
    return f"{counted(len(names), 'video')} of {SEQUENCES_FILE} not found: {listed(names)}"
