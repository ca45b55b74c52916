"""Captions in csv: a line that names the columns, then a line per caption."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lstmzoo.captioning.data.records import read_text
from lstmzoo.captioning.data.text import Issues
from lstmzoo.errors import DataError
from lstmzoo.io.images import IMAGE_SUFFIXES

IMAGE_COLUMNS = ("image", "image_name", "file_name", "filename", "img")
CAPTION_COLUMNS = ("caption", "comment", "text")

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
"""What may stand between columns; the line that names them tells which."""

_QUOTES = 'a caption with quotes in it is written "A ""quoted"" word"'
_NUMBERED = re.compile(r"\s*\d+\s+(?=\S)")

Line = tuple[str, str, str]
"""Image name, caption, place."""


class _Form(NamedTuple):
    """How the lines of a file are to be read."""

    delimiter: str
    columns: int
    image: int
    caption: int

    @property
    def quoted(self) -> bool:
        """Whether fields may be in quotes: not between bars, as Flickr30k is handed on, where quotes are text."""
        return self.delimiter != "|"


def csv_lines(path: Path, issues: Issues) -> Iterator[Line]:
    """Read the captions of a csv file.

    Yields:
        Image name, caption and place of each line.

    Raises:
        DataError: the first line does not name the columns, or a line does not fit it (named).
    """
    text = read_text(path)
    form = _form(text.partition("\n")[0], path)
    swallowed = re.compile(
        rf"\n[^\n{re.escape(form.delimiter)}]+(?:{'|'.join(map(re.escape, IMAGE_SUFFIXES))})\s*"
        rf"{re.escape(form.delimiter)}",
        re.IGNORECASE,
    )
    # Only line feeds end a line for csv when it is given whole lines of that kind.
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=form.delimiter,
        quoting=csv.QUOTE_MINIMAL if form.quoted else csv.QUOTE_NONE,
        skipinitialspace=True,
        strict=True,
    )
    _row(reader, path)
    while True:
        line = reader.line_num + 1
        row = _row(reader, path)
        if row is None:
            return
        if not row:
            continue
        place = f"{path.name}, line {line}"
        if not form.quoted and len(row) == form.columns - 1 and _NUMBERED.match(row[-1]):
            row = [*row[:-1], "", _NUMBERED.sub("", row[-1], count=1)]
            issues.note("bar missing after the number of the caption, put right", place)
        if len(row) != form.columns:
            raise DataError(
                f"{path}, line {line} has {len(row)} columns instead of {form.columns}; captions with "
                f"{DELIMITERS[form.delimiter]}s must be quoted: {form.delimiter.join(row)[:80]!r}"
            )
        if swallowed.search(row[form.caption]):
            raise DataError(f"{path}, line {line} opens a quote that goes on over the lines of other images; {_QUOTES}")
        yield row[form.image].strip(), row[form.caption], place


def _form(header: str, path: Path) -> _Form:
    """Find by the first line how a file is to be read."""
    for delimiter in DELIMITERS:
        columns = [column.strip().strip('"').lower() for column in header.split(delimiter)]
        image = next((columns.index(name) for name in IMAGE_COLUMNS if name in columns), None)
        caption = next((columns.index(name) for name in CAPTION_COLUMNS if name in columns), None)
        if image is not None and caption is not None:
            return _Form(delimiter, len(columns), image, caption)
    raise DataError(
        f"{path} must start with a line 'image,caption', not {header.strip()[:80]!r}; columns may also be called "
        f"{', '.join((*IMAGE_COLUMNS[1:], *CAPTION_COLUMNS[1:]))}, and be parted by {', '.join(DELIMITERS.values())}"
    )


def _row(reader: Any, path: Path) -> list[str] | None:
    """Read a row, which goes on over several lines where a quote is open; None after the last."""
    line = reader.line_num + 1
    try:
        return next(reader, None)
    except csv.Error as error:
        if "field limit" in str(error) and reader.line_num == line:  # else an open quote swallows lines up to the limit
            longest = f"a field of more than {csv.field_size_limit()} characters"
            raise DataError(f"{path}, line {line} has {longest}; shorten or remove it") from error
        until = f" to {reader.line_num}" if reader.line_num > line else ""
        raise DataError(f"{path}, line {line}{until}: a quote is not closed properly ({error}); {_QUOTES}") from error
