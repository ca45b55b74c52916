"""``lstmzoo predict`` with segmentation models: masks, videos with the masks painted in, a zip for the DAVIS server."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from rich.table import Table

from lstmzoo.errors import LstmzooError
from lstmzoo.io.atomic import replacing, write_json
from lstmzoo.io.progress import progress_bar
from lstmzoo.io.resources import peak_bytes, peak_gpu_bytes
from lstmzoo.io.terminal import PlainConsole
from lstmzoo.models.metadata import LARGEST_SIDE
from lstmzoo.segmentation.models import has_classes
from lstmzoo.segmentation.models.segment_stream import LEAST_FRAME
from lstmzoo.segmentation.segment import check_model
from lstmzoo.segmentation.segmented_video import SegmentedVideo, segment_to_files
from lstmzoo.segmentation.semantic.predictions import shares_table, write_shares
from lstmzoo.segmentation.video_sources import VideoSource, find_videos, read_first_mask, read_masks
from lstmzoo.training.predictor import Predictor


class SegmentationPredictor(Predictor[VideoSource, SegmentedVideo]):
    """Marks objects, or the class of every pixel, in every frame of videos.

    Writes masks/NAME/*.png, NAME_overlay.mp4 and predictions.json; with classes also NAME_classes.csv. The input is a
    video file, a folder of frames, a folder of these, or a data set in the layout of DAVIS or CamVid.

    Args:
        first_mask: PNG for the first frame, values number the objects; or a folder of them, e.g. Annotations/480p.
        masks: folder of PNGs for any frames, named as the frames are, also of objects that come later; all are given.
        split: of a data set: the list or folder whose sequences are segmented, e.g. val; null: all.
        resolution: of a data set: that of its files.
        size: [height, width] that frames are scaled to for the network, in pixels; null: what it was trained for. Less
            is faster and finds less.
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
        size: list[int] | None = None,
        flip: bool = False,
        submission: bool = False,
        max_frames: int | None = None,
        video: Literal["mp4", "avi", "none"] = "mp4",
    ) -> None:
        self.first_mask = None if first_mask is None else Path(first_mask).expanduser()
        self.masks = None if masks is None else Path(masks).expanduser()
        self.split, self.resolution, self.max_frames = split, resolution, max_frames
        self.flip, self.submission, self.video = flip, submission, video
        if size is not None and (len(size) != 2 or not LEAST_FRAME <= min(size) <= max(size) <= LARGEST_SIDE):
            raise LstmzooError(
                f"size={size}: it is [height, width] in pixels, each {LEAST_FRAME} to {LARGEST_SIDE}, e.g. [192,336]"
            )
        self.size = size

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
        if self.size is not None:
            model.transform = {**model.transform, "size": self.size}
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


def write_submission(path: Path, folders: Mapping[str, Path]) -> Path:
    """Pack masks as the servers of DAVIS want them: in the zip a folder per sequence, and nothing else."""
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:  # PNGs are compressed already
        for name, folder in folders.items():
            for mask in sorted(folder.glob("*.png")):
                archive.write(mask, f"{name}/{mask.name}")
    return path


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
