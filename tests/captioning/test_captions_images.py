"""Reading pictures: upright, whole, and the same with every version of OpenCV."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from lstmzoo.captioning.data.square_images import read_image
from lstmzoo.errors import DataError

THUMBNAIL = b"\xff\xd8 a picture of its own \xff\xd9"


def jpeg(header: bytes = b"") -> bytes:
    """A picture, white on the left and black on the right, with something more in its header."""
    image = np.zeros((20, 30, 3), np.uint8)
    image[:, :15] = 255
    encoded = cv2.imencode(".jpg", image)[1].tobytes()
    return encoded[:2] + b"\xff\xe1" + (len(header) + 2).to_bytes(2, "big") + header + encoded[2:]


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_pictures_are_turned_upright(tmp_path):
    """A photograph taken on its side says so in its EXIF data."""
    tags = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"  # orientation 6
    upright = read_image(write(tmp_path / "side.jpg", jpeg(tags)))
    assert upright.shape == (3, 30, 20)
    assert upright[:, :14].mean() > 250 > 5 > upright[:, 16:].mean()


@pytest.mark.parametrize("header", [b"", THUMBNAIL])
@pytest.mark.parametrize("missing", [1, 2, 100])
def test_a_jpeg_that_ends_too_early_is_refused(tmp_path, header, missing):
    """OpenCV 4.10 reads it and fills it up with grey, OpenCV 5 says nothing but that it does not decode."""
    content = jpeg(header)[:-missing]
    with pytest.raises(DataError, match=rf"short.jpg.*\({len(content)} bytes\)"):
        read_image(write(tmp_path / "short.jpg", content))


@pytest.mark.parametrize("appended", [b"\0", b"a video" * 10_000])
def test_bytes_after_the_end_of_a_jpeg_do_no_harm(tmp_path, appended):
    whole = read_image(write(tmp_path / "whole.jpg", jpeg(THUMBNAIL)))
    assert np.array_equal(read_image(write(tmp_path / "more.jpg", jpeg(THUMBNAIL) + appended)), whole)


def test_a_progressive_jpeg_and_one_with_filled_marks_are_read(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    progressive = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    assert read_image(write(tmp_path / "progressive.jpg", progressive)).shape == (3, 40, 60)
    filled = progressive[:2] + b"\xff\xff" + progressive[2:]  # the standard allows such bytes before any mark
    assert read_image(write(tmp_path / "filled.jpg", filled)).shape == (3, 40, 60)
