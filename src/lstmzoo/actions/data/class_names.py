"""Tables of class names that come with data sets: ``0 Jump`` a line."""

import json
import re
from pathlib import Path

from lstmzoo.errors import DataError
from lstmzoo.io.text_files import columns, read_lines, separator
from lstmzoo.io.wording import why_unreadable

NAME_HEADS = ("name", "class_name", "label_name", "class", "action", "activity", "label")


def read_class_table(path: Path) -> dict[str, str]:
    """Read which number stands for which class.

    A line is a number and a name, in either order, with a tab, a comma, a semicolon or blanks between them, or only a
    name: then the first line is number 0. A first line without a number among lines with one is a header; further
    columns need one that calls the names ``name`` or ``class``. A JSON object or list of names is read, too.

    Args:
        path: the table, e.g. UCF101's classInd.txt.

    Returns:
        The names by their numbers (digits without leading zeros), in the order of the numbers.

    Raises:
        DataError: no such file, a line of another form, or a number or name that is there twice.
    """
    lines = read_lines(path)
    table: dict[str, str] = {}
    is_json = bool(lines) and lines[0][1][0] in "{["
    for place, row in _json(path, lines) if is_json else _rows(path, lines):
        found = _numbered(row)
        if found is None:
            raise DataError(f"{path}, {place}: write a number and the name of its class, e.g. 0 Jump")
        key, name = found
        if key in table or name in table.values():
            raise DataError(f"{path}, {place}: number {key} or class {name!r} is there twice")
        table[key] = name
    if not table:
        raise DataError(f"{path} names no classes; write a number and a name a line, e.g. 0 Jump")
    return dict(sorted(table.items(), key=lambda item: int(item[0])))


def _rows(path: Path, lines: list[tuple[int, str]]) -> list[tuple[str, list[str]]]:
    """Parse lines: a number and a name each."""
    sign = separator(lines)
    rows = [(f"line {number}", columns(line, sign) if sign else _words(line)) for number, line in lines]
    if sign and max(len(row) for _, row in rows) > 2:
        rows = _with_header(path, rows)
    if len(rows) > 1 and all(_numbered(row) for _, row in rows[1:]) and not _numbered(rows[0][1]):
        rows = rows[1:]
    if not sign and not any(_numbered(row) for _, row in rows):
        rows = [(place, [str(number), row[0]]) for number, (place, row) in enumerate(rows)]
    return rows


def _with_header(path: Path, rows: list[tuple[str, list[str]]]) -> list[tuple[str, list[str]]]:
    """Take the number and the name out of rows of more columns."""
    heads = [head.casefold().replace(" ", "_") for head in rows[0][1]]
    name = next((heads.index(head) for head in NAME_HEADS if head in heads), None)
    whole = all(len(row) == len(heads) for _, row in rows)
    numbers = [column for column in range(len(heads)) if whole and all(is_number(row[column]) for _, row in rows[1:])]
    if name is None or len(numbers) != 1 or name in numbers:
        raise DataError(
            f"{path} has {len(heads)} columns; write a number and a name a line, e.g. 0,Jump, or a first line that "
            f"calls the column of the names {' or '.join(NAME_HEADS)}, beside one column of numbers"
        )
    return [(place, [row[numbers[0]], row[name]]) for place, row in rows[1:]]


def _json(path: Path, lines: list[tuple[int, str]]) -> list[tuple[str, list[str]]]:
    """Read a JSON object of names and numbers, or a list of names."""
    try:
        content = json.loads("\n".join(line for _, line in lines), object_pairs_hook=tuple)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} begins like JSON, but is not: {why_unreadable(error)}") from error
    pairs = content if isinstance(content, tuple) else [*enumerate(content)]
    return [(f"entry {place}", [str(part) for part in pair]) for place, pair in enumerate(pairs, start=1)]


def plain(number: str) -> str:
    """Write a whole number without leading zeros."""
    return str(int(number))


def is_number(text: str) -> bool:
    """Whether a label is a whole number."""
    return re.fullmatch(r"[0-9]{1,9}", text) is not None


def _words(line: str) -> list[str]:
    """Split a line at blanks: the number first or last, the rest is the name."""
    first = re.fullmatch(r"([0-9]{1,9})\s+(.+)", line)
    last = re.fullmatch(r"(.+?)\s+([0-9]{1,9})", line)
    return list(first.groups()) if first else list(last.groups()) if last else [line]


def _numbered(row: list[str]) -> tuple[str, str] | None:
    """The number and the name of a row; None where it is not such a row."""
    if len(row) != 2 or not all(row):
        return None
    if is_number(row[0]):
        return plain(row[0]), row[1]
    return (plain(row[1]), row[0]) if is_number(row[1]) else None
