"""A segmented video: the masks of its frames as files, the video with the masks painted in, and its numbers."""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from lstmzoo.errors import DataError, DataWarning
from lstmzoo.io.atomic import replacing_folder
from lstmzoo.io.wording import listed
from lstmzoo.segmentation.data.masks import write_mask
from lstmzoo.segmentation.models import has_classes, label_map
from lstmzoo.segmentation.overlays import video_frame
from lstmzoo.segmentation.segment import numbers_of, segment_with
from lstmzoo.segmentation.semantic.class_overlays import LegendFrames, class_palette
from lstmzoo.segmentation.video_sources import Frame, VideoSource
from lstmzoo.viz.video_file import video_file


@dataclass(frozen=True)
class SegmentedVideo:
    """One video that was segmented."""

    name: str  # what its results are called after
    source: str  # the file or folder
    size: tuple[int, int]  # (height, width) of frames and masks, in pixels
    objects: list[int]  # numbers of the objects that were looked for, or of all classes
    frames: list[str]  # names of the frames; their masks are called so, too
    areas: dict[int, list[int]]  # number of an object → pixels of it, frame by frame
    seconds: float  # that all of it took: reading, the network and writing
    network_seconds: float  # ... the network alone, scaling to its size and back included
    ended_by: KeyboardInterrupt | None = None  # Ctrl-C or SIGTERM, which ended it early; None where it came to its end

    @property
    def speed(self) -> float:
        """Frames per second of everything."""
        return len(self.frames) / self.seconds

    @property
    def network_speed(self) -> float:
        """Frames per second of the network alone."""
        return len(self.frames) / self.network_seconds

    def shares(self) -> np.ndarray:
        """The share of the pixels that each object or class takes, (T, K)."""
        return np.array([self.areas[number] for number in self.objects]).T / (self.size[0] * self.size[1])

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers, ready for JSON."""
        numbers = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "ended_by"}
        numbers |= {"frames_per_s": self.speed, "network_frames_per_s": self.network_speed}
        numbers["complete"] = self.ended_by is None
        return {name: round(value, 3) if isinstance(value, float) else value for name, value in numbers.items()}


def segment_to_files(
    model: Any,
    source: VideoSource,
    masks: Path,
    overlay: Path | None,
    *,
    first_mask: np.ndarray | None = None,
    given: Mapping[int, np.ndarray] | None = None,
    flip: bool = False,
    advance: Callable[[int], None] = lambda frames: None,
) -> SegmentedVideo:
    """Segment a video; write a mask for every frame, and the video with the masks painted in.

    An interrupt (Ctrl-C, SIGTERM) ends it early but cleanly: what was done so far is written.

    Args:
        model: a segmentation model from ``lstmzoo.load``.
        source: the video.
        masks: the folder of masks to write, PNGs with a palette (that of DAVIS, or that of classes) at the size of the
            frames; it appears, and replaces an earlier one, when all are there.
        overlay: the video to write (.mp4 or .avi), or None for none.
        first_mask: see `segment_frames`.
        given: the masks of `segment_frames`.
        flip: see `segment_frames`.
        advance: called with 1 after every frame that was read, for a progress bar.

    Raises:
        DataError: a frame cannot be read, the first mask is of another size, or the model's outputs are not finite;
            nothing is written then.
        LstmzooError: the model cannot do it, or the folder cannot be written.
        KeyboardInterrupt: an interrupt before the first mask; nothing is written then.
    """
    ids = numbers_of(model, first_mask, given)
    legend = LegendFrames(model.classes) if has_classes(model) else None
    palette = None if legend is None else class_palette()
    counted = ids if legend is None else [0, *ids]
    areas: dict[int, list[int]] = {number: [] for number in counted}
    names: list[str] = []
    size: tuple[int, int] = (0, 0)
    frames, writing, started = _TimedFrames(source, advance), 0.0, time.perf_counter()
    interrupt: KeyboardInterrupt | None = None
    with ExitStack() as stack:
        folder = stack.enter_context(replacing_folder(masks))
        video = stack.enter_context(video_file(overlay, source.rate)) if overlay else None
        try:
            for frame, probabilities in segment_with(
                model, frames, first_mask, flip=flip, name=source.name, masks=given
            ):
                predicted = label_map(probabilities, ids).cpu().numpy()
                begun = time.perf_counter()
                write_mask(folder / f"{frame.name}.png", predicted, palette)
                if video is not None:
                    paint = video_frame if legend is None else legend.draw
                    video.write(paint(frame.image, predicted), frame.time_s)
                counts = np.bincount(predicted.ravel(), minlength=256)
                for number in counted:
                    areas[number].append(int(counts[number]))
                names.append(frame.name)
                size = predicted.shape
                writing += time.perf_counter() - begun
        except KeyboardInterrupt as error:
            if not names:
                raise
            interrupt = error
        if not names:
            raise DataError(f"there is no frame in {source.path}")
    used = [mask for n, mask in ({0: first_mask} | dict(given or {})).items() if mask is not None and n < len(names)]
    if lost := [n for n in ids if not any(areas[n]) and any((mask == n).any() for mask in used)]:
        warnings.warn(
            f"{source.path}: no pixel of objects {listed(lost)} was found in any frame; if they are small, give size= "
            "more pixels, or draw their masks larger",
            DataWarning,
            stacklevel=2,
        )
    if interrupt is None and source.max_frames is None and (late := [n for n in given or {} if n >= len(names)]):
        warnings.warn(
            f"{source.path} ends with frame {len(names) - 1}; the masks of frames {listed(sorted(late))} were not used",
            DataWarning,
            stacklevel=2,
        )
    seconds = time.perf_counter() - started
    network = max(seconds - writing - frames.seconds, 1e-9)
    return SegmentedVideo(source.name, str(source.path), size, counted, names, areas, seconds, network, interrupt)


class _TimedFrames:
    """Counts the time that is spent on reading frames."""

    def __init__(self, source: VideoSource, advance: Callable[[int], None]) -> None:
        self.source, self.advance, self.seconds = source, advance, 0.0

    def __iter__(self) -> Iterator[tuple[Frame, np.ndarray]]:
        frames = iter(self.source)
        while True:
            started = time.perf_counter()
            frame = next(frames, None)
            self.seconds += time.perf_counter() - started
            if frame is None:
                return
            self.advance(1)
            yield frame, frame.image
