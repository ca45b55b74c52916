"""Where frames come from: a video file, a folder of images or a camera; all give frames with their times.

Files are decoded by FFmpeg through PyAV. OpenCV 4.13, 4.14 and 5.0 give uninitialised memory for every frame of an
interlaced video (https://github.com/vllm-project/vllm/pull/47853), and older ones lose rotation or changes of size.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from lstmzoo.errors import DataError
from lstmzoo.io.containers import open_video
from lstmzoo.io.images import list_images, read_rgb

FALLBACK_FPS = 25.0
"""Frames per second assumed where a file, folder or camera does not say; the rate of KTH."""

MAX_PIXELS = 2**26
"""The largest frame that is decoded, twice that of 8K: a header may claim anything."""

MAX_FPS = 1000.0
"""More frames per second are a slip of the header."""

_TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}

_Self = TypeVar("_Self", bound="Source")

FEW = 5
"""So many frames may be exactly alike without anything being wrong."""


class Alike:
    """Notices a video whose frames are all exactly alike, as no camera's are."""

    def __init__(self, name: str) -> None:
        self.name, self.count, self.so_far = name, 0, True
        self.first: np.ndarray | None = None

    def see(self, image: np.ndarray) -> None:
        """Look at the next frame."""
        if not self.so_far:
            return
        self.count += 1
        self.first = image if self.first is None else self.first
        self.so_far = bool(np.array_equal(image, self.first))
        if not self.so_far:
            self.first = None

    def fault(self) -> str | None:
        """Say what is wrong with the frames that were seen; None where nothing is."""
        if not self.so_far or self.count <= FEW:
            return None
        return (
            f"all {self.count} frames of {self.name} are exactly alike: it shows a still image, froze while it was "
            "recorded, or is not decoded rightly; if a player shows something moving, convert it to another format, "
            "else leave it out"
        )


class TimedFrame(NamedTuple):
    """A frame, uint8 (H, W, 3) in OpenCV's order BGR, and its time in seconds from the first."""

    image: np.ndarray
    time_s: float


