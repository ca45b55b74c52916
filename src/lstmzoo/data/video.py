"""Decoding video files with OpenCV, with errors that name the file.

OpenCV reports nothing when a file cannot be read: it returns no frames. Everything here turns that into a
`DataError` that says which file it was. The number of frames is always found by decoding, because the number a file
declares is wrong for files that were cut short.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

# FFmpeg and OpenCV write their complaints about damaged files straight to the terminal, again and again; the errors
# and warnings raised here say it once. FFmpeg's variable is read when OpenCV opens its first video.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2
import numpy as np

from lstmzoo.data.progress import progress_bar
from lstmzoo.errors import DataError

if "OPENCV_LOG_LEVEL" not in os.environ:
    _set_log_level = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel  # OpenCV 4, OpenCV 5
    _set_log_level(2)  # errors

VIDEO_SUFFIXES = frozenset({".avi", ".mp4", ".mkv", ".mov", ".m4v", ".mpg", ".mpeg", ".webm", ".wmv"})
"""Suffixes (lower case) of the files taken for videos."""

FALLBACK_FPS = 25.0
"""Frames per second assumed where a file or camera does not say; the rate of KTH."""


def is_video(path: Path) -> bool:
    """Tell by its suffix whether a path is a video file."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def open_source(source: str | os.PathLike[str] | int) -> cv2.VideoCapture:
    """Open a video file or a camera.

    Args:
        source: path of a file, or the index of a camera (an int, or its digits as a string, e.g. ``"0"``).

    Returns:
        An opened capture; the caller releases it.

    Raises:
        DataError: no such file or camera, or not a video that OpenCV can open.
    """
    if isinstance(source, int) or (str(source).isdigit() and not Path(source).exists()):
        camera = cv2.VideoCapture(int(str(source)))
        if not camera.isOpened():
            raise DataError(f"camera {source} cannot be opened; give the index of a connected camera or a video file")
        return camera
    path = Path(source)
    if not path.is_file():
        raise DataError(f"no such video file: {path}")
    # One decoder thread per file: small frames decode faster so, and many files are decoded side by side.
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        raise DataError(f"{path} is not a video that can be decoded ({path.stat().st_size} bytes)")
    return capture


def iter_frames(
    path: str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    grey: bool = True,
    max_frames: int | None = None,
) -> Iterator[np.ndarray]:
    """Decode a file frame by frame.

    Args:
        path: the video file.
        size: (height, width) in pixels of the frames returned, or None for the size in the file. Frames are squeezed
            to it by area averaging, without keeping the aspect ratio.
        grey: luminance only (C = 1), else RGB (C = 3).
        max_frames: stop after so many frames; None for all.

    Yields:
        Frames, uint8 (H, W, C). They end where decoding ends, which may be before the declared number.

    Raises:
        DataError: the file is missing or cannot be opened.
    """
    capture = open_source(Path(path))
    try:
        for image in islice(_captured(capture), max_frames):
            yield convert(image, size=size, grey=grey)
    finally:
        capture.release()


def _captured(capture: cv2.VideoCapture) -> Iterator[np.ndarray]:
    while True:
        found, image = capture.read()
        if not found:
            return
        yield image


def convert(image: np.ndarray, *, size: tuple[int, int] | None, grey: bool) -> np.ndarray:
    """Bring one frame as OpenCV reads it to the form in which models see it.

    Args:
        image: BGR as from OpenCV, uint8 (H₀, W₀, 3).
        size: (H, W) in pixels, or None to keep (H₀, W₀).
        grey: luminance only (C = 1), else RGB (C = 3).

    Returns:
        The frame, uint8 (H, W, C).
    """
    image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY if grey else cv2.COLOR_BGR2RGB)
    if size is not None and image.shape[:2] != tuple(size):
        image = cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    return image[:, :, None] if grey else image


def read_frames(
    path: str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    grey: bool = True,
    max_frames: int | None = None,
) -> np.ndarray:
    """Decode a whole file into memory.

    Args:
        path: the video file.
        size: (height, width) in pixels, or None for the size in the file.
        grey: luminance only (C = 1), else RGB (C = 3).
        max_frames: stop after so many frames; None for all.

    Returns:
        Frames, uint8 (N, H, W, C).

    Raises:
        DataError: the file is missing, or not one frame of it decodes.
    """
    frames = list(iter_frames(path, size=size, grey=grey, max_frames=max_frames))
    if not frames:
        raise nothing_decodes(path)
    return np.stack(frames)


def nothing_decodes(path: str | os.PathLike[str]) -> DataError:
    """Word the error for a file that opens but yields no frame."""
    return DataError(f"no frame of {path} can be decoded, although it declares {declared_frames(path)}")


def count_frames(path: str | os.PathLike[str]) -> int:
    """Count the frames of a file by decoding them; 0 where it opens but nothing decodes.

    Raises:
        DataError: the file is missing or cannot be opened.
    """
    capture = open_source(Path(path))
    count = 0
    while capture.grab():
        count += 1
    capture.release()
    return count


def count_all(
    paths: Sequence[Path], *, workers: int | None = None, progress: bool = True
) -> tuple[dict[Path, int], dict[Path, str]]:
    """Count the frames of many files by decoding them.

    Args:
        paths: the video files.
        workers: files decoded side by side; None for one per processor core.
        progress: show a progress bar.

    Returns:
        The number of frames of each file that can be decoded, and for the others the reason why not.
    """
    counts: dict[Path, int] = {}
    failed: dict[Path, str] = {}

    def count(path: Path) -> None:
        try:
            frames = count_frames(path)
            if frames == 0:
                raise nothing_decodes(path)
            counts[path] = frames
        except DataError as error:
            failed[path] = str(error)

    with (
        ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool,
        progress_bar("Counting frames", len(paths), "videos", show=progress and bool(paths)) as advance,
    ):
        for _ in pool.map(count, paths):
            advance(1)
    return counts, failed


def declared_frames(path: str | os.PathLike[str]) -> int:
    """Return the number of frames that a file says it has, which need not be true; 0 where it says none.

    Raises:
        DataError: the file is missing or cannot be opened.
    """
    capture = open_source(Path(path))
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    capture.release()
    return max(int(count), 0)


def frame_rate(source: str | os.PathLike[str] | int) -> float:
    """Return the frames per second of a file or camera, or `FALLBACK_FPS` where it does not say.

    Raises:
        DataError: no such file or camera, or it cannot be opened.
    """
    capture = open_source(source)
    rate = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return rate if math.isfinite(rate) and rate > 0 else FALLBACK_FPS
