"""Reading images."""

import os
from collections.abc import Iterable

import cv2
import numpy as np

from lstmzoo.errors import DataError
from lstmzoo.io.images import read_rgb

TRANSFORM = "squeeze-area-rgb"
"""What `read_image` does to an image, in a word; part of the key of cached features."""


def read_image(path: str | os.PathLike[str], size: tuple[int, int] | None = None) -> np.ndarray:
    """Read an image, turned upright, squeezed to a size.

    The whole image is kept, at the price of its proportions: captions mention what is at the edges, too.

    Args:
        path: JPEG, PNG or the like.
        size: (height, width) in pixels; None keeps the size.

    Returns:
        RGB, uint8 (3, H, W).

    Raises:
        DataError: the file cannot be read, see `lstmzoo.io.images.read_rgb`.
    """
    image = read_rgb(path)
    if size is not None and image.shape[:2] != tuple(size):
        image = cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image.transpose(2, 0, 1))


def fault_of(path: str | os.PathLike[str]) -> DataError | None:
    """Say what is wrong with an image that cannot be read; None where nothing is."""
    try:
        read_image(path)
    except DataError as error:
        return error
    return None


def mirror(image: np.ndarray) -> np.ndarray:
    """Let left and right of an image (3, H, W) change places."""
    return np.ascontiguousarray(image[:, :, ::-1])


def read_images(paths: Iterable[str | os.PathLike[str]], side: int) -> np.ndarray:
    """Read images as squares of one size, uint8 (B, 3, side, side); see `read_image`."""
    return np.stack([read_image(path, (side, side)) for path in paths])


def read_thumbnail(path: str | os.PathLike[str], longest: int = 360) -> np.ndarray:
    """Read an image to be shown to people: small, with its own proportions.

    Args:
        path: JPEG, PNG or the like.
        longest: pixels of the longer side; smaller images keep their size.

    Returns:
        RGB, uint8 (3, H, W).

    Raises:
        DataError: the file cannot be read.
    """
    image = read_image(path)
    _, height, width = image.shape
    scale = longest / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image.transpose(1, 2, 0), size, interpolation=cv2.INTER_AREA).transpose(2, 0, 1)
