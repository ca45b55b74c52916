"""Videos as arrays, with errors that name the file; see `lstmzoo.io.sources` for how they are read.

The number of frames is always found by decoding, because the number a file declares is wrong for files that were cut
short.
"""

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

# OpenCV and its FFmpeg, which write videos, complain straight to the terminal, again and again; the errors raised here
# say it once. FFmpeg's variable is read when OpenCV opens its first video.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2
import numpy as np

from lstmzoo.errors import DataError, DataWarning
from lstmzoo.io.images import is_image
from lstmzoo.io.progress import progress_bar
from lstmzoo.io.sources import CameraSource, FileSource, FolderSource, Source
from lstmzoo.io.wording import listed

if "OPENCV_LOG_LEVEL" not in os.environ:
    _set_log_level = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel  # OpenCV 4, OpenCV 5
    _set_log_level(2)  # errors

VIDEO_SUFFIXES = frozenset(
    {
        *(".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".gif", ".m1v", ".m2t", ".m2ts", ".m2v"),
        *(".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob"),
        *(".webm", ".wmv", ".y4m"),
    }
)
"""Suffixes (lower case) of the files taken for videos; others are if they can be decoded."""

_TEXTS = frozenset({".csv", ".htm", ".html", ".json", ".log", ".md", ".srt", ".tsv", ".txt", ".vtt", ".xml", ".yaml"})

_Found = TypeVar("_Found")


def is_video(path: Path) -> bool:
    """Tell whether a path is a video file: by its suffix, or where that is unknown, by decoding two frames."""
    suffix = path.suffix.lower()
    if path.name.startswith(".") or suffix in _TEXTS or not path.is_file():
        return False
    if suffix != ".gif" and (suffix in VIDEO_SUFFIXES or is_image(path)):
        return suffix in VIDEO_SUFFIXES
    try:
        with FileSource(path) as source:
            return len(list(source.frames(2))) == 2  # one is an image
    except DataError:
        return False


def is_frame_folder(path: Path) -> bool:
    """Tell whether a path is a folder with a video as images: two or more of them, and no video file."""
    if not path.is_dir():
        return False
    files = [file for file in path.iterdir() if file.name[0] != "."]
    return sum(map(is_image, files)) > 1 and not any(map(is_video, files))


def warn_of_others(folder: Path, others: Sequence[Path]) -> None:
    """Name the files of a folder that were left out because they are not videos."""
    if others:
        names = listed(path.name for path in others)
        warnings.warn(f"{folder}: left out, not videos ({len(others)}): {names}", DataWarning, stacklevel=3)


def local_path(text: str | os.PathLike[str]) -> Path:
    """Return the path that somebody gave as input, if it can be one.

    Raises:
        DataError: it is an address, standard input, a pattern of names or a device, or nothing is there.
    """
    name, path = str(text), Path(text).expanduser()
    if path.is_file() or path.is_dir():
        return path
    if "://" in name:
        raise DataError(f"{name} is an address: only files are read; save it first: ffmpeg -i {name} -t 60 video.mp4")
    if name == "-" or path.exists():
        raise DataError(f"{name} is neither a file nor a folder; save the video to a file first")
    if "%" in path.name or "*" in path.name:
        raise DataError(f"there is no file {path}; of a video as images, give the folder: {path.parent}")
    raise DataError(f"there is no input {path}: give a video file, a folder of videos or frames, or a camera such as 0")


def open_source(source: str | os.PathLike[str] | int) -> Source:
    """Open a video file, a folder of frames or a camera.

    Args:
        source: path of a file or folder, or the index of a camera (an int, or its digits as a string, e.g. ``"0"``).

    Returns:
        An opened source; the caller closes it.

    Raises:
        DataError: no such file or camera, or not a video that can be decoded.
    """
    if isinstance(source, int) or (str(source).isdigit() and not Path(source).exists()):
        return CameraSource(int(str(source)))
    path = Path(source)
    if path.is_dir():
        return FolderSource(path)
    if not path.is_file():
        raise DataError(f"no such video file: {path}")
    return FileSource(path)


def warn_of_fault(source: Source) -> None:
    """Warn of what is wrong with the frames of a source that was read."""
    if source.fault is not None:
        warnings.warn(source.fault, DataWarning, stacklevel=3)


def refuse_fault(source: Source) -> None:
    """Refuse a source that was read as data to train on or to measure with, where its frames cannot be what it shows.

    Raises:
        DataError: all its frames are exactly alike.
    """
    if source.fault is not None:
        raise DataError(source.fault)


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
        path: the video file, or a folder of frames.
        size: (height, width) in pixels of the frames returned, or None for the size in the file. Frames are squeezed
            to it by area averaging, without keeping the aspect ratio.
        grey: luminance only (C = 1), else RGB (C = 3).
        max_frames: stop after so many frames; None for all.

    Returns:
        Frames, uint8 (N, H, W, C). They end where decoding ends, which may be before the declared number.

    Raises:
        DataError: the file is missing, or not one frame of it decodes.
    """
    with open_source(Path(path)) as source:
        frames = [convert(image, size=size, grey=grey) for image, _ in source.frames(max_frames)]
        warn_of_fault(source)
    if not frames:
        raise nothing_decodes(path)
    return np.stack(frames)


def nothing_decodes(path: str | os.PathLike[str]) -> DataError:
    """Word the error for a file that opens but yields no frame."""
    return DataError(f"no frame of {path} can be decoded, although it declares {declared_frames(path)}")


def count_frames(path: str | os.PathLike[str]) -> int:
    """Count the frames of a file by decoding them; 0 where it opens but nothing decodes.

    Raises:
        DataError: the file is missing, cannot be opened, or all its frames are exactly alike.
    """
    with open_source(Path(path)) as source:
        count = source.count()
        refuse_fault(source)
        return count


def count_all(paths: Sequence[Path]) -> tuple[dict[Path, int], dict[Path, str]]:
    """Count the frames of many files by decoding them.

    Returns:
        The number of frames of each file that can be decoded, and for the others the reason why not.
    """

    def count(path: Path) -> int:
        frames = count_frames(path)
        if frames == 0:
            raise nothing_decodes(path)
        return frames

    with progress_bar("Counting frames", len(paths), "videos") as advance:
        return _for_all(count, paths, advance)


def declared_frames(path: str | os.PathLike[str]) -> int:
    """Return the number of frames that a file says it has, which need not be true; 0 where it says none.

    Raises:
        DataError: the file is missing or cannot be opened.
    """
    with open_source(Path(path)) as source:
        return source.declared


def frame_rate(source: str | os.PathLike[str] | int) -> float:
    """Return the frames per second of a file or camera, on average, or `FALLBACK_FPS` where it does not say.

    Raises:
        DataError: no such file or camera, or it cannot be opened.
    """
    with open_source(source) as opened:
        return opened.rate


def frame_rates(paths: Sequence[Path]) -> dict[Path, float]:
    """Look up the frames per second of many files, see `frame_rate`; those that cannot be opened are left out."""
    return _for_all(frame_rate, paths, lambda step: None)[0]


def _for_all(
    ask: Callable[[Path], _Found], paths: Sequence[Path], advance: Callable[[int], None]
) -> tuple[dict[Path, _Found], dict[Path, str]]:
    """Ask something of many files, side by side; return the answers, and the reasons why there are none."""
    found: dict[Path, _Found] = {}
    failed: dict[Path, str] = {}

    def one(path: Path) -> None:
        try:
            found[path] = ask(path)
        except DataError as error:
            failed[path] = str(error)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(one, paths):
            advance(1)
    return found, failed
