"""Sequences in files of other people: a CSV with a step per line."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lstmzoo.errors import CheckpointError, DataError, printable
from lstmzoo.io.text_files import SEPARATORS, columns, read_lines
from lstmzoo.io.wording import listed
from lstmzoo.sequences.data.sequence_dataset import LONGEST

LARGEST = 64_000_000
"""Bytes of a file."""


def read_sequence(path: Path, model: Any) -> Tensor:
    """Read a sequence: a line per step, with the name of its symbol or with its numbers, separated by commas.

    A first line without a number or a symbol is a heading and is skipped.

    Args:
        path: the file.
        model: from ``lstmzoo.load``: it says which symbols there are, and how many numbers a step has.

    Returns:
        float32 (T, I).

    Raises:
        DataError: no such file, or it holds no sequence for this model; the message names the line.
    """
    if path.is_file() and path.stat().st_size > LARGEST:
        raise DataError(f"{path} has {path.stat().st_size:,} bytes; a sequence has {LARGEST:,} at most")
    lines = read_lines(path)
    names = alphabet_of(model)
    if lines and _is_heading(lines[0][1], names):
        lines = lines[1:]
    if not model.target_steps <= len(lines) <= LONGEST:
        raise DataError(
            f"{path} has {len(lines)} steps; for {model.checkpoint} a sequence has {model.target_steps} to {LONGEST}"
        )
    steps = torch.tensor([_step(line, names, model.input_size, f"{path}, line {number}") for number, line in lines])
    if not steps.isfinite().all():
        wrong = lines[int((~steps.isfinite()).any(1).nonzero()[0])][0]
        raise DataError(f"{path}, line {wrong}: a number is not finite")
    return steps


def alphabet_of(model: Any) -> list[str]:
    """The symbols of a model from ``lstmzoo.load``; none where steps are numbers."""
    names: list[str] = model.transform["alphabet"]
    if names and len(names) != model.input_size:
        raise CheckpointError(
            f"{model.checkpoint} contradicts itself: {len(names)} symbols, and a model of {model.input_size} inputs"
        )
    return names


def _cells(line: str) -> list[str]:
    return columns(line, next((sign for sign in SEPARATORS if sign in line), ","))


def _is_heading(line: str, names: list[str]) -> bool:
    return not any(cell in names or _is_number(cell) for cell in _cells(line))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _step(line: str, names: list[str], size: int, place: str) -> list[float]:
    cells = _cells(line)
    if len(cells) == 1 and cells[0] in names:
        return [float(name == cells[0]) for name in names]
    if len(cells) != size or not all(map(_is_number, cells)):
        symbol = f", or one of the symbols {listed(names, 12)}" if names else ""
        plural = "" if size == 1 else "s"
        raise DataError(f"{place}: {printable(line[:60])!r} is no step; it is {size} number{plural}{symbol}")
    return [float(cell) for cell in cells]
