"""``lstmzoo predict`` with segmentation models: masks, videos with the masks painted in, a zip for the DAVIS server."""

import time
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.table import Table

from lstmzoo.errors import DataError, DataWarning, LstmzooError
from lstmzoo.io.atomic import replacing, replacing_folder, write_json
from lstmzoo.io.progress import progress_bar
from lstmzoo.io.resources import peak_bytes, peak_gpu_bytes
from lstmzoo.io.terminal import PlainConsole
from lstmzoo.io.wording import listed
from lstmzoo.segmentation.data.masks import write_mask
from lstmzoo.segmentation.models import has_classes, label_map
from lstmzoo.segmentation.overlays import video_frame
from lstmzoo.segmentation.segment import check_model, numbers_of, segment_with
from lstmzoo.segmentation.semantic.overlays import LegendFrames, class_palette
from lstmzoo.segmentation.semantic.predictions import shares_table, write_shares
from lstmzoo.segmentation.video_sources import Frame, VideoSource, find_videos, read_first_mask, read_masks
from lstmzoo.training.predictor import Predictor
from lstmzoo.viz.film import video_file


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


class SegmentationPredictor(Predictor[VideoSource, SegmentedVideo]):
    """Marks objects, or the class of every pixel, in every frame of videos.

    Writes masks/NAME/*.png, NAME_overlay.mp4 and predictions.json; with classes also NAME_classes.csv. The input is a
    video file, a folder of frames, a folder of these, or a data set in the layout of DAVIS or CamVid.

    Args:
        first_mask: PNG for the first frame, values number the objects; or a folder of them, e.g. Annotations/480p.
        masks: folder of PNGs for any frames, named as the frames are, also of objects that come later; all are given.
        split: of a data set: the list or folder whose sequences are segmented, e.g. val; null: all.
        resolution: of a data set: that of its files.
        flip: average with the prediction for the mirrored video.
        submission: also pack the masks as submission.zip, in the form of DAVIS.
        max_frames: stop each video after so many frames; null: all.
        video: mp4, avi, or none for no video.
    """

    noun = "videos"

    def __init__(
        self,
        first_mask: Path | None = None,
        masks: Path | None = None,
        split: str | None = None,
        resolution: str = "480p",
        flip: bool = False,
        submission: bool = False,
        max_frames: int | None = None,
        video: Literal["mp4", "avi", "none"] = "mp4",
    ) -> None:
        self.first_mask = None if first_mask is None else Path(first_mask).expanduser()
        self.masks = None if masks is None else Path(masks).expanduser()
        self.split, self.resolution, self.max_frames = split, resolution, max_frames
        self.flip, self.submission, self.video = flip, submission, video

    def find(self, wanted: str, output: Path) -> Sequence[VideoSource]:
        videos = find_videos(wanted, split=self.split, resolution=self.resolution, max_frames=self.max_frames)
        if output.resolve() == Path(wanted).expanduser().resolve():
            raise LstmzooError(f"output {output} is the input itself; choose another output")
        if self.first_mask is not None:
            _check_first_mask(self.first_mask, videos, output)
        if self.masks is not None:
            _check_masks(self.masks, videos, output)
        return videos

    def use(self, model: Any) -> None:
        check_model(model, self.first_mask is not None or self.masks is not None)
        self.model = model

    def predict(self, item: VideoSource, output: Path, *, alone: bool) -> SegmentedVideo:
        first = None if self.first_mask is None else read_first_mask(self.first_mask, item)
        given = None if self.masks is None else read_masks(self.masks, item)
        overlay = None if self.video == "none" else output / f"{item.name}_overlay.{self.video}"
        masks = output / "masks" / item.name
        with progress_bar(item.name, item.total, "frames", show=alone) as advance:
            found = segment_to_files(
                self.model, item, masks, overlay, first_mask=first, given=given, flip=self.flip, advance=advance
            )
        if has_classes(self.model):
            write_shares(output / f"{item.name}_classes.csv", self.model.classes, found.frames, found.shares())
        return found

    def finish(self, outcomes: Sequence[SegmentedVideo], failures: Mapping[str, str], output: Path) -> Sequence[str]:
        device = next(self.model.parameters()).device
        peak, gpu = peak_bytes(), peak_gpu_bytes(device)
        if outcomes:
            classes = self.model.classes if has_classes(self.model) else None
            PlainConsole().print(shares_table(classes, outcomes) if classes else segmented_table(outcomes))
        if peak is not None:
            also = "" if gpu is None else f", on the GPU {gpu / 1e6:,.0f} MB"
            print(f"Peak memory: {peak / 1e6:,.0f} MB{also}")
        files = ["predictions.json"]
        if self.submission and outcomes:
            write_submission(output / "submission.zip", {one.name: output / "masks" / one.name for one in outcomes})
            files.append("submission.zip")
        write_json(
            output / "predictions.json",
            {
                "model": self.model.model_name,
                "checkpoint": self.model.checkpoint,
                "classes": list(self.model.classes),
                "first_mask": None if self.first_mask is None else str(self.first_mask),
                "masks": None if self.masks is None else str(self.masks),
                "flip": self.flip,
                "device": str(device),
                "network_size": list(self.model.transform["size"]),
                "peak_memory_mb": None if peak is None else round(peak / 1e6, 1),
                "peak_gpu_memory_mb": None if gpu is None else round(gpu / 1e6, 1),
                "videos": [one.as_dict() for one in outcomes],
                "failures": dict(failures),
            },
        )
        return files


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

    An interrupt (Ctrl-C, SIGTERM) ends it early, but in good order: what was done so far is written.

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
    if interrupt is None and source.max_frames is None and (late := [n for n in given or {} if n >= len(names)]):
        warnings.warn(
            f"{source.path} ends with frame {len(names) - 1}; the masks of frames {listed(sorted(late))} were not used",
            DataWarning,
            stacklevel=2,
        )
    seconds = time.perf_counter() - started
    network = max(seconds - writing - frames.seconds, 1e-9)
    return SegmentedVideo(source.name, str(source.path), size, counted, names, areas, seconds, network, interrupt)


