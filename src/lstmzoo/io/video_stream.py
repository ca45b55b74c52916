"""Video files, folders of frames and cameras as one thing: frames that come one by one, each at its time."""

import warnings
from collections.abc import Iterator
from pathlib import Path

from lstmzoo.errors import DataError, DataWarning, LstmzooError
from lstmzoo.io import video
from lstmzoo.io.sources import TimedFrame


class Stream:
    """An opened video file, folder of frames or camera: a `Source` with a limit; use it in a ``with`` block, once.

    Args:
        source: a video file, a folder of frames, or the index of a camera.
        max_frames: stop after so many frames; None for all.

    Raises:
        DataError: no such file or camera, or it cannot be opened.
        LstmzooError: max_frames is not a positive number.
    """

    def __init__(self, source: str | Path | int, *, max_frames: int | None = None) -> None:
        if max_frames is not None and max_frames < 1:
            raise LstmzooError(f"max_frames must be at least 1, not {max_frames}")
        self.max_frames = max_frames
        self.source = video.open_source(source)
        self.name = self.source.name
        self.rate, self.says_rate, self.output_rate = self.source.rate, self.source.says_rate, self.source.output_rate
        limits = [count for count in (self.source.declared, max_frames) if count]
        self.total = min(limits) if limits else None  # frames that are expected; None: it may be endless

    def timed(self) -> Iterator[TimedFrame]:
        """Yield the frames, (H, W, 3) uint8 BGR, each with its time in seconds from the first.

        Raises:
            DataError: not one frame can be decoded.
        """
        count, time_s = 0, 0.0
        for frame in self.source.frames(self.max_frames):
            count, time_s = count + 1, frame.time_s
            yield frame
        if not count:
            raise DataError(f"no frame of {self.name} can be decoded, although it opens")
        video.warn_of_fault(self.source)
        # Containers may be off by a frame or two; more than that, in number and time, is a file that was cut short.
        declared, seconds = self.source.declared, self.source.duration
        is_short = count < 0.99 * declared - 2 and time_s < 0.99 * seconds - 3 / self.rate
        if count != self.max_frames and is_short:
            text = f"{self.name} declares {declared} frames, but only the first {count} decode"
            warnings.warn(text, DataWarning, stacklevel=2)

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *exception: object) -> None:
        self.source.close()
