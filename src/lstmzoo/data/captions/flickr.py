"""Captions in a text file with a line per caption: Flickr8k, Flickr30k, and plain csv.

Hodosh, Young, Hockenmaier, "Framing image description as a ranking task", JAIR 2013 (Flickr8k); Young, Lai, Hodosh,
Hockenmaier, "From image descriptions to visual denotations", TACL 2014 (Flickr30k).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lstmzoo.data.captions.karpathy import IMAGE_FOLDERS
from lstmzoo.data.captions.records import CaptionFiles, find_folder, make_record, read_text
from lstmzoo.data.captions.split_files import find_lists, read_lists
from lstmzoo.data.captions.text import Oddities
from lstmzoo.errors import DataError

TOKEN_FILES = {"flickr8k": ("Flickr8k.token.txt",), "flickr30k": ("results_20130124.token",)}
CSV_FILES = ("captions.txt", "captions.csv")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")

_SWALLOWED = re.compile(rf"\n[^\n,]+(?:{'|'.join(map(re.escape, IMAGE_SUFFIXES))})\s*,", re.IGNORECASE)
_QUOTES = 'a caption with quotes in it is written "A ""quoted"" word"'

Line = tuple[str, str, str]
"""Image name, caption, place."""


def read(path: Path, layout: str, image_dir: Path | None = None, split_dir: Path | None = None) -> CaptionFiles:
    """Read a text file with captions and the split lists beside it.

    Args:
        path: the file: ``name.jpg#0<TAB>caption`` a line, or csv with a header ``image,caption``.
        layout: what the result is called: flickr8k, flickr30k or csv.
        image_dir: folder of the images; by default one of the usual names beside the file.
        split_dir: folder of the split lists; by default that of the file.

    Returns:
        The data set; images go by their file name. Without split lists every image is in the split ``all`` only.

    Raises:
        DataError: a broken line (named), or an image that is listed twice.
    """
    oddities = Oddities()
    lines = _csv_lines(path) if path.name in CSV_FILES or path.suffix == ".csv" else _token_lines(path)
    captions: dict[str, list[tuple[Any, Any, str]]] = {}
    for name, caption, place in lines:
        if not name.lower().endswith(IMAGE_SUFFIXES):
            oddities.note("bad image name, left out", f"{place}: {name}")
            continue
        captions.setdefault(name, []).append((caption, None, place))
    if not captions:
        raise DataError(f"{path} holds no captions")
    lists = read_lists(find_lists(split_dir or path.parent), captions, path)
    folder = find_folder(path.parent, IMAGE_FOLDERS, image_dir)
    records = [
        make_record(name, folder / name, lists.split.get(name, ""), said, lists.place.get(name, said[0][2]), oddities)
        for name, said in captions.items()
    ]
    dataset = "" if layout == "csv" else layout
    kept = [record for record in records if record is not None]
    return CaptionFiles(layout, dataset, path, kept, oddities, lists.unmatched)


def _token_lines(path: Path) -> Iterator[Line]:
    """Read ``name.jpg#k<TAB>caption``; only a line feed ends a line, whatever else a caption holds."""
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        key, tab, caption = line.partition("\t")
        name, hash_sign, _ = key.rpartition("#")
        if not tab or not hash_sign:
            raise DataError(f"{path}, line {number} is not of the form 'name.jpg#0<TAB>caption': {line[:80]!r}")
        yield name, caption, f"{path.name}, line {number}"


def _csv_lines(path: Path) -> Iterator[Line]:
    """Read csv with a header that has the columns image and caption."""
    # Only line feeds end a line for csv when it is given whole lines of that kind.
    reader = csv.reader(io.StringIO(read_text(path), newline=""), skipinitialspace=True, strict=True)
    header = [column.strip().lower() for column in _row(reader, path) or []]
    if "image" not in header or "caption" not in header:
        raise DataError(f"{path} must start with a line 'image,caption', not {','.join(header)[:80]!r}")
    image, caption = header.index("image"), header.index("caption")
    while True:
        line = reader.line_num + 1
        row = _row(reader, path)
        if row is None:
            return
        if not row:
            continue
        if len(row) != len(header):
            raise DataError(
                f"{path}, line {line} has {len(row)} columns instead of {len(header)}; "
                f"captions with commas must be quoted: {','.join(row)[:80]!r}"
            )
        if _SWALLOWED.search(row[caption]):
            raise DataError(f"{path}, line {line} opens a quote that goes on over the lines of other images; {_QUOTES}")
        yield row[image].strip(), row[caption], f"{path.name}, line {line}"


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
