"""Every video decoded once, to uint8 frames in a memory-mapped file.

Decoding them in every epoch would cost more than the training itself. So the frames are kept, small and grey as the
models see them, in one ``.npy`` file per video, with its frame rate in eight bytes after the end. A file belongs to one
source, its size and time of change, and the way it was decoded: a source that was changed is decoded again.
"""

import hashlib
import os
import re
import struct
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from filelock import FileLock

from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.io import video
from lstmzoo.io.atomic import publish
from lstmzoo.io.places import cache_home
from lstmzoo.io.progress import progress_bar
from lstmzoo.io.sources import Source

FORMAT = 2
"""Part of every key; raised when frames would come out differently, so that old caches are not used."""

MAX_OPEN = 128
"""Memory maps held open at a time; each takes a file descriptor, of which a process often has 1024."""

CACHE_NAME = ".lstmzoo_cache"
"""What the folder of a cache inside a data set is called."""

WRITE_BUFFER = 1 << 20
"""Bytes gathered before they are written; frames are small, and each write costs a call to the system."""

_RATE = struct.Struct("<d")


def default_cache_dir(root: str | os.PathLike[str]) -> Path:
    """Say where the decoded frames of a data set go when nobody says otherwise.

    Returns:
        ``root/.lstmzoo_cache``, or a folder of the user's cache where `root` cannot be written to.
    """
    root = Path(root).resolve()
    # The mode is looked at too: an administrator may write anywhere, but a folder marked read-only is meant so.
    if os.access(root, os.W_OK) and root.stat().st_mode & 0o222:
        return root / CACHE_NAME
    return user_cache_dir(root)


def user_cache_dir(root: str | os.PathLike[str]) -> Path:
    """Return the folder in the user's own cache for the data set in `root`."""
    root = Path(root).resolve()
    return cache_home() / f"{root.name}-{_digest(root)}"


