"""Features of a frozen encoder, computed once.

An image that is looked at in every epoch gives the same features every time as long as its encoder does not learn.
So they are computed once, and kept as half-precision numbers in memory-mapped files: 7×7×1280 of them take 125 kB a
image, and reading them costs about a thousandth of computing them.
"""

import hashlib
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import torch
from filelock import FileLock

from lstmzoo.captioning.data.square_images import TRANSFORM, fault_of, mirror, read_image
from lstmzoo.errors import DataError
from lstmzoo.io.atomic import NO_ROOM, publish
from lstmzoo.io.progress import progress_bar

FORMAT = 1
"""Part of every key; raised when features would come out differently, so that old caches are not used."""

BATCH = 32


class UnreadableImages(DataError):
    """Images that cannot be read; ``errors`` says of each what is wrong, by its index."""

    def __init__(self, errors: dict[int, DataError]) -> None:
        first, *others = map(str, errors.values())
        super().__init__(f"{first} (and {len(others)} more such images)" if others else first)
        self.errors = errors


class Encoder(Protocol):
    """What turns images into features."""

    key: str  # names the encoder, its weights and how it normalises; the same key promises the same features
    image_size: int | tuple[int, int]  # side of the square images it wants, in pixels, or (height, width)

    def __call__(self, images: torch.Tensor, /) -> torch.Tensor:
        """Turn uint8 (B, 3, H, W) into (B, N, C)."""


class FeatureCache:
    """Features of a list of images.

    `build` computes what is missing; a run that breaks off is resumed where it stopped, and two runs that start at once
    wait for each other. Afterwards `grid` reads from the disk, in any number of processes.

    The files belong to one encoder (its `key`), one way of reading images, and one list of images: their names
    below the folder that they share, their sizes, and what is in them (of compressed images a sample). When any of it
    changes, features are recomputed; a folder that was moved or copied keeps its features.

    Args:
        folder: folder of the cache.
        paths: the images, in the order of their index.
        encoder: computes the features; see `Encoder`. It may be any callable with those two attributes.
        mirrored: of the images mirrored, left to right, in place of the images as they are.
    """

    def __init__(
        self, folder: str | os.PathLike[str], paths: Sequence[Path], encoder: Encoder, mirrored: bool = False
    ) -> None:
        self.paths, self.mirrored = [Path(path) for path in paths], mirrored
        self.size = _pixels(encoder.image_size)
        name = re.sub(r"[^\w.-]", "_", encoder.key)[:60]
        self.folder = Path(folder) / f"{name}-{digest([encoder.key, self.size, TRANSFORM, FORMAT])}"
        stem = digest(states(self.paths)) + (".mirrored" if mirrored else "")
        self.grid_file = self.folder / f"{stem}.grid.npy"
        self._grids: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def build(self, encoder: Encoder, *, batch_size: int = BATCH) -> "FeatureCache":
        """Compute what is not there yet.

        Raises:
            UnreadableImages: images that cannot be read; the error holds all of them.
            DataError: the cache cannot be written.
        """
        if self.complete:
            return self
        with _explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.grid_file.with_suffix(".lock")):
                if not self.complete:  # another run may have computed it while this one waited
                    self._compute(encoder, batch_size)
        return self

    @property
    def complete(self) -> bool:
        """Whether all features are there."""
        return self.grid_file.exists()

    def grid(self, index: int) -> np.ndarray:
        """Return the features of an image by place, float16 (N, C)."""
        if self._grids is None:
            try:
                self._grids = np.load(self.grid_file, mmap_mode="r")
            except FileNotFoundError as error:
                raise DataError(f"no cached features {self.grid_file}; they were removed, start again") from error
            except (ValueError, EOFError) as error:
                message = f"the cached features {self.grid_file} are damaged ({error}); delete that file"
                raise DataError(message) from error
        return np.array(self._grids[index])

    def __getstate__(self) -> dict[str, Any]:
        # A memory map would be sent to worker processes as a copy of all it holds.
        return {**self.__dict__, "_grids": None}

    def _compute(self, encoder: Encoder, batch_size: int) -> None:
        """Fill a partial file batch by batch, and give it its name when all is done.

        How far the work came stands in a second file, written after the features are on the disk.
        """
        partial, journal = self.grid_file.with_suffix(".partial"), self.grid_file.with_suffix(".done")
        done = _resume(journal, partial, len(self))
        with (
            torch.inference_mode(),
            ThreadPoolExecutor(os.cpu_count()) as pool,
            progress_bar(self._title(), len(self), "images") as advance,
        ):
            advance(done)
            batches = [self.paths[start : start + batch_size] for start in range(done, len(self), batch_size)]
            pending = pool.map(self._read, batches[0]) if batches else iter(())
            for number, batch in enumerate(batches):
                images = self._stack(pending, pool, done)
                if number + 1 < len(batches):  # the next images are decoded while these are computed
                    pending = pool.map(self._read, batches[number + 1])
                grid = encoder(torch.from_numpy(images)).float()  # (B, N, C)
                with _opened(partial, grid, len(self), done) as file:
                    file.write(grid.cpu().numpy().astype(np.float16).tobytes())
                    file.flush()
                    os.fsync(file.fileno())
                done += len(batch)
                _write(journal, str(done))
                advance(len(batch))
        publish(partial, self.grid_file)
        journal.unlink()

    def _stack(self, images: Iterator[np.ndarray], pool: ThreadPoolExecutor, start: int) -> np.ndarray:
        """Gather a batch; if one of its images cannot be read, look at all that are left, and name all such."""
        try:
            return np.stack(list(images))
        except DataError:
            errors = dict(enumerate(pool.map(fault_of, self.paths[start:]), start=start))
            raise UnreadableImages({index: error for index, error in errors.items() if error}) from None

    def _read(self, path: Path) -> np.ndarray:
        return mirror(read_image(path, self.size)) if self.mirrored else read_image(path, self.size)

    def _title(self) -> str:
        return f"Computing features{' of mirrored images' if self.mirrored else ''}"


