"""Reading pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from lstmzoo.errors import DataError

TRANSFORM = "squeeze-area-rgb"
"""What `read_image` does to a picture, in a word; part of the key of cached features."""

_SCAN = b"\xda"
"""Second byte of the mark in JPEG with which the header ends and the picture begins."""


def read_image(path: str | os.PathLike[str], size: tuple[int, int] | None = None) -> np.ndarray:
    """Read a picture, turned upright, squeezed to a size.

    The whole picture is kept, at the price of its proportions: captions speak of what stands at the edges, too.

    Args:
        path: JPEG, PNG or the like.
        size: (height, width) in pixels; None keeps the size.

    Returns:
        RGB, uint8 (3, H, W).

    Raises:
        DataError: the file is not there, ends too early or cannot be decoded.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the image {path} ({error.strerror or error})") from error
    if _is_cut_short(data):
        raise DataError(f"the image {path} ends too early ({len(data)} bytes); fetch it again")
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if picture is None:
        raise DataError(f"cannot decode the image {path} ({len(data)} bytes); it is damaged or of an unknown format")
    if size is not None and picture.shape[:2] != tuple(size):
        picture = cv2.resize(picture, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(picture[:, :, ::-1].transpose(2, 0, 1))


def mirror(picture: np.ndarray) -> np.ndarray:
    """Let left and right of a picture (3, H, W) change places."""
    return np.ascontiguousarray(picture[:, :, ::-1])


def read_images(paths: Iterable[str | os.PathLike[str]], side: int) -> np.ndarray:
    """Read pictures as squares of one size, uint8 (B, 3, side, side); see `read_image`."""
    return np.stack([read_image(path, (side, side)) for path in paths])


def read_thumbnail(path: str | os.PathLike[str], longest: int = 360) -> np.ndarray:
    """Read a picture to be shown to people: small, with its own proportions.

    Args:
        path: JPEG, PNG or the like.
        longest: pixels of the longer side; smaller pictures keep their size.

    Returns:
        RGB, uint8 (3, H, W).

    Raises:
        DataError: the file is not there or cannot be decoded.
    """
    picture = read_image(path)
    _, height, width = picture.shape
    scale = longest / max(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(picture.transpose(1, 2, 0), size, interpolation=cv2.INTER_AREA).transpose(2, 0, 1)


def _is_cut_short(data: bytes) -> bool:
    """Say whether a JPEG lacks its end mark: some versions of OpenCV refuse it, others fill it up with grey.

    The mark is looked for behind the header, where a thumbnail may have one of its own. Anything may follow it: phones
    put whole videos there.
    """
    if not data.startswith(b"\xff\xd8"):
        return False
    place = 2
    while data[place : place + 1] == b"\xff" and data[place + 1 : place + 2] not in (b"", b"\xff", _SCAN):
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return data.find(b"\xff\xd9", place) < 0
