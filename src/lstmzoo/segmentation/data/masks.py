"""Masks as PNG files: every pixel holds the number of an object, and a palette gives the numbers their colours."""

import io
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.io.atomic import write_atomically
from lstmzoo.io.images import open_image

VOID = 255
"""Value of pixels that belong to nothing and are not scored, and of frames that are not annotated."""

NUMBERED_MODES = frozenset({"P", "L", "LA", "1", "I;16", "I"})
"""Pillow's names of the kinds of images whose pixels are numbers, not colours."""

GREY_MODES = frozenset({"L", "LA"})
"""Those with grey values of 8 bits, in which white may be an object."""

LOSSY = frozenset({"JPEG", "MPO", "JPEG2000", "WEBP", "AVIF"})
"""Pillow's names of the kinds of files that change the values of pixels."""

WIDE_MODES = frozenset({"I;16", "I"})
"""Those whose numbers may be beyond 255."""


class MaskFile(NamedTuple):
    """A mask that has been read."""

    ids: np.ndarray  # uint8 (H, W): 0 background, 1 … 254 objects, 255 void
    grey: bool  # the file has grey values, no palette
    white_is_object: bool  # it is black and white, and its white was taken for object 1


def davis_palette() -> np.ndarray:
    """Return the colour map of PASCAL VOC, which DAVIS uses as well.

    Bit k of an object's number, counted in threes, goes to the k-th highest bit of red, green and blue.

    Returns:
        uint8 (256, 3) RGB: black, dark red, dark green, olive, ...
    """
    number = np.arange(256)[:, None]  # (256, 1)
    channel = np.arange(3)  # red, green, blue
    colours = np.zeros((256, 3), np.int64)
    for place in range(8):
        colours |= (number >> (3 * place + channel) & 1) << (7 - place)
    return colours.astype(np.uint8)


def read_mask(path: str | os.PathLike[str]) -> np.ndarray:
    """Read the numbers of the objects; the colours of a palette play no part.

    A grey image of black and white only, as in DAVIS 2016, has one object, the white; everywhere else 255 is void.
    Every file is judged by itself, because a sequence would have to be decoded as a whole to know. So in grey masks of
    numbers, a frame with void and no object would show object 1: save such sets with a palette, e.g. by `write_mask`.

    Args:
        path: a PNG with a palette or of grey values; of a grey image with transparency, the grey values count.

    Returns:
        uint8 (H, W): 0 background, 1 … 254 objects, 255 void.

    Raises:
        DataError: the file is not there, damaged, holds colours instead of numbers, or numbers beyond 255.
    """
    return decode_mask(path).ids


def decode_mask(path: str | os.PathLike[str]) -> MaskFile:
    """Read a mask as `read_mask` does, and tell how it was understood.

    Raises:
        DataError: as `read_mask`.
    """
    with open_image(path) as image:
        check_kind(path, image.mode, image.format)
        pixels, mode = np.asarray(image), image.mode  # (H, W), or (H, W, 2) with transparency
    ids = pixels[..., 0] if mode == "LA" else pixels
    if ids.max(initial=0) > VOID or ids.min(initial=0) < 0:
        raise DataError(
            f"the mask {path} holds numbers from {ids.min()} to {ids.max()}; objects are numbered 1 to 254, 0 is the "
            "background and 255 void: renumber them"
        )
    ids = ids.astype(np.uint8, copy=False)
    white, grey = ids == VOID, mode in GREY_MODES
    if grey and np.count_nonzero(white) == np.count_nonzero(ids):
        return MaskFile(white.view(np.uint8), grey, bool(white.any()))
    return MaskFile(ids, grey, False)


def check_kind(path: str | os.PathLike[str], mode: str, kind: str | None) -> None:
    """Make sure that the pixels of an image are numbers, as they were written.

    Raises:
        DataError: they are colours, or were compressed with losses.
    """
    if kind in LOSSY:
        raise DataError(
            f"the mask {path} is a {kind} file, whose compression changes the numbers of objects; write it as a PNG, "
            "from where it was made rather than from this file"
        )
    if mode not in NUMBERED_MODES:
        raise DataError(
            f"the mask {path} holds colours ({mode}) instead of the numbers of objects; save it as a PNG with a "
            "palette or as a grey one, e.g. with lstmzoo.segmentation.data.masks.write_mask(path, ids)"
        )


def write_mask(path: str | os.PathLike[str], ids: np.ndarray, palette: np.ndarray | None = None) -> None:
    """Write a mask as DAVIS does: a PNG with the palette of `davis_palette`. The file appears when it is complete.

    Args:
        path: where; its folder is made if need be.
        ids: (H, W), whole numbers or bool: 0 background, 1 … 254 objects, 255 void.
        palette: other colours, uint8 (256, 3) RGB.

    Raises:
        LstmzooError: not a mask, or numbers beyond 0 … 255.
    """
    ids = np.asarray(ids)
    if ids.ndim != 2 or not ids.size or ids.dtype.kind not in "bui":
        raise LstmzooError(f"a mask is an array (H, W) of whole numbers, not {ids.dtype} {ids.shape} ({path})")
    if ids.min() < 0 or ids.max() > VOID:
        raise LstmzooError(f"a mask holds numbers from 0 to 255, not from {ids.min()} to {ids.max()} ({path})")
    image = Image.fromarray(ids.astype(np.uint8))
    image.putpalette((davis_palette() if palette is None else palette).tobytes())
    encoded = io.BytesIO()
    image.save(encoded, "PNG")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, encoded.getvalue())


def shows_object(ids: np.ndarray) -> bool:
    """Say whether a mask (H, W) shows anything but background and void."""
    return bool(((ids > 0) & (ids < VOID)).any())


def read_ids(path: Path, size: tuple[int, ...], *, binary: bool) -> np.ndarray:
    """Read a mask that belongs to a frame.

    Args:
        path: the mask.
        size: (H, W) of the frame, in pixels.
        binary: merge all objects into one.

    Returns:
        uint8 (H, W), 255 for void.

    Raises:
        DataError: it cannot be read, or has another size.
    """
    ids = read_mask(path)
    check_size(path, ids, size)
    return np.where(ids == VOID, VOID, ids > 0).astype(np.uint8) if binary else ids


def check_size(path: Path, ids: np.ndarray, size: tuple[int, ...]) -> None:
    """Make sure that a mask has the size (H, W) of its frame.

    Raises:
        DataError: it has another.
    """
    if ids.shape != size:
        raise DataError(f"{path} is {ids.shape[1]}×{ids.shape[0]} pixels, its frame {size[1]}×{size[0]}")