def write_submission(path: Path, folders: Mapping[str, Path]) -> Path:
    """Pack masks as the servers of DAVIS want them: in the zip a folder per sequence, and nothing else."""
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:  # PNGs are compressed already
        for name, folder in folders.items():
            for mask in sorted(folder.glob("*.png")):
                archive.write(mask, f"{name}/{mask.name}")
    return path


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


def _check_first_mask(first_mask: Path, videos: Sequence[VideoSource], output: Path) -> None:
    """Refuse one mask for several videos, and results that would replace it."""
    if len(videos) > 1 and not first_mask.is_dir():
        raise LstmzooError(
            f"first_mask={first_mask} is one mask for {len(videos)} videos; give a folder that has a folder of masks "
            "for each, e.g. Annotations/480p"
        )
    _refuse_overwriting("first_mask", first_mask, videos, output)


def _check_masks(masks: Path, videos: Sequence[VideoSource], output: Path) -> None:
    """Refuse masks of one video for several, and results that would replace them."""
    missing = [video.name for video in videos if not (masks / video.name).is_dir()]
    if len(videos) > 1 and missing:
        raise LstmzooError(
            f"masks={masks} has no folder {missing[0]}; for {len(videos)} videos, give a folder that has a folder of "
            "masks for each"
        )
    _refuse_overwriting("masks", masks, videos, output)


def _refuse_overwriting(option: str, given: Path, videos: Sequence[VideoSource], output: Path) -> None:
    for video in videos:
        target = (output / "masks" / video.name).resolve()
        if target in (given.resolve(), *given.resolve().parents, (given / video.name).resolve()):
            raise LstmzooError(f"{target} holds {option} and would be overwritten; choose another output")


def segmented_table(videos: Sequence[SegmentedVideo]) -> Table:
    """Return one line per segmented video: its size, its objects and how fast it went."""
    table = Table(title="Masks", title_justify="left", title_style="bold", header_style="bold")
    table.add_column("video", overflow="fold")
    for column in ("frames", "size", "objects", "mean area", "frames/s", "network only"):
        table.add_column(column, justify="right")
    for video in videos:
        height, width = video.size
        area = sum(map(sum, video.areas.values())) / (len(video.frames) * height * width)
        table.add_row(
            video.name,
            f"{len(video.frames):,}",
            f"{width}×{height}",
            f"{len(video.objects)}",
            f"{area:.1%}",
            f"{video.speed:.1f}",
            f"{video.network_speed:.1f}",
        )
    return table
