"""Reading the frames of a sequence, and knowing from their headers what reading will say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from lstmzoo.data.davis.masks import reason
from lstmzoo.errors import DataError

FRAME_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
"""Suffixes (lower case) of the files taken for frames."""

_END_MARKS = {b"\xff\xd8": b"\xff\xd9", b"\x89P": b"IEND"}  # first bytes of JPEG and PNG: what stands at their end
_TAIL = 4096  # some programs write a few bytes after the end


class Header(NamedTuple):
    """What is known of a picture without decoding it: (height, width) in pixels, and Pillow's name for its kind."""

    size: tuple[int, int]
    mode: str


def read_frame(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a frame.

    Args:
        path: JPEG, PNG or the like.

    Returns:
        RGB, uint8 (H, W, 3).

    Raises:
        DataError: the file is not there, is cut short or cannot be decoded.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the frame {path} ({reason(error)})") from error
    _check_end(path, content[:2], content[-_TAIL:])
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if picture is None:
        raise DataError(f"cannot decode {path} ({len(content)} bytes); fetch or write it again")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read the size and kind of a picture, and make sure that it is whole.

    Args:
        path: a frame or a mask.

    Returns:
        What its header says.

    Raises:
        DataError: the file is not there, is cut short or no picture.
    """
    try:
        with Path(path).open("rb") as stream:
            start = stream.read(2)
            stream.seek(max(stream.seek(0, os.SEEK_END) - _TAIL, 0))
            _check_end(path, start, stream.read())
            with Image.open(stream) as image:
                return Header((image.height, image.width), image.mode)
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"cannot decode {path} ({reason(error)}); fetch or write it again") from error


def _check_end(path: str | os.PathLike[str], start: bytes, tail: bytes) -> None:
    """Refuse a file that ends too early: OpenCV would fill what is missing with grey and say nothing."""
    mark = _END_MARKS.get(start)
    if mark is not None and mark not in tail:
        raise DataError(f"{path} is cut short: it ends before its end mark; fetch or write it again")
