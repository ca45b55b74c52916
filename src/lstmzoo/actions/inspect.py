"""``lstmzoo inspect`` for actions: accuracies as figures, and gates over the frames of a clip or a video."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lstmzoo.actions.data.clip_dataset import ClipDataset
from lstmzoo.actions.gates import draw_gates, read_spaced, trace_gates
from lstmzoo.actions.results import RecognitionResults
from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.io.atomic import csv_file
from lstmzoo.io.sources import FALLBACK_FPS
from lstmzoo.io.video import is_frame_folder
from lstmzoo.models.recurrent_layers import check_layer, has_memory
from lstmzoo.training.predictor import SplitInspector
from lstmzoo.viz import plots


class ActionInspector(SplitInspector):
    """Draws the gates over the frames of a video; without one, accuracies on a split and the gates over one clip.

    Args:
        clip: which clip of the split, counted from 0; null: the first of a sequence that was recognised.
        layer: which recurrent layer; -1 is the last.
        max_frames: frames of a video that are looked at, frame_interval apart; null: all.
    """

    def __init__(self, *, clip: int | None = None, layer: int = -1, max_frames: int | None = 300) -> None:
        self.clip, self.layer, self.max_frames = clip, layer, max_frames

    def check(self, wanted: Path) -> str:
        if not wanted.is_file() and not is_frame_folder(wanted):
            raise DataError(
                f"input {wanted} is not a video file; give one, or leave input out to look at a clip of the test split"
            )
        return wanted.stem

    def draw(self, model: Any, wanted: Path, output: Path) -> Sequence[Path]:
        frames, rate = read_spaced(model, wanted, self.max_frames)
        every, trained = model.transform["frame_interval"], model.transform["clip_len"]
        source = f"{wanted.resolve().name}, {len(frames)} frames, {every} apart (trained on clips of {trained})"
        return [self._draw_gates(model, frames, rate, output, source)]

    def check_split(self, model: Any, dataset: ClipDataset) -> None:
        check_layer(model, self.layer)
        if self.clip is not None and (type(self.clip) is not int or not 0 <= self.clip < len(dataset)):
            raise LstmzooError(
                f"there is no clip {self.clip}: the {dataset.split} split has clips 0 to {len(dataset) - 1}"
            )

    def draw_split(self, model: Any, results: RecognitionResults, dataset: ClipDataset, output: Path) -> Sequence[Path]:
        report = results.report
        counts = dict(zip(report.classes, report.confusion.sum(axis=1).tolist(), strict=True))
        written = _write_accuracies(output, "class", report.per_class, counts)
        if report.per_scenario:
            written += _write_accuracies(output, "scenario", report.per_scenario, report.scenario_counts)
        item = _first_recognised(results, dataset) if self.clip is None else self.clip
        clip = dataset[item]
        segment = dataset.segments[clip["segment"]]
        frames = clip["video"].permute(0, 2, 3, 1).numpy()  # (T, H, W, C)
        rate = (dataset.fps or FALLBACK_FPS) / dataset.sampler.frame_interval
        source = f"{segment.video}, frames {segment.first + 1}-{segment.last}, clip {item}"
        truth = f"true: {dataset.classes[segment.label]}"
        return [*written, self._draw_gates(model, frames, rate, output, f"{source}  ·  {truth}")]

    def _draw_gates(self, model: Any, frames: Any, rate: float, output: Path, source: str) -> Path:
        if not has_memory(model):
            print(f"{model.model_name} has no recurrent memory: there are no gates to draw")
        return draw_gates(model, trace_gates(model, frames, rate), output, layer=self.layer, source=source)


def _first_recognised(results: RecognitionResults, dataset: ClipDataset) -> int:
    """The first clip of the first sequence whose class was recognised; clip 0 if there is none."""
    correct = [sequence.label == sequence.prediction for sequence in results.sequences]
    return correct.index(True) * dataset.sampler.num_clips if True in correct else 0


def _write_accuracies(
    output: Path, kind: str, accuracies: Mapping[str, float | None], counts: Mapping[str, int]
) -> list[Path]:
    """Write per_<kind>.csv and per_<kind>.png."""
    table, chart = output / f"per_{kind}.csv", output / f"per_{kind}.png"
    with csv_file(table, [kind, "accuracy", "sequences"]) as write:
        for name, accuracy in accuracies.items():
            write([name, "" if accuracy is None else f"{accuracy:.4f}", counts[name]])
    return [table, plots.accuracy_bars(accuracies, chart, f"Accuracy per {kind}", counts)]
