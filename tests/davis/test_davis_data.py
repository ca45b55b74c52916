"""DAVIS as it is found on disk: both list forms, every kind of mask, and a message for what cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lstmzoo.data import DAVIS
from lstmzoo.data.davis import davis_palette, read_frame, read_mask, write_mask
from lstmzoo.errors import DataError, LstmzooError
from tiny_davis import SIZE, frame, ids, save_frame, save_grey, save_palette, write_davis

# -- Masks --------------------------------------------------------------------------------------------------------


def test_palette_is_that_of_pascal_voc():
    """VOC's own words: colours 0 to 20 as its development kit lists them, and 255 for void."""
    published = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128)]
    published += [(128, 128, 128), (64, 0, 0), (192, 0, 0), (64, 128, 0), (192, 128, 0), (64, 0, 128), (192, 0, 128)]
    published += [(64, 128, 128), (192, 128, 128), (0, 64, 0), (128, 64, 0), (0, 192, 0), (128, 192, 0), (0, 64, 128)]
    assert [tuple(colour) for colour in davis_palette()[:21].tolist()] == published
    assert tuple(davis_palette()[255].tolist()) == (224, 224, 192)
    assert len(np.unique(davis_palette(), axis=0)) == 256


def test_masks_are_written_with_the_palette_and_read_back(tmp_path):
    mask = np.arange(256, dtype=np.int64).reshape(8, 32)
    write_mask(tmp_path / "new" / "mask.png", mask)
    with Image.open(tmp_path / "new" / "mask.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image), mask)
        np.testing.assert_array_equal(np.array(image.getpalette()).reshape(-1, 3), davis_palette())
    np.testing.assert_array_equal(read_mask(tmp_path / "new" / "mask.png"), mask)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["mask.png"]
