"""Reading small text files of other people: lists, tables."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

from lstmzoo.errors import DataError

SEPARATORS = ("\t", ",", ";")


def read_lines(path: Path, is_name: Callable[[str], bool] = lambda word: False) -> list[tuple[int, str]]:
    """Read the lines of a text file without comments: what follows a ``#`` at the beginning or after a blank.

    Args:
        path: a file in UTF-8, or in UTF-16 with its byte order mark, as spreadsheets write it.
        is_name: tells of a word with ``#`` before it whether it is a name and no comment.

    Returns:
        For each line that is left its number, from 1, and its text without blanks around it.

    Raises:
        DataError: no such file, or it is not text; the message names the place.
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
    lines = [(number, _uncommented(line, is_name)) for number, line in enumerate(text.splitlines(), start=1)]
    return [(number, line) for number, line in lines if line]


def _uncommented(line: str, is_name: Callable[[str], bool]) -> str:
    comments = re.finditer(r"(?:^|\s)(#[^\s,;]*)", line)
    return next((line[: found.start()] for found in comments if not is_name(found[1])), line).strip()


def separator(lines: list[tuple[int, str]]) -> str | None:
    """Say what stands between the columns: what is in every line; None for blanks."""
    return next((sign for sign in SEPARATORS if lines and all(sign in line for _, line in lines)), None)


def columns(line: str, sign: str) -> list[str]:
    """Take a line apart at a separator; quotes are understood."""
    return [field.strip() for field in next(csv.reader([line], delimiter=sign, skipinitialspace=True), [])]