@contextmanager
def _opened(path: Path, values: torch.Tensor, length: int, done: int) -> Iterator[BinaryIO]:
    """Open a partial file, or make it where nothing has been done yet, to append what follows the first `done` rows.

    It is an array as NumPy saves it, which grows by plain writes: a memory map of a file with holes in it would end the
    process without a word where the disk is full.
    """
    header = io.BytesIO()
    shape = (length, *values.shape[1:])
    np.lib.format.write_array_header_1_0(header, {"descr": "<f2", "fortran_order": False, "shape": shape})
    with open(path, "r+b" if done else "w+b") as file:
        if not done:
            file.write(header.getvalue())
        file.seek(len(header.getvalue()) + done * values[0].numel() * np.dtype(np.float16).itemsize)
        yield file


def _resume(journal: Path, partial: Path, length: int) -> int:
    """Say how many images are done."""
    try:
        done = int(journal.read_text())
    except (OSError, ValueError):
        return 0
    return done if partial.exists() and 0 <= done <= length else 0


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Name the folder where the disk is full or read-only."""
    try:
        yield
    except OSError as error:
        kept = "make room and start again, what is computed is kept; or " if error.errno in NO_ROOM else ""
        raise DataError(
            f"the cache of features {folder} cannot be written ({error.strerror or error}); "
            f"{kept}name another folder with cache_dir=..."
        ) from error


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.tmp")
    unfinished.write_text(text)
    publish(unfinished, path)


def _pixels(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


SAMPLE = 1024
"""Bytes that are read at three places of a compressed image to tell whether it has changed."""

COMPRESSED = frozenset({".jpg", ".jpeg", ".png", ".webp"})


def states(paths: Sequence[Path]) -> list[tuple[str, int, bytes]]:
    """What tells a list of images from another: name, size and sample of each."""
    absolute = [os.path.abspath(path) for path in paths]
    base = os.path.commonpath([os.path.dirname(path) for path in absolute]) if absolute else ""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        samples = list(pool.map(_sample, absolute))
    return [(os.path.relpath(path, base), *sample) for path, sample in zip(absolute, samples, strict=True)]


def _sample(path: str) -> tuple[int, bytes]:
    """The size of a file in bytes, and a digest of its beginning, middle and end, or of all of it.

    In a compressed image a change anywhere moves what follows it (in PNG it changes the checksum at the end); in
    others, such as BMP, nothing but the place itself may change.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            parts = []
            if os.path.splitext(path)[1].lower() in COMPRESSED:
                for start in (0, size // 2, max(size - SAMPLE, 0)):
                    file.seek(start)
                    parts.append(file.read(SAMPLE))
            else:
                parts.append(file.read())
    except OSError as error:
        raise DataError(f"cannot read the image {path} ({error.strerror or error})") from error
    return size, hashlib.blake2b(b"".join(parts), digest_size=8).digest()


def digest(facts: Iterable[Any]) -> str:
    """Return a short name of facts: 16 hexadecimal digits."""
    return hashlib.blake2b(repr(list(facts)).encode(), digest_size=8).hexdigest()