class FrameCache:
    """Decoded videos on disk.

    `build` decodes what is not there yet. `frames` and `count` only read, so that any number of worker processes may
    use one cache at a time; two runs that build it at once wait for each other, video by video.

    Args:
        cache_dir: folder of the cache; created by `build`.
        size: (height, width) of the frames, in pixels.
        grey: luminance only (C = 1), else RGB (C = 3).

    Raises:
        LstmzooError: `size` is not two positive whole numbers.
    """

    def __init__(self, cache_dir: str | os.PathLike[str], *, size: tuple[int, int], grey: bool = True) -> None:
        self.size = _checked_size(size)
        self.grey = grey
        height, width = self.size
        self.folder = Path(cache_dir) / f"{height}x{width}-{'grey' if grey else 'rgb'}"
        self._open: OrderedDict[Path, np.memmap] = OrderedDict()

    def build(self, paths: Iterable[str | os.PathLike[str]]) -> dict[Path, str]:
        """Decode the videos that are not in the cache, or were changed since.

        Args:
            paths: the video files, or folders of frames.

        Returns:
            The files that could not be decoded, in the order of `paths`, each with the reason.

        Raises:
            DataError: the cache cannot be written, e.g. because the disk is full.
        """
        self._open.clear()  # a source may have changed
        failed: dict[Path, str] = {}
        pending = []
        sources = list(dict.fromkeys(map(Path, paths)))
        for path in sources:
            if not path.exists():
                failed[path] = f"no such video file: {path}"
            elif not self._file(path).exists():
                pending.append(path)
        if not pending:
            return failed
        self._make_folder()
        stale = self._files_by_source()
        with _single_threaded_cv2(), ThreadPoolExecutor(os.cpu_count()) as pool:
            jobs = {pool.submit(self._ensure, path, stale.get(self._prefix(path), [])): path for path in pending}
            try:
                with progress_bar("Decoding videos", len(jobs), "videos") as advance:
                    for job in as_completed(jobs):
                        try:
                            job.result()
                        except DataError as error:
                            failed[jobs[job]] = str(error)
                        except OSError as error:
                            raise self._unwritable(error) from error
                        advance(1)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return {path: failed[path] for path in sources if path in failed}

    def frames(self, path: str | os.PathLike[str]) -> np.memmap:
        """Return all frames of a video, uint8 (N, H, W, C), read from disk as they are looked at.

        Raises:
            DataError: the video is not in the cache, or its file there is damaged.
        """
        path = Path(path)
        if path in self._open:
            self._open.move_to_end(path)
            return self._open[path]
        frames = self._map(path)
        self._open[path] = frames
        if len(self._open) > MAX_OPEN:
            self._open.popitem(last=False)
        return frames

    def count(self, path: str | os.PathLike[str]) -> int:
        """Return how many frames of a video could be decoded.

        Raises:
            DataError: the video is not in the cache, or its file there is damaged.
        """
        return len(self.frames(path))

    def rate(self, path: str | os.PathLike[str]) -> float | None:
        """Return the frames per second of a video by the times of its frames; None where it does not tell them.

        Raises:
            DataError: the video is not in the cache.
        """
        path = Path(path)
        try:
            with self._file(path).open("rb") as stream:
                stream.seek(-_RATE.size, os.SEEK_END)
                return _RATE.unpack(stream.read())[0] or None
        except FileNotFoundError as error:
            raise self._absent(path) from error

    def __getstate__(self) -> dict[str, Any]:
        # Memory maps would be sent to worker processes as copies of all their frames.
        return {**self.__dict__, "_open": OrderedDict()}

    def _map(self, path: Path) -> np.memmap:
        try:
            file = self._file(path)
            frames = np.load(file, mmap_mode="r")
        except FileNotFoundError as error:
            raise self._absent(path) from error
        except (ValueError, EOFError) as error:
            raise DataError(f"the cached frames {file} of {path} are damaged ({error}); delete that file") from error
        return frames

    def _absent(self, path: Path) -> DataError:
        return DataError(
            f"{path} is not in the cache {self.folder}: it was changed, moved or removed after the data set was "
            "opened; start again"
        )

    def _file(self, path: Path) -> Path:
        """Name the cached file of the source as it is now."""
        parts = [path, *sorted(path.iterdir())] if path.is_dir() else [path]
        states = [(part.stat().st_size, part.stat().st_mtime_ns) for part in parts]
        return self.folder / f"{self._prefix(path)}-{_digest(*(number for state in states for number in state))}.npy"

    def _prefix(self, path: Path) -> str:
        """Name what all cached files of a source share, whatever its content."""
        stem = re.sub(r"[^\w.-]", "_", path.stem)[:80]
        return f"{stem}-{_digest(path.resolve(), self.size, self.grey, FORMAT)}"

    def _make_folder(self) -> None:
        try:
            (self.folder / "locks").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> DataError:
        return DataError(
            f"the cache of decoded frames {self.folder} cannot be written ({error.strerror or error}); "
            "name another folder with cache_dir=..."
        )

    def _files_by_source(self) -> dict[str, list[Path]]:
        """List the cached files there are, by their `_prefix`."""
        files: dict[str, list[Path]] = {}
        for file in self.folder.glob("*.npy"):
            files.setdefault(file.stem.rpartition("-")[0], []).append(file)
        return files

    def _ensure(self, path: Path, stale: list[Path]) -> None:
        """Decode a video unless another run just did; remove what was decoded from it before it was changed."""
        with FileLock(self.folder / "locks" / f"{self._prefix(path)}.lock"):
            file = self._file(path)
            if file.exists():
                return
            self._write(path, file)
            for old in stale:
                with suppress(OSError):  # where open files cannot be deleted, it stays behind unused
                    old.unlink()

    def _write(self, path: Path, file: Path) -> None:
        """Decode `path` into `file`, which appears only when it is complete."""
        height, width = self.size
        shape = (height, width, 1 if self.grey else 3)
        # The lock makes this name ours; what a killed run left under it is written over.
        unfinished = file.with_name(f"{self._prefix(path)}.tmp")
        try:
            with unfinished.open("wb", buffering=WRITE_BUFFER) as stream:
                _write_header(stream, 0, shape)
                count, last = 0, 0.0
                with video.open_source(path) as source:
                    for image, time in source.frames():
                        frame = video.convert(image, size=self.size, grey=self.grey)
                        stream.write(np.ascontiguousarray(frame).data)
                        count, last = count + 1, time
                    video.refuse_fault(source)
                    rate = _measured_rate(source, count, last)
                if count == 0:
                    raise video.nothing_decodes(path)
                stream.write(_RATE.pack(rate))
                stream.seek(0)
                _write_header(stream, count, shape)
            publish(unfinished, file)
        finally:
            unfinished.unlink(missing_ok=True)


def _measured_rate(source: Source, count: int, last: float) -> float:
    """The rate that a file says, unless the times of its frames, 0 to `last`, say another; 0 where it is not known."""
    if not source.says_rate:
        return 0.0
    measured = (count - 1) / last if count > 1 else source.rate
    return source.rate if abs(measured / source.rate - 1) < 0.01 else measured


def _write_header(stream: BinaryIO, count: int, shape: tuple[int, int, int]) -> None:
    """Write the header of a ``.npy`` file of `count` frames.

    NumPy leaves room in it for the first dimension to grow, so that its length does not depend on `count`.
    """
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
    np.lib.format.write_array_header_1_0(stream, header)


@contextmanager
def _single_threaded_cv2() -> Iterator[None]:
    """Keep OpenCV from starting threads of its own while videos are decoded side by side."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _checked_size(size: Iterable[int]) -> tuple[int, int]:
    pixels = tuple(size) if isinstance(size, Iterable) else ()
    if len(pixels) != 2 or not all(isinstance(number, int) and number > 0 for number in pixels):
        raise LstmzooError(f"size is [height, width] in pixels, e.g. [64, 64], not {size!r}")
    return pixels[0], pixels[1]


def _digest(*parts: object) -> str:
    return hashlib.blake2b(repr([str(part) for part in parts]).encode(), digest_size=6).hexdigest()
