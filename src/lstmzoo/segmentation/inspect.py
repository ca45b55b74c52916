"""``lstmzoo inspect`` with segmentation models: maps of memory and gates, and what is kept of an occluded object."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lstmzoo.errors import LstmzooError
from lstmzoo.io.atomic import csv_file
from lstmzoo.io.terminal import print_plain
from lstmzoo.models.recurrent_layers import described
from lstmzoo.segmentation.memory_maps import map_rows
from lstmzoo.segmentation.memory_plots import memory_sheet, memory_video
from lstmzoo.segmentation.models import has_classes
from lstmzoo.segmentation.recording import Recording, choose_layer, record
from lstmzoo.segmentation.retention import (
    Retention,
    SequenceTruth,
    find_truth,
    measure_retention,
    occluded_frames,
    stretches,
)
from lstmzoo.segmentation.retention_plot import retention_curves
from lstmzoo.segmentation.segment import check_model, objects_of
from lstmzoo.segmentation.video_sources import VideoSource, open_video, read_first_mask
from lstmzoo.training.predictor import Inspector


class SegmentationInspector(Inspector):
    """Draws what a model's memory holds while it segments a video, and for how long it keeps an occluded object.

    Writes memory.png, memory.mp4, retention.png and retention.csv. The input is a video file or a folder of frames; of
    a data set in the layout of DAVIS, JPEGImages/480p/NAME.

    Args:
        first_mask: PNG for the first frame, values number the objects; or a folder of them, e.g. Annotations/480p.
        object: number of the object to look at; null: the one that is occluded longest.
        layer: which memory; -1 is the last, at the finest level.
        max_frames: stop after so many frames.
    """

    def __init__(
        self, first_mask: Path | None = None, object: int | None = None, layer: int = -1, max_frames: int = 100
    ) -> None:
        self.first_mask = None if first_mask is None else Path(first_mask).expanduser()
        self.object, self.layer, self.max_frames = object, layer, max_frames

    def check(self, wanted: Path) -> str:
        return open_video(wanted, self.max_frames).name

    def draw(self, model: Any, wanted: Path, output: Path) -> Sequence[Path]:
        check_model(model, self.first_mask is not None)
        if has_classes(model):
            raise LstmzooError(
                f"inspect shows what is kept of one object, and {model.model_name!r} has {len(model.classes)} classes "
                "instead; `lstmzoo eval` writes their confusion matrix and the worst frames, `lstmzoo predict` a video"
            )
        video = open_video(wanted, self.max_frames)
        first = None if self.first_mask is None else read_first_mask(self.first_mask, video)
        layer, truth = choose_layer(model, self.layer), find_truth(video)
        number = choose_object(self.object, video, first, truth)
        recording = record(model, video, first, layer, number if model.guided else 1)
        kept = measure_retention(model, video, first, recording, truth, number)
        title = described(model)
        about = f"{video.name}, object {number}, {len(recording.names)} frames"
        about += f"  ·  {layer.label}" if layer else ""
        rows = map_rows(recording)
        _print_summary(recording, kept)
        return [
            memory_sheet(recording, rows, kept.occluded, output / "memory.png", title=title, subtitle=about),
            memory_video(recording, rows, kept.occluded, output / "memory.mp4", min(video.rate, 12.0), title=title),
            retention_curves(recording, kept, output / "retention.png", title=title, subtitle=about),
            _write_table(recording, kept, output / "retention.csv"),
        ]


def choose_object(
    wanted: int | None, video: VideoSource, first_mask: np.ndarray | None, truth: SequenceTruth | None
) -> int:
    """Choose the object to look at: the one asked for, or the one that is occluded in most frames.

    Raises:
        LstmzooError: there is no such object.
    """
    known = objects_of(first_mask)
    if first_mask is None and truth is not None:  # segmented as foreground, but the true masks number them
        known = truth.objects() or known
    if wanted is not None:
        if wanted not in known:
            raise LstmzooError(f"there is no object {wanted} in {video.name}; it has {', '.join(map(str, known))}")
        return wanted
    if truth is None:
        return known[0]
    return max(known, key=lambda number: occluded_frames(truth, video, number).sum())


def _write_table(recording: Recording, kept: Retention, path: Path) -> Path:
    """Write the curves as CSV, one line per frame; empty where nothing was measured."""
    columns = {
        "area": kept.areas,
        "true_area": kept.true_areas,
        kept.measure: kept.found,
        f"{kept.measure}_erased": kept.erased,
        "kept_inside": kept.inside,
        "kept_outside": kept.outside,
        "surviving": kept.surviving,
    }
    with csv_file(path, ["frame", "occluded", *columns]) as write:
        for t, name in enumerate(recording.names):
            values = ["" if one is None or np.isnan(one[t]) else f"{one[t]:.5f}" for one in columns.values()]
            write([name, int(kept.occluded[t]), *values])
    return path


def _print_summary(recording: Recording, kept: Retention) -> None:
    """Print how much of the memory survived each occlusion, and what it was worth."""
    if recording.layer is None:
        print("This network has no recurrent memory: there are no states and gates to draw")
    for first, last in stretches(kept.occluded):
        words = f"Object {kept.number} is occluded in frames {recording.names[first]} to {recording.names[last]}"
        if kept.surviving is not None and not np.isnan(kept.surviving[last]):
            words += f"; {kept.surviving[last]:.0%} of what its cells held survives"
        after = last + 1
        if after < len(recording.names) and not np.isnan(kept.found[after]):
            words += f"; {kept.measure} afterwards {kept.found[after]:.2f}"
            if kept.erased is not None:
                words += f", with the memory erased {kept.erased[after]:.2f}"
        print_plain(words)
