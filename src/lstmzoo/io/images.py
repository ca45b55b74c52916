"""Image files: which there are, in which order, and reading them safely, whoever made them.

A decoder believes what a header claims: 700 bytes that claim 30,000 × 30,000 pixels cost seconds and gigabytes. So the
header is read first, by Pillow, which decodes nothing until it is asked to.
"""

import io
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import BinaryIO, NamedTuple

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from lstmzoo.errors import DataError, LstmzooError

IMAGE_SUFFIXES = (
    *(".avif", ".bmp", ".dib", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg"),
    *(".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"),
)
"""Suffixes (lower case) of the files taken for images: those of all formats that are read."""

MAX_PIXELS = 2**27
"""The largest image that is decoded, 134 megapixels: more than phones' 108."""

_FORMATS = ("AVIF", "BMP", "DIB", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
_NOT_IN_ALL_OPENCV = ("AVIF", "GIF")  # the wheels of OpenCV 4 lack them
_TURNED_BY_OPENCV = ("JPEG", "MPO", "PNG", "WEBP")  # Pillow gives the size of a TIFF upright, that of these as stored
_ORIENTATION = 0x0112  # EXIF; 5 to 8 lie on their side
_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_JPEG_END, _PNG_END = b"\xff\xd9", b"IEND"
_SCAN = b"\xff\xda"  # begins a scan of a JPEG: the only one, or one of a few that refine each other
_MAX_SCANS = 100  # every scan goes over the whole image, however few bytes it has
_TAIL = 4096

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # between Pillow's limit and MAX_PIXELS


class ImageHeader(NamedTuple):
    """What is known of an image without decoding it."""

    size: tuple[int, int]  # (height, width) in pixels, upright
    mode: str  # Pillow's name for the kind of its pixels, e.g. ``"RGB"``, or ``"P"`` for a palette
    format: str | None  # Pillow's name for the kind of the file, e.g. ``"PNG"``


def is_image(path: str | os.PathLike[str]) -> bool:
    """Tell by its suffix whether a path is an image file."""
    return PurePath(path).suffix.lower() in IMAGE_SUFFIXES


def natural_key(path: str | os.PathLike[str]) -> tuple[list[list[str]], str]:
    """Return what sorts paths as people count: ``a/2.png`` before ``a/10.png``."""
    parts = []
    for part in PurePath(path).parts:
        pieces = re.split(r"([0-9]+)", part)  # text, digits, text, ...
        numbers = (digits.lstrip("0") for digits in pieces[1::2])
        pieces[1::2] = [f"{len(number):03d}{number}" for number in numbers]  # text in the order of the numbers
        parts.append(pieces)
    return parts, str(path)


def list_images(folder: Path, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> list[Path]:
    """List the image files of a folder in the natural order of their names; hidden ones are left out."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in suffixes and path.name[0] != "."]
    return sorted(found, key=natural_key)


def read_rgb(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an image, turned upright; of an animated one, the first frame.

    Args:
        path: the file, of any of the formats of `IMAGE_SUFFIXES`, whatever its name.

    Returns:
        RGB, uint8 (H, W, 3).

    Raises:
        DataError: the file is not there, ends too early, is larger than `MAX_PIXELS` or cannot be decoded.
    """
    with _decoding(path):
        content = Path(path).read_bytes()
        _check_whole(path, content)
        with _opened(path, io.BytesIO(content)) as image:
            decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
            if decoded is not None:
                return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB, dst=decoded)  # in place
            if image.format in _NOT_IN_ALL_OPENCV:
                return np.array(image.convert("RGB"))
    raise _damaged(path)


def read_header(path: str | os.PathLike[str]) -> ImageHeader:
    """Read the size and kind of an image, and make sure that it ends where it should.

    Raises:
        DataError: the file is not there, ends too early, is larger than `MAX_PIXELS` or no image.
    """
    with _decoding(path), Path(path).open("rb") as stream:
        start = stream.read(2)
        stream.seek(max(stream.seek(0, os.SEEK_END) - _TAIL, 0))
        if {_JPEG: _JPEG_END, _PNG[:2]: _PNG_END}.get(start, b"") not in stream.read():  # not in its usual place
            stream.seek(0)
            _check_whole(path, stream.read())
        with _opened(path, stream) as image:
            size = (image.height, image.width)
            exif = Image.Exif()
            if image.format in _TURNED_BY_OPENCV and "exif" in image.info:
                exif.load(image.info["exif"])
            size = size[::-1] if exif.get(_ORIENTATION, 1) in (5, 6, 7, 8) else size
            return ImageHeader(size, image.mode, image.format)


@contextmanager
def open_image(path: str | os.PathLike[str]) -> Iterator[Image.Image]:
    """Open an image with Pillow, for those who need more than its colours; nothing is decoded yet.

    Raises:
        DataError: the file is not there, is larger than `MAX_PIXELS` or cannot be decoded, also where that shows later.
    """
    with _decoding(path), Path(path).open("rb") as stream, _opened(path, stream) as image:
        yield image


@contextmanager
def _opened(path: str | os.PathLike[str], stream: BinaryIO) -> Iterator[Image.Image]:
    Image.init()
    known = [name for name in _FORMATS if name in Image.OPEN]  # older versions of Pillow know fewer
    with Image.open(stream, formats=known) as image:
        if image.width * image.height > MAX_PIXELS:
            raise DataError(_too_large(path, f"{image.width} × {image.height} pixels"))
        yield image


@contextmanager
def _decoding(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn whatever decoders raise into one error that names the file."""
    try:
        yield
    except LstmzooError:
        raise
    except Image.DecompressionBombError as error:
        raise DataError(_too_large(path, str(error).partition("(")[2].partition(")")[0])) from error
    except Exception as error:  # of damaged files, Pillow and OpenCV raise nearly anything
        if isinstance(error, OSError) and error.strerror:
            raise DataError(f"cannot read the image {path} ({error.strerror})") from error
        raise _damaged(path, error) from error


def _damaged(path: str | os.PathLike[str], error: Exception | None = None) -> DataError:
    reason = "" if error is None or isinstance(error, UnidentifiedImageError) else f", {_reason(error)}"
    return DataError(
        f"cannot decode the image {path} ({os.path.getsize(path)} bytes{reason}); it is damaged or of an unknown format"
    )


def _too_large(path: str | os.PathLike[str], size: str) -> str:
    return f"the image {path} claims {size}, but at most {MAX_PIXELS // 10**6} megapixels are read; make it smaller"


def _reason(error: Exception) -> str:
    """Word what a decoder says, in one line."""
    text = "not enough memory" if isinstance(error, MemoryError) else getattr(error, "err", None) or str(error)
    return text.strip().partition("\n")[0] or type(error).__name__


def _check_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Refuse a file without its end mark: some versions of OpenCV refuse it, others fill it up with grey.

    Anything may follow the mark: phones put whole videos there.
    """
    if content.startswith(_JPEG):
        end, scans = _walk_jpeg(content)
        if scans > _MAX_SCANS:
            raise DataError(f"the image {path} is made of {scans} scans, at most {_MAX_SCANS} are read; save it again")
    else:
        end = _png_end(content) if content.startswith(_PNG) else 0
    if end < 0:
        raise DataError(f"the image {path} ends too early ({len(content)} bytes); fetch it again")


def _walk_jpeg(content: bytes) -> tuple[int, int]:
    """Find where a JPEG ends (-1: nowhere), and count its scans.

    The mark is looked for behind the header, where a thumbnail may have one of its own.
    """
    place = 2
    while content[place : place + 1] == b"\xff" and content[place + 1 : place + 2] not in (b"", b"\xff", _SCAN[1:]):
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    end = content.find(_JPEG_END, place)
    return end, content.count(_SCAN, place, end)


def _png_end(content: bytes) -> int:
    """Find the last chunk of a PNG; -1 where it is missing."""
    place = len(_PNG)
    while place + 8 <= len(content):
        if content[place + 4 : place + 8] == _PNG_END:
            return place
        place += 12 + int.from_bytes(content[place : place + 4], "big")
    return -1
