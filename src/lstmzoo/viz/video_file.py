"""Writing a video file that plays at the right speed, and is there as a whole or not at all."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from lstmzoo.errors import DataError, DataWarning, LstmzooError
from lstmzoo.io.atomic import replacing
from lstmzoo.io.sources import FileSource

PROBE = 1 << 16  # bytes that are written to learn why a video cannot be
MAX_SIDE = 8190  # pixels; MPEG-4 has no room for more
LONGEST_S = 10.0  # how long a frame is shown at most, however long nothing follows


class VideoFile:
    """Writes frames into a video file; the first frame decides the size. Made by :func:`video_file`.

    Args:
        path: where to.
        rate: frames per second.
        name: what messages call it.
    """

    def __init__(self, path: Path, rate: float, name: str) -> None:
        self.path, self.rate, self.name, self.frames = path, rate, name, 0
        self.writer: cv2.VideoWriter | None = None
        self._skipped = 0  # places for frames that were left out
        self._newest: np.ndarray | None = None

    def write(self, image: np.ndarray, time_s: float | None = None) -> None:
        """Append a frame; one with a side of more than `MAX_SIDE` is scaled down, of which the first gives a warning.

        Args:
            image: (H, W, 3) uint8 BGR.
            time_s: when it is to be shown, in seconds; the frame before is shown until then. None shows it as the next.

        Raises:
            LstmzooError: OpenCV cannot write such videos.
            OSError: the file cannot be written.
        """
        if time_s is not None and self._newest is not None:
            waiting = round(time_s * self.rate) - self._skipped - self.frames
            if waiting < 0:
                return  # its place is taken
            repeats = min(waiting, round(LONGEST_S * self.rate))
            self._skipped += waiting - repeats
            for _ in range(repeats):
                self._append(self._newest)
        self._newest = self._fitted(image)
        self._append(self._newest)

    def _fitted(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        longest = max(height, width)
        if longest <= MAX_SIDE:
            return image
        size = [max(side * MAX_SIDE // longest // 2 * 2, 2) for side in (width, height)]  # codecs want even sides
        if self.writer is None:
            warnings.warn(
                f"{self.name}: frames of {width}×{height} pixels are scaled down to {size[0]}×{size[1]}, as MPEG-4 "
                f"holds at most {MAX_SIDE} pixels a side",
                DataWarning,
                stacklevel=3,
            )
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA)

    def _append(self, image: np.ndarray) -> None:
        if self.writer is None:
            code = cv2.VideoWriter.fourcc(*("mp4v" if self.path.suffix == ".mp4" else "XVID"))
            self.writer = cv2.VideoWriter(str(self.path), code, self.rate, (image.shape[1], image.shape[0]))
            if not self.writer.isOpened():
                self.path.write_bytes(bytes(PROBE))  # where the disk is full, the system says so here
                raise LstmzooError(
                    f"this OpenCV has no encoder for {self.path.suffix} videos: pip install opencv-python; "
                    "without it, lstmzoo predict video=none writes the rest"
                )
        self.writer.write(image)
        self.frames += 1

    def __enter__(self) -> "VideoFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.writer is not None:
            self.writer.release()


@contextmanager
def video_file(path: str | Path, rate: float) -> Iterator[VideoFile]:
    """Open a video file for writing; it appears under its name when the block ends well.

    Frames that are too large for MPEG-4 are scaled down, with a `DataWarning`.

    Args:
        path: where to; ``.mp4`` (MPEG-4) or ``.avi`` (XVID).
        rate: frames per second.

    Raises:
        LstmzooError: not all of it could be written.
    """
    with replacing(path) as temporary:
        with VideoFile(temporary, rate, str(path)) as file:
            yield file
        if file.frames:
            _check_whole(temporary, file.frames, Path(path))


def _check_whole(written: Path, frames: int, path: Path) -> None:
    """Read what was written: OpenCV does not tell when the disk is full."""
    try:
        with FileSource(written) as source:
            there = source.count_packets()
    except DataError:
        there = 0
    if there < frames:
        raise LstmzooError(
            f"cannot write {path}: only {there} of {frames} frames arrived, as happens when the disk is full; make "
            "room there, or choose another output"
        )
