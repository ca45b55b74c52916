"""Which classes the label images of a data set show: their names, and the numbers or colours that stand for them."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lstmzoo.errors import DataError
from lstmzoo.io.images import open_image
from lstmzoo.io.wording import listed, why_unreadable
from lstmzoo.segmentation.data.masks import LOSSY, NUMBERED_MODES, VOID

TABLES = ("classes.txt", "label_colors.txt")
"""Where the classes of a data set are listed: a name a line (SegNet), or ``R G B name`` (CamVid's own release)."""

NO_CLASS = frozenset({"void", "unlabelled", "unlabeled", "ignore"})
"""Names (lower case) of lines that stand for void."""

COLOUR_MODES = frozenset({"RGB", "RGBA"})
"""Pillow's names of the kinds of images whose pixels are colours."""

_COLOURED = re.compile(r"(\d+)[\s,]+(\d+)[\s,]+(\d+)[\s,]+(.+)")
_UNKNOWN = -1


@dataclass(frozen=True)
class ClassTable:
    """The classes of a data set, numbered from 0, and how its label images show them."""

    path: Path
    names: tuple[str, ...]  # of the K classes
    lines: int  # of the table, those of void and further ones of a class included
    numbers: np.ndarray  # int16 (256,), the class of each number in a label image; `VOID`; -1 unknown
    colours: dict[int, int]  # the class, or `VOID`, of each colour 65536 R + 256 G + B; empty for a table without

    def classes_of(self, pixels: np.ndarray, path: str | os.PathLike[str]) -> np.ndarray:
        """Turn the pixels of a label image into classes.

        Args:
            pixels: numbers (H, W), or colours (H, W, 3).
            path: the file, for messages.

        Returns:
            uint8 (H, W), 255 for void.

        Raises:
            DataError: a number or colour that the table does not have.
        """
        is_colour = pixels.ndim == 3
        if is_colour:
            codes = pixels.astype(np.int64) @ np.array([65536, 256, 1])
            values, inverse = np.unique(codes, return_inverse=True)
            classes = np.array([self.colours.get(value, _UNKNOWN) for value in values.tolist()])[inverse]
        else:
            codes = pixels.astype(np.int64)
            classes = np.where((codes >= 0) & (codes <= VOID), self.numbers[codes & VOID], _UNKNOWN)
        classes = classes.reshape(codes.shape)
        if (wrong := classes == _UNKNOWN).any():
            value = int(codes[wrong][0])
            raise DataError(self._unknown(value, int((codes == value).sum()), is_colour, path))
        return classes.astype(np.uint8)

    def _unknown(self, value: int, pixels: int, is_colour: bool, path: str | os.PathLike[str]) -> str:
        if is_colour:
            shown = f"the colour {value >> 16} {value >> 8 & 255} {value & 255}"
            choices = "its colours: " + listed((f"{c >> 16} {c >> 8 & 255} {c & 255}" for c in self.colours), 12)
        else:
            void = np.flatnonzero(self.numbers == VOID).tolist()
            shown, choices = f"the number {value}", f"it names 0 to {self.lines - 1}; void is {listed(void)}"
        return (
            f"the label image {path} holds {shown} ({pixels} pixels), which {self.path} does not name ({choices}): add "
            "a line for it, or correct the image"
        )


def find_table(root: Path) -> Path | None:
    """Find the file in which a data set lists its classes; None where there is none."""
    return next((root / name for name in TABLES if (root / name).is_file()), None)


def read_table(root: Path, table: Path | None = None) -> ClassTable:
    """Read the classes of a data set.

    A line is a name, and its number is that of the line, counted from 0; or ``R G B name``. Lines of one name are one
    class; those called Void or Unlabelled are none. Where there is no such line, the number after the last one is
    void. 255 always is.

    Args:
        root: folder of the data set.
        table: the file; None: one of `TABLES` in root.

    Raises:
        DataError: no such file, fewer than two classes, or a line that cannot be understood.
    """
    path = table if table is not None else find_table(root)
    if path is None or not path.is_file():
        raise DataError(
            f"{root if path is None else path}: there is no list of the classes; write {TABLES[0]} with a name a line, "
            f"in the order of their numbers, or {TABLES[1]} with lines `R G B name`, or name a file with data.table"
        )
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeError) as error:
        raise DataError(f"{path} cannot be read: {why_unreadable(error)}") from error
    coloured = [_COLOURED.fullmatch(line) for line in lines]
    if any(coloured) and not all(coloured):
        wrong = next(line for line, match in zip(lines, coloured, strict=True) if not match)
        raise DataError(f"{path}: the line {wrong[:60]!r} has no colour; write `R G B name` in every line, or in none")
    return _table(
        path, [(match[4].strip() if match else line, match) for line, match in zip(lines, coloured, strict=True)]
    )


