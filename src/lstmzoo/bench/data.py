"""How fast videos come into the frame cache and out of it, against reading them with nothing but OpenCV."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2

from lstmzoo.bench.timing import interleaved
from lstmzoo.errors import LstmzooError
from lstmzoo.io.cache import FrameCache
from lstmzoo.io.progress import without_progress
from lstmzoo.io.video import VIDEO_SUFFIXES

SIZE = (64, 64)  # (height, width) of the frames in the cache

REPEATS = 5
"""Repetitions that the medians are taken over."""


def bench_data(root: Path = Path("data/kth_simulated"), videos: int = 40) -> Iterator[dict[str, Any]]:
    """Frames per second: plain reading with OpenCV, into the frame cache, out of it.

    Args:
        root: folder of videos.
        videos: how many of them.

    Yields:
        One row per way: frames per second, and how many times those of plain reading that is.
    """
    found = sorted(path for path in root.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    if not found:
        raise LstmzooError(f"there are no videos in {root}; make some: lstmzoo data simulate kth root={root}")
    paths = found[:: max(1, len(found) // videos)][:videos]
    frames = sum(_read(path, small=False) for path in paths)
    with tempfile.TemporaryDirectory() as folder, without_progress():
        filled = FrameCache(Path(folder, "filled"), size=SIZE)
        filled.build(paths)
        seconds = interleaved(
            {
                "plain reading (OpenCV, kept nowhere)": lambda: [_read(path, small=False) for path in paths],
                "plain reading, made small and grey": lambda: [_read(path, small=True) for path in paths],
                "into the cache": lambda: _fill(paths, folder),
                "out of the cache": lambda: [filled.frames(path).sum(dtype="int64") for path in paths],
            },
            REPEATS,
            time.perf_counter,
        )
    plain = next(iter(seconds.values()))
    for way, passed in seconds.items():
        yield {"way": way, "frames_per_s": frames / passed, "ratio": plain / passed}


def _fill(paths: Sequence[Path], folder: str) -> None:
    """Decode into a new cache, on all cores, as a training run does at its first start."""
    with tempfile.TemporaryDirectory(dir=folder) as empty:
        FrameCache(empty, size=SIZE).build(paths)


def _read(path: Path, small: bool) -> int:
    """Read a video as one does without this package; return its number of frames."""
    capture = cv2.VideoCapture(str(path))
    count = 0
    while True:
        found, image = capture.read()
        if not found:
            break
        if small:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
            cv2.resize(image, (SIZE[1], SIZE[0]), interpolation=cv2.INTER_AREA)
        count += 1
    capture.release()
    return count
