"""The lists in ImageSets: which sequences a split has. That of 2016 names every frame, that of 2017 every sequence."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lstmzoo.errors import DataError, LstmzooError, unknown_choice
from lstmzoo.io.images import is_image

YEARS = (2016, 2017, 2019)
"""Years of the lists: 2016 one object, 2017 several, 2019 the unsupervised test sets."""

SPLIT_UNIONS = {"trainval": ("train", "val")}
"""Splits that need no list of their own."""

_LONGEST_NAME, _LONGEST_PATH = 255, 1024  # the first in bytes, on nearly all file systems
_SHOWN = 40  # characters of a wrong name that a message repeats


@dataclass(frozen=True)
class SequenceList:
    """A list that has been read."""

    path: Path
    year: int | None  # the year whose list it is; None for your own
    # for each sequence the line (from 1) where it is named first, and the (frame, mask) files that are named one by
    # one; none of these where the list has the names of sequences
    lines: dict[str, tuple[int, list[tuple[str, str | None]]]]


def find_list(root: Path, split: str, year: int | None, resolution: str) -> tuple[Path, int | None] | None:
    """Find the list of a split.

    Args:
        root: folder of the data set.
        split: its name.
        year: the year, or None for any: 2017, 2016, 2019, your own list.
        resolution: the folder in which 2016 has its lists.

    Returns:
        The file and its year; None where there is none.

    Raises:
        LstmzooError: an unknown year.
    """
    if year is not None and year not in YEARS:
        raise LstmzooError(unknown_choice("year", year, map(str, YEARS)))
    folder, name = root / "ImageSets", f"{split}.txt"
    places = [
        (folder / "2017" / name, 2017),
        (folder / resolution / name, 2016),
        (folder / "2016" / name, 2016),
        (folder / "2019" / name, 2019),
        (folder / name, None),
    ]
    return next(((path, of) for path, of in places if year in (None, of) and path.is_file()), None)


def default_split(root: Path) -> str:
    """Name the split to be scored where nobody says which: val, or, where there are no lists at all, all."""
    return "val" if any((root / "ImageSets").rglob("*.txt")) else "all"


def read_list(path: Path, year: int | None) -> SequenceList:
    """Read a list of either form, recognised line by line.

    ``/JPEGImages/480p/bear/00000.jpg /Annotations/480p/bear/00000.png`` names a frame and its mask, and
    ``bear`` a sequence.

    Raises:
        DataError: it is not text, or names nothing.
    """
    lines: dict[str, tuple[int, list[tuple[str, str | None]]]] = {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the list {path} ({error}); save it as text in UTF-8") from error
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        frame, name = PurePosixPath(words[0].lstrip("/")), line.strip()
        if is_image(frame) and frame.parent.name:
            name, files = frame.parent.name, [word.lstrip("/") for word in words[:2]]
            _, known = lines.setdefault(name, (number, []))
            known.append((files[0], files[1] if len(files) > 1 else None))
        else:
            files = [name]
            lines.setdefault(name, (number, []))
        for file in files:
            _check_path(file, f"{path}, line {number}")
    if not lines:
        raise DataError(f"{path} names no sequence; write one name per line")
    return SequenceList(path, year, lines)


def _check_path(name: str, place: str) -> None:
    """Refuse a name that is not a path inside the data set: results would be written to wherever it points."""
    parts = name.split("/")
    too_long = len(name) > _LONGEST_PATH or any(len(part.encode()) > _LONGEST_NAME for part in parts)
    if too_long or name.startswith("/") or ".." in parts or not name.isprintable():
        shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…"
        raise DataError(f"{place}: {shown!r} cannot name a sequence or a file of the data set; write one name per line")
