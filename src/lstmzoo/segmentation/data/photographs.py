"""Photographs that simulated videos are made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import numpy as np

from lstmzoo.errors import DataError
from lstmzoo.io.images import IMAGE_SUFFIXES, list_images, read_rgb


class Photographs:
    """Draws photographs out of folders.

    Args:
        backgrounds: files for backgrounds.
        textures: files that pieces are cut out of.
    """

    def __init__(self, backgrounds: Sequence[Path], textures: Sequence[Path]) -> None:
        self.backgrounds, self.textures = backgrounds, textures

    @property
    def digest(self) -> int:
        """Of the names of the files, by which a simulated set is told from those of other photographs."""
        return crc32("\n".join(path.name for path in (*self.backgrounds, *self.textures)).encode())

    @classmethod
    def of(cls, backgrounds: Path | None, textures: Path | None = None) -> Photographs | None:
        """Find the photographs of two folders, the same if only one is given; None without any.

        Raises:
            DataError: there is no such folder, or no image in it.
        """
        given = backgrounds or textures
        if given is None:
            return None
        return cls(_found(Path(backgrounds or given)), _found(Path(textures or given)))

    def background(self, rng: np.random.Generator) -> np.ndarray:
        """Draw a background: RGB, uint8 (H, W, 3)."""
        return read_rgb(self.backgrounds[int(rng.integers(len(self.backgrounds)))])

    def texture(self, rng: np.random.Generator) -> np.ndarray:
        """Draw what pieces are cut out of: RGB, uint8 (H, W, 3)."""
        return read_rgb(self.textures[int(rng.integers(len(self.textures)))])


def _found(folder: Path) -> list[Path]:
    images = list_images(folder) if folder.is_dir() else []
    if not images:
        what = "holds no image" if folder.is_dir() else "is no folder"
        raise DataError(f"photographs: {folder} {what}; give a folder with {', '.join(IMAGE_SUFFIXES)} files")
    return images
