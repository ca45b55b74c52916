"""Reading small text files of other people: lists, tables."""

from __future__ import annotations

import csv
from pathlib import Path

from lstmzoo.errors import DataError

SEPARATORS = ("\t", ",", ";")


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Read the lines of a text file that are not blank and do not begin with ``#``.

    Args:
        path: a file in UTF-8, or in UTF-16 with its byte order mark, as spreadsheets write it.

    Returns:
        For each line its number, from 1, and its text without blanks around it.

    Raises:
        DataError: no such file, or it is no text; the message names the place.
    """
    if not path.is_file():
        raise DataError(f"no such file: {path}")
    content = path.read_bytes()
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"{path}, line {line} is not text in UTF-8; save the file as UTF-8") from error
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def separator(lines: list[tuple[int, str]]) -> str | None:
    """Say what stands between the columns: what is in every line; None for blanks."""
    return next((sign for sign in SEPARATORS if lines and all(sign in line for _, line in lines)), None)


def columns(line: str, sign: str) -> list[str]:
    """Take a line apart at a separator; quotes are understood."""
    return [field.strip() for field in next(csv.reader([line], delimiter=sign, skipinitialspace=True), [])]
