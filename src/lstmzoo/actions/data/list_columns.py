"""What the columns of a list without a header mean: the path of a video, a number that counts the lines, the label."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from lstmzoo.actions.data.class_names import is_number
from lstmzoo.errors import DataError
from lstmzoo.io.video_files import VideoIndex, has_suffix
from lstmzoo.io.wording import listed

MAX_WORDS = 20
"""Words of a line in which a path with blanks is looked for."""

REMEDY = "a video has one label; let a first line name the columns, e.g. path,label,frames or path label frames"

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)


class Row(NamedTuple):
    """A parsed line of a list."""

    place: str  # the file and the line, for messages
    text: str  # the path
    names: list[str]  # the other fields that are not numbers
    numbers: list[str]  # the other fields that are
    there: bool  # whether a video answers to the path, so that the rest of the line means what it seems to
    counted: bool = False  # whether the first of the numbers does nothing but count the lines of its list
    split: str | None = None  # train, val or test, where a column says it


def split_words(line: str, index: VideoIndex) -> list[str]:
    """Split a line at blanks; the longest run of words that names a video stays together."""
    words = list(re.finditer(r"\S+", line))
    for length in range(len(words) if len(words) <= MAX_WORDS else 0, 1, -1):
        for first in range(len(words) - length + 1):
            start, end = words[first].start(), words[first + length - 1].end()
            if index.candidates(line[start:end]):
                return [*line[:start].split(), line[start:end], *line[end:].split()]
    return [word[0] for word in words]


def identify_columns(rows: list[list[str]], places: list[str], index: VideoIndex, *, blanks: bool) -> list[Row]:
    """Find the path, names and numbers by what is in the columns.

    With `blanks` between the columns, a name may be several words.

    Raises:
        DataError: several columns may be the label.
    """
    usual = _path_column(rows, index)
    counted = usual > 0 and all(len(row) > 2 for row in rows) and _counts([row[0] for row in rows])
    told = []
    for row, place in zip(rows, places, strict=True):
        column = min(usual, len(row) - 1)
        others = [field for other, field in enumerate(row) if other != column and field]
        names = [field for field in others if not _NUMBER.fullmatch(field)]
        numbers = [field for field in others if _NUMBER.fullmatch(field)]
        told.append(Row(place, row[column], names, numbers, bool(index.candidates(row[column])), counted))
    if not blanks:
        _refuse_several([row for row in told if row.there])
    sizes = {len(row.numbers): row for row in told if row.there and row.numbers and not row.names}
    if len(sizes) > 1:
        raise DataError(f"{sizes[max(sizes)].place} has {max(sizes)} numbers, others have {min(sizes)}; {REMEDY}")
    return told


def labels_of(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """Find the label of each line: its names, or else the number that is one.

    Args:
        rows: lines of all lists of a data set, since a short one alone may not tell.

    Returns:
        The labels, empty where a line has none, and what was assumed, in words.

    Raises:
        DataError: several columns may be the label.
    """
    if all(row.counted for row in rows if row.numbers):  # a list of one video a class seems to count, too
        rows = [row._replace(numbers=row.numbers[1:]) for row in rows]
    words = [row for row in rows if row.there and len(row.names) > 1]
    if len({" ".join(row.names) for row in words}) * 2 > max(len(words), 3):  # a class for almost every video
        _refuse_several(words)
    chosen, assumed = {0: 0, 1: 0}, []
    for size in sorted({len(row.numbers) for row in rows} - chosen.keys()):
        chosen[size] = 0
        of_size = [row for row in rows if len(row.numbers) == size and row.there and not row.names]
        if of_size:
            fields = list(zip(*(row.numbers for row in of_size), strict=True))
            chosen[size] = _label_column(fields, of_size[0])
            assumed.append(
                f"{of_size[0].place}: number {chosen[size] + 1} of the {size} beside the path, "
                f"{of_size[0].numbers[chosen[size]]} here, is used as the label, because its values are few and "
                "repeat; a first line that names the columns, e.g. path label frames, makes it sure"
            )
    labels = [" ".join(row.names) or (row.numbers[chosen[len(row.numbers)]] if row.numbers else "") for row in rows]
    return labels, assumed


def _refuse_several(rows: Sequence[Row]) -> None:
    for row in rows:
        if len(row.names) > 1:
            raise DataError(f"{row.place}: which of {listed(row.names)} is the label? {REMEDY}")


def _label_column(fields: Sequence[Sequence[str]], first: Row) -> int:
    """The only column that looks like labels: it counts classes from 0 or 1, or else its values repeat."""
    lines = len(fields[0])
    values = {column: set(map(int, numbers)) for column, numbers in enumerate(fields) if all(map(is_number, numbers))}
    values = {column: found for column, found in values.items() if len(found) > 1}  # else it tells nothing
    dense = {column for column, found in values.items() if min(found) < 2 and max(found) - min(found) + 1 == len(found)}
    repeated = {column: found for column, found in values.items() if len(found) < lines}
    values = repeated or values  # beside those, another number for each line is an id
    few = {column for column, found in values.items() if len(found) * 2 <= lines}
    chosen, *several = (dense & values.keys() if dense else few) or [-1]
    if chosen >= 0 and not several:
        top, size = max(values[chosen]), len(values[chosen])
        others = [(found, other in few) for other, found in values.items() if other != chosen]
        if not any(max(found) <= top or (repeats and len(found) <= size) for found, repeats in others):
            return chosen
    raise DataError(f"{first.place}: which of the numbers {listed(first.numbers)} is the label? {REMEDY}")


def _counts(fields: list[str]) -> bool:
    """Whether a column only counts the lines, continuing from the list before."""
    return is_number(fields[0]) and fields == [str(int(fields[0]) + line) for line in range(len(fields))]


def _path_column(rows: list[list[str]], index: VideoIndex) -> int:
    """The column that names videos; where none does, the one that looks most like paths."""

    def score(column: int) -> tuple[int, int, int]:
        fields = [row[column] for row in rows if column < len(row)]
        hits = [field for field in fields if index.candidates(field)]
        likely = sum(map(is_path, fields))
        return len([field for field in hits if not is_number(field)]), likely, len(hits)

    return max(range(max(map(len, rows), default=1)), key=score)


def is_path(field: str) -> bool:
    """Whether a field looks like the path of a file."""
    return "/" in field or "\\" in field or has_suffix(field)
