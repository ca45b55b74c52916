"""Writing a video file that plays at the right speed, and is there as a whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.io.atomic import replacing
from lstmzoo.io.sources import FileSource

PROBE = 1 << 16  # bytes that are written to learn why a video cannot be
LONGEST_S = 10.0  # how long a frame is shown at most, however long nothing follows


class VideoFile:
    """Writes frames into a video file; the first frame decides the size. Made by :func:`video_file`."""

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self.rate, self.frames = path, rate, 0
        self.writer: cv2.VideoWriter | None = None
        self._skipped = 0  # places for frames that were left out
        self._newest: np.ndarray | None = None

    def write(self, image: np.ndarray, time_s: float | None = None) -> None:
        """Append a frame.

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
        self._append(image)
        self._newest = image

    def _append(self, image: np.ndarray) -> None:
        if self.writer is None:
            code = cv2.VideoWriter.fourcc(*("mp4v" if self.path.suffix == ".mp4" else "XVID"))
            self.writer = cv2.VideoWriter(str(self.path), code, self.rate, (image.shape[1], image.shape[0]))
            if not self.writer.isOpened():
                self.path.write_bytes(bytes(PROBE))  # where the disk is full, the system says so here
                raise LstmzooError(f"this OpenCV cannot write {self.path.suffix} videos; try video=avi or video=none")
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

    Args:
        path: where to; ``.mp4`` (MPEG-4) or ``.avi`` (XVID).
        rate: frames per second.

    Raises:
        LstmzooError: not all of it could be written.
    """
    with replacing(path) as temporary:
        with VideoFile(temporary, rate) as file:
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