def read_labels(path: str | os.PathLike[str], table: ClassTable, size: tuple[int, ...]) -> np.ndarray:
    """Read a label image: PNGs of numbers, with or without a palette, or of colours that the table has.

    Args:
        path: the file.
        table: the classes.
        size: (H, W) of its frame, in pixels.

    Returns:
        uint8 (H, W): classes, 255 for void.

    Raises:
        DataError: it cannot be read, has another size, or holds something unknown.
    """
    with open_image(path) as image:
        check_label_kind(path, image.mode, image.format, table)
        pixels = np.asarray(image.convert("RGB") if image.mode in COLOUR_MODES else image)
    pixels = pixels[..., 0] if image.mode == "LA" else pixels
    if pixels.shape[:2] != size:
        raise DataError(
            f"the label image {path} is {pixels.shape[1]}×{pixels.shape[0]} pixels, its frame {size[1]}×{size[0]}; "
            "resize it with the nearest pixel"
        )
    return table.classes_of(pixels, path)


def check_label_kind(path: str | os.PathLike[str], mode: str, kind: str | None, table: ClassTable) -> None:
    """Make sure that a label image holds what the table lists, as it was written.

    Raises:
        DataError: it was compressed with losses, or holds colours while the table has none.
    """
    if kind in LOSSY:
        raise DataError(f"the label image {path} is a {kind} file, whose compression changes classes; write PNGs")
    if mode in COLOUR_MODES and not table.colours:
        raise DataError(
            f"the label image {path} holds colours, and {table.path} has none; write `R G B name` in its lines, or "
            "save the numbers of the classes as a PNG with a palette or of grey values"
        )
    if mode not in COLOUR_MODES | NUMBERED_MODES:
        raise DataError(f"the label image {path} is of the kind {mode}; write PNGs of numbers, or of RGB colours")


def _table(path: Path, lines: list[tuple[str, re.Match[str] | None]]) -> ClassTable:
    if not 2 <= len(lines) < VOID:
        raise DataError(f"{path} has {len(lines)} lines; it takes 2 to {VOID - 1}, one for each class")
    names: list[str] = []
    numbers = np.full(256, _UNKNOWN, np.int16)
    colours: dict[int, int] = {}
    for number, (name, match) in enumerate(lines):
        void = name.lower() in NO_CLASS
        names += [] if void or name in names else [name]
        numbers[number] = VOID if void else names.index(name)
        if match:
            red, green, blue = (int(value) for value in match.groups()[:3])
            code = 65536 * red + 256 * green + blue
            if max(red, green, blue) > 255 or colours.get(code, numbers[number]) != numbers[number]:
                raise DataError(
                    f"{path}: {red} {green} {blue} of {name!r} is no colour of 0 to 255, or is another class's, too"
                )
            colours[code] = int(numbers[number])
    if len(names) < 2:
        raise DataError(f"{path} names {listed(names)} as the only class; it takes at least two")
    if VOID not in numbers:
        numbers[len(lines)] = VOID
    numbers[VOID] = VOID
    return ClassTable(path, tuple(names), len(lines), numbers, colours)
