"""How fast videos come into the frame cache, against reading them with nothing but OpenCV."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2

from lstmzoo.data.cache import FrameCache


class DecodeSpeed(NamedTuple):
    """What `decode_speed` measured.

    Attributes:
        frames: number of frames decoded, each way.
        plain: frames per second of a sequential loop over ``cv2.VideoCapture.read``, which keeps nothing.
        plain_small: the same, each frame made small and grey (or RGB) as the cache holds it.
        cached: frames per second into the cache, written to disk.
        read: frames per second read back from the cache.
    """

    frames: int
    plain: float
    plain_small: float
    cached: float
    read: float


def decode_speed(
    paths: Sequence[Path], *, size: tuple[int, int] = (64, 64), grey: bool = True, workers: int | None = None
) -> DecodeSpeed:
    """Measure decoding in one run, one way after the other.

    Args:
        paths: video files.
        size: (height, width) of the cached frames, in pixels.
        grey: luminance only, else RGB.
        workers: videos decoded side by side into the cache; None for one per processor core.

    Returns:
        Frames per second.
    """
    for path in paths:  # the files themselves shall be in memory for all ways alike
        path.read_bytes()
    frames, plain = _timed(lambda: sum(_read(path, None, grey) for path in paths))
    _, plain_small = _timed(lambda: sum(_read(path, size, grey) for path in paths))
    with tempfile.TemporaryDirectory() as folder:
        cache = FrameCache(folder, size=size, grey=grey)
        _, cached = _timed(lambda: len(cache.build(paths, workers=workers, progress=False)))
        _, read = _timed(lambda: sum(int(cache.frames(path).sum(dtype="int64")) for path in paths))
    return DecodeSpeed(frames, frames / plain, frames / plain_small, frames / cached, frames / read)


def _timed(action: Callable[[], int]) -> tuple[int, float]:
    start = time.perf_counter()
    result = action()
    return result, time.perf_counter() - start


def _read(path: Path, size: tuple[int, int] | None, grey: bool) -> int:
    """Read a video as one does without this package; return its number of frames."""
    capture = cv2.VideoCapture(str(path))
    count = 0
    while True:
        found, image = capture.read()
        if not found:
            break
        if size is not None:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY if grey else cv2.COLOR_BGR2RGB)
            cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA)
        count += 1
    capture.release()
    return count