class Source(ABC):
    """An opened source of frames; use it in a ``with`` block."""

    name: str  # what to call it in messages
    rate: float = FALLBACK_FPS  # frames per second, on average; `FALLBACK_FPS` where nothing says it
    says_rate: bool = False  # whether it is known
    declared: int = 0  # how many frames it says to have, which need not be true; 0 where it says nothing
    # once it was read, what is wrong with all its frames, though they decode; None where nothing is
    fault: str | None = None

    @abstractmethod
    def frames(self, max_frames: int | None = None) -> Iterator[TimedFrame]:
        """Read the frames in order, once; at most `max_frames` of them."""

    def count(self) -> int:
        """Count the frames by reading them."""
        return sum(1 for _ in self.frames())

    @property
    def duration(self) -> float:
        """The length in seconds that it says to have, 0 where it says nothing."""
        return self.declared / self.rate

    @property
    def output_rate(self) -> float:
        """Frames per second of a video at a constant rate that shows every frame at its time."""
        return self.rate

    @abstractmethod
    def close(self) -> None:
        """Let go of the file or camera."""

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class FileSource(Source):
    """A video file.

    Frames are upright, and of the size of the first. They end where decoding ends.

    Raises:
        DataError: it is not a video that can be decoded.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, str(path)
        self.container, self.stream = open_video(path)
        try:
            self._check_size(self.stream.codec_context.width, self.stream.codec_context.height)
        except DataError:
            self.container.close()
            raise
        # One thread per file: small frames decode faster so, and many files are decoded side by side.
        self.stream.thread_count = 1
        self._reformatter = VideoReformatter()
        rate = _usable(self.stream.average_rate) or _usable(self.stream.guessed_rate)
        self.rate, self.says_rate = rate or FALLBACK_FPS, rate is not None
        self.declared = max(self.stream.frames, 0) or round(self.duration * self.rate)

    def _check_size(self, width: int, height: int) -> None:
        if width * height > MAX_PIXELS:
            raise DataError(
                f"{self.name} claims frames of {width}×{height} pixels, more than can be meant; "
                f"up to {MAX_PIXELS / 1e6:.0f} megapixels are read"
            )

    @property
    def duration(self) -> float:
        if self.stream.duration:
            return max(float(self.stream.duration * self.stream.time_base), 0.0)
        return max((self.container.duration or 0) / 1e6, 0.0)  # in microseconds

    @property
    def output_rate(self) -> float:
        guessed = _usable(self.stream.guessed_rate)  # the rate at which all frames have a place of their own
        return guessed if guessed is not None and self.rate <= guessed <= 120 else self.rate

    def frames(self, max_frames: int | None = None) -> Iterator[TimedFrame]:
        """Read the frames; `fault` then tells whether they can be what the file shows."""
        alike = Alike(self.name)
        size: tuple[int, int] | None = None
        start, previous = 0.0, -1 / self.rate
        for number, frame in enumerate(islice(self._decoded(), max_frames)):
            size = size or (frame.height, frame.width)
            image = self._image(frame, size)
            alike.see(image)
            time = previous + 1 / self.rate if frame.time is None else float(frame.time) - start
            if number == 0 or time <= previous:  # time stamps that start over, as where files were joined
                start, time = start + time - (previous + 1 / self.rate), previous + 1 / self.rate
            previous = time
            yield TimedFrame(image, time)
        self.fault = alike.fault()

    def count(self) -> int:
        """Count the frames by decoding them; see `frames`."""
        alike, count = Alike(self.name), 0
        for frame in self._decoded():
            if alike.so_far:
                alike.see(self._image(frame, (frame.height, frame.width)))
            count += 1
        self.fault = alike.fault()
        return count

    def count_packets(self) -> int:
        """Count the frames without decoding them, which tells whether a file was written as a whole."""
        return sum(packet.size > 0 for packet in self.container.demux(self.stream))

    def _decoded(self) -> Iterator[Any]:
        with suppress(av.FFmpegError, EOFError):  # what follows a damaged place is left out
            for packet in self.container.demux(self.stream):
                if packet.size == 0 and packet.dts is not None:
                    continue  # an empty packet says: as before
                for frame in packet.decode():
                    self._check_size(frame.width, frame.height)
                    yield frame

    def _image(self, frame: Any, size: tuple[int, int]) -> np.ndarray:
        height, width = size
        # On one thread: to start threads takes longer than the work.
        image = self._reformatter.reformat(frame, format="bgr24", width=width, height=height, threads=1).to_ndarray()
        turn = _TURNS.get(frame.rotation % 360)
        return image if turn is None else cv2.rotate(image, turn)

    def close(self) -> None:
        self.container.close()


class FolderSource(Source):
    """A folder with an image per frame, in the order of the numbers in their names.

    Raises:
        DataError: there is none.
    """

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        self.files = list_images(folder)
        if not self.files:
            raise DataError(f"there are no frames in the folder {folder}")
        self.declared = len(self.files)

    def frames(self, max_frames: int | None = None) -> Iterator[TimedFrame]:
        """Read the frames.

        Raises:
            DataError: one cannot be read, or has another size than the first.
        """
        alike = Alike(self.name)
        size: tuple[int, ...] | None = None
        for number, path in enumerate(self.files[:max_frames]):
            image = cv2.cvtColor(read_rgb(path), cv2.COLOR_RGB2BGR)
            size = size or image.shape
            if image.shape != size:
                raise DataError(
                    f"{path} has {image.shape[1]}×{image.shape[0]} pixels, the first frame {size[1]}×{size[0]}; "
                    "bring all frames to one size"
                )
            alike.see(image)
            yield TimedFrame(image, number / self.rate)
        self.fault = alike.fault()

    def close(self) -> None:
        pass


class CameraSource(Source):
    """A camera, which gives frames without end; they are taken to come at the rate that it tells.

    Raises:
        DataError: there is no such camera.
    """

    def __init__(self, index: int) -> None:
        self.name = f"camera {index}"
        if index < 0:  # OpenCV takes -1 for any camera, and may crash
            raise DataError(f"there is no {self.name}: the first is 0, the next 1")
        with _silent_cv2():
            self.capture = cv2.VideoCapture(index)
        if not self.capture.isOpened():
            raise DataError(f"{self.name} cannot be opened; give the index of a connected camera or a video file")
        rate = _usable(self.capture.get(cv2.CAP_PROP_FPS))
        self.rate, self.says_rate = rate or FALLBACK_FPS, rate is not None

    def frames(self, max_frames: int | None = None) -> Iterator[TimedFrame]:
        """Read the frames, without end where nobody says how many."""
        number = 0
        while number != max_frames:
            found, image = self.capture.read()
            if not found:
                return
            yield TimedFrame(image, number / self.rate)
            number += 1

    def close(self) -> None:
        self.capture.release()


def _usable(rate: Any) -> float | None:
    """A rate as a number, if it can be one."""
    return float(rate) if rate is not None and 0 < rate <= MAX_FPS else None  # a NaN is not


@contextmanager
def _silent_cv2() -> Iterator[None]:
    """Keep OpenCV from writing to the terminal what it tried in vain."""
    log = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging  # OpenCV 4, OpenCV 5
    level = log.getLogLevel()
    log.setLogLevel(0)
    try:
        yield
    finally:
        log.setLogLevel(level)
