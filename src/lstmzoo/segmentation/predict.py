"""What ``lstmzoo predict`` leaves behind of segmented videos: masks, a video with the masks painted in, a zip."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lstmzoo.errors import DataError
from lstmzoo.io.atomic import replacing, replacing_folder
from lstmzoo.segmentation.data import write_mask
from lstmzoo.segmentation.models import label_map
from lstmzoo.segmentation.overlays import overlay_masks
from lstmzoo.segmentation.segment import objects_of, segment_with
from lstmzoo.segmentation.video_sources import Footage, Frame
from lstmzoo.viz.film import video_file
from lstmzoo.viz.overlay import MIN_WIDTH


@dataclass(frozen=True)
class Segmented:
    """One video that was segmented.

    Attributes:
        name: what its results are called after.
        source: the file or folder.
        size: (height, width) of frames and masks, in pixels.
        objects: numbers of the objects that were looked for.
        frames: names of the frames; their masks are called so, too.
        areas: number of an object → pixels of it, frame by frame.
        seconds: that all of it took: reading, the network and writing.
        network_seconds: ... the network alone, scaling to its size and back included.
        ended_by: Ctrl-C or SIGTERM, which ended it early; None where it came to its end.
    """

    name: str
    source: str
    size: tuple[int, int]
    objects: list[int]
    frames: list[str]
    areas: dict[int, list[int]]
    seconds: float
    network_seconds: float
    ended_by: KeyboardInterrupt | None = None

    @property
    def speed(self) -> float:
        """Frames per second of everything."""
        return len(self.frames) / self.seconds

    @property
    def network_speed(self) -> float:
        """Frames per second of the network alone."""
        return len(self.frames) / self.network_seconds

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers, ready for JSON."""
        numbers = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "ended_by"}
        numbers |= {"frames_per_s": self.speed, "network_frames_per_s": self.network_speed}
        numbers["complete"] = self.ended_by is None
        return {name: round(value, 3) if isinstance(value, float) else value for name, value in numbers.items()}


class _Timed:
    """Counts the time that is spent on reading frames."""

    def __init__(self, footage: Footage, advance: Callable[[int], None]) -> None:
        self.footage, self.advance, self.seconds = footage, advance, 0.0

    def __iter__(self) -> Iterator[tuple[Frame, np.ndarray]]:
        frames = iter(self.footage)
        while True:
            started = time.perf_counter()
            frame = next(frames, None)
            self.seconds += time.perf_counter() - started
            if frame is None:
                return
            self.advance(1)
            yield frame, frame.image


def segment_to_files(
    model: Any,
    footage: Footage,
    masks: Path,
    film: Path | None,
    *,
    first_mask: np.ndarray | None = None,
    flip: bool = False,
    advance: Callable[[int], None] = lambda frames: None,
) -> Segmented:
    """Segment a video; write a mask for every frame, and the video with the masks painted in.

    An interrupt (Ctrl-C, SIGTERM) ends it early, but in good order: what was done so far is written.

    Args:
        model: a segmenter from ``lstmzoo.load``.
        footage: the video.
        masks: the folder of masks to write, PNGs with the palette of DAVIS at the size of the frames; it appears, and
            replaces an earlier one, when all are there.
        film: the video to write (.mp4 or .avi), or None for none.
        first_mask: see `segment_frames`.
        flip: see `segment_frames`.
        advance: called with 1 after every frame that was read, for a progress bar.

    Returns:
        What was done.

    Raises:
        DataError: a frame cannot be read, the first mask is of another size, or the model's outputs are not finite;
            nothing is written then.
        LstmzooError: the model cannot do it, or the folder cannot be written.
        KeyboardInterrupt: an interrupt before the first mask; nothing is written then.
    """
    ids = objects_of(first_mask)
    areas: dict[int, list[int]] = {number: [] for number in ids}
    names: list[str] = []
    size: tuple[int, int] = (0, 0)
    source, writing, started = _Timed(footage, advance), 0.0, time.perf_counter()
    interrupt: KeyboardInterrupt | None = None
    with ExitStack() as stack:
        folder = stack.enter_context(replacing_folder(masks))
        video = stack.enter_context(video_file(film, footage.rate)) if film else None
        try:
            for frame, probabilities in segment_with(model, source, first_mask, flip=flip, name=footage.name):
                found = label_map(probabilities, ids).cpu().numpy()
                begun = time.perf_counter()
                write_mask(folder / f"{frame.name}.png", found)
                if video is not None:
                    video.write(_painted(frame.image, found), frame.time_s)
                counts = np.bincount(found.ravel(), minlength=256)
                for number in ids:
                    areas[number].append(int(counts[number]))
                names.append(frame.name)
                size = found.shape
                writing += time.perf_counter() - begun
        except KeyboardInterrupt as error:
            if not names:
                raise
            interrupt = error
        if not names:
            raise DataError(f"there is no frame in {footage.path}")
    seconds = time.perf_counter() - started
    network = max(seconds - writing - source.seconds, 1e-9)
    return Segmented(footage.name, str(footage.path), size, ids, names, areas, seconds, network, interrupt)


def write_submission(path: Path, folders: Mapping[str, Path]) -> Path:
    """Pack masks as the servers of DAVIS want them: in the zip a folder per sequence, and nothing else.

    Args:
        path: the zip to write.
        folders: folder of masks by sequence.

    Returns:
        The path.
    """
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:  # PNGs are compressed already
        for name, folder in folders.items():
            for mask in sorted(folder.glob("*.png")):
                archive.write(mask, f"{name}/{mask.name}")
    return path


def _painted(image: np.ndarray, found: np.ndarray) -> np.ndarray:
    """The frame with its masks, BGR, as a codec wants it: with even sides, and not too small to be seen."""
    height, width = found.shape
    zoom = max(1, -(-MIN_WIDTH // width))
    if zoom > 1:
        image, found = (
            cv2.resize(one, (width * zoom, height * zoom), interpolation=way)
            for one, way in ((image, cv2.INTER_CUBIC), (found, cv2.INTER_NEAREST))
        )
    painted = cv2.cvtColor(overlay_masks(image, found), cv2.COLOR_RGB2BGR)
    height, width = found.shape
    return cv2.copyMakeBorder(painted, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
