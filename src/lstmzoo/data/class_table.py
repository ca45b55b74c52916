"""Tables of class names: ``0 Jump`` a line, as data sets bring them along."""

from __future__ import annotations

import re
from pathlib import Path

from lstmzoo.data.text_files import columns, read_lines, separator
from lstmzoo.errors import DataError


def read_class_table(path: Path) -> dict[str, str]:
    """Read which number stands for which class.

    A line is a number and a name, in either order, with a tab, a comma, a semicolon or blanks between them, or only a
    name: then the first line is number 0. A first line without a number among lines with one is a header.

    Args:
        path: the table, e.g. UCF101's classInd.txt.

    Returns:
        The names by their numbers (digits without leading zeros), in the order of the numbers.

    Raises:
        DataError: no such file, a line of another form, or a number or name that is there twice.
    """
    lines = read_lines(path)
    sign = separator(lines)
    rows = [(number, columns(line, sign) if sign else _words(line)) for number, line in lines]
    if len(rows) > 1 and all(_numbered(row) for _, row in rows[1:]) and not _numbered(rows[0][1]):
        rows = rows[1:]
    if not any(_numbered(row) for _, row in rows):
        rows = [(number, [str(place), line]) for place, (number, line) in enumerate(lines)]
    table: dict[str, str] = {}
    for number, row in rows:
        found = _numbered(row)
        if found is None:
            raise DataError(f"{path}, line {number}: write a number and the name of its class, e.g. 0 Jump")
        key, name = found
        if key in table or name in table.values():
            raise DataError(f"{path}, line {number}: number {key} or class {name!r} is there twice")
        table[key] = name
    if not table:
        raise DataError(f"{path} names no classes; write a number and a name a line, e.g. 0 Jump")
    return dict(sorted(table.items(), key=lambda item: int(item[0])))


def plain(number: str) -> str:
    """Write a whole number without leading zeros."""
    return str(int(number))


def is_number(text: str) -> bool:
    """Tell whether a label is a whole number."""
    return re.fullmatch(r"[0-9]{1,9}", text) is not None


def _words(line: str) -> list[str]:
    """Take a line apart at blanks: the number first or last, the rest is the name."""
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
