"""Photographs that simulated videos are made of, and objects of annotated videos before them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import numpy as np

from lstmzoo.errors import DataError, DataWarning, LstmzooError
from lstmzoo.io.images import IMAGE_SUFFIXES, list_images, read_rgb
from lstmzoo.segmentation.data.video_objects import VideoObjects
from lstmzoo.synthetic.cutouts import Cutout

_FROM_VIDEOS = 0.5  # share of the objects, where there are videos
_TRIES = 10


class Photographs:
    """Draws photographs out of folders.

    Args:
        backgrounds: files for backgrounds.
        textures: files that pieces are cut out of.
        objects: of annotated videos; None: there are none.
    """

    def __init__(
        self, backgrounds: Sequence[Path], textures: Sequence[Path], objects: VideoObjects | None = None
    ) -> None:
        self.backgrounds, self.textures, self.objects = backgrounds, textures, objects

    @property
    def digest(self) -> int:
        """Of the names of the files and sequences, by which a simulated set is told from those of others."""
        videos = self.objects.videos if self.objects else ()
        return crc32("\n".join([*(path.name for path in (*self.backgrounds, *self.textures)), *videos]).encode())

    @classmethod
    def of(
        cls, backgrounds: Path | None, textures: Path | None = None, objects: Path | None = None
    ) -> Photographs | None:
        """Find the photographs of two folders, the same if only one is given, and annotated videos; None without any.

        Raises:
            DataError: there is no such folder, no image in it, or no annotated video.
            LstmzooError: there are objects, but no photographs to show them before.
        """
        given = backgrounds or textures
        if given is None and objects is not None:
            raise LstmzooError(
                f"objects={objects}: objects of videos are shown before photographs; give a folder of them as well, "
                "with backgrounds=FOLDER (data.backgrounds=FOLDER in training)"
            )
        if given is None:
            return None
        videos = None if objects is None else VideoObjects(Path(objects))
        return cls(_found(Path(backgrounds or given)), _found(Path(textures or given)), videos)

    def background(self, rng: np.random.Generator) -> np.ndarray:
        """Draw a background: RGB, uint8 (H, W, 3)."""
        return _drawn(self.backgrounds, rng)

    def texture(self, rng: np.random.Generator) -> np.ndarray:
        """Draw what pieces are cut out of: RGB, uint8 (H, W, 3)."""
        return _drawn(self.textures, rng)

    def moving(self, frames: int, rng: np.random.Generator) -> list[Cutout] | None:
        """Draw an object of a video, a cutout for each frame; None: it is to be made of a photograph."""
        return self.objects.draw(frames, rng) if self.objects and rng.random() < _FROM_VIDEOS else None


def _drawn(files: Sequence[Path], rng: np.random.Generator) -> np.ndarray:
    """Draw a photograph; of thousands some may be damaged, which must not end a training."""
    for _ in range(_TRIES):
        path = files[int(rng.integers(len(files)))]
        try:
            return read_rgb(path)
        except DataError as error:
            reason = str(error)
            warnings.warn(f"another photograph is taken: {reason}", DataWarning, stacklevel=2)
    raise DataError(f"photographs: of {_TRIES} that were drawn from {path.parent} none can be read; {reason}")


def _found(folder: Path) -> list[Path]:
    images = list_images(folder) if folder.is_dir() else []
    if not images:
        what = "holds no image" if folder.is_dir() else "is no folder"
        raise DataError(f"photographs: {folder} {what}; give a folder with {', '.join(IMAGE_SUFFIXES)} files")
    return images
