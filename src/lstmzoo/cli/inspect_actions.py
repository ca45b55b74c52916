"""``lstmzoo inspect`` for actions: accuracies as pictures, and gates over the frames of a clip or a video."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from lstmzoo.actions.data.clip_dataset import ClipDataset
from lstmzoo.actions.gates import draw_gates, read_spaced, watch_frames
from lstmzoo.actions.task import RecognitionResults
from lstmzoo.config.compose import compose
from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.io.atomic import csv_file
from lstmzoo.io.sources import FALLBACK_FPS
from lstmzoo.io.video import is_frame_folder
from lstmzoo.models.recurrent_layers import check_layer, has_memory
from lstmzoo.runs.device import load_model
from lstmzoo.runs.evaluate import evaluate, open_split
from lstmzoo.runs.request import Request, measured_folder, output_folder, read_request, split_overrides
from lstmzoo.viz import plots


def run(argv: list[str]) -> None:
    """Draw what the arguments ask for.

    Args:
        argv: overrides of ``configs/inspect.yaml``; without ``input`` also those of the checkpoint's configuration.

    Raises:
        LstmzooError: a mistake in what was asked for; a video, data set or checkpoint that cannot be used.
    """
    options = compose("inspect", split_overrides("inspect", argv)[0])
    if options.input is None:
        request = read_request("inspect", argv)
        inspect_split(request, measured_folder(request, f"inspect_{options.split}"))
        return
    compose("inspect", argv)  # for a video the stored configuration plays no part: any further key is a mistake
    video = Path(str(options.input)).expanduser()
    if not video.is_file() and not is_frame_folder(video):
        raise DataError(f"input {video} is no video file; give one, or none to look at a clip of the test split")
    inspect_video(options, video)


def inspect_split(request: Request, output: Path) -> None:
    """Measure a checkpoint on a split; draw its accuracies and the gates over one clip.

    Args:
        request: what was asked for.
        output: folder of the results.

    Raises:
        LstmzooError: data or checkpoint cannot be used; no such clip or layer.
    """
    options = request.options
    model = load_model(request.path, options.device)
    check_layer(model, options.layer)
    _check_clip(request)
    results, dataset = evaluate(request, output)
    report = results.report
    counts = dict(zip(report.classes, report.confusion.sum(axis=1).tolist(), strict=True))
    written = _write_accuracies(output, "class", report.per_class, counts)
    if report.per_scenario:
        written += _write_accuracies(output, "scenario", report.per_scenario, report.scenario_counts)

    item = _first_recognised(results, dataset) if options.clip is None else options.clip
    clip = dataset[item]
    segment = dataset.segments[clip["segment"]]
    frames = clip["video"].permute(0, 2, 3, 1).numpy()  # (T, H, W, C)
    watched = watch_frames(model, frames, (dataset.fps or FALLBACK_FPS) / dataset.sampler.frame_interval)
    source = f"{segment.video}, frames {segment.first + 1}-{segment.last}, clip {item}"
    truth = f"true: {dataset.classes[segment.label]}"
    picture = draw_gates(model, watched, output, layer=options.layer, source=f"{source}  ·  {truth}")
    _say(model, [*written, picture])


def inspect_video(options: DictConfig, path: Path) -> None:
    """Draw the gates over the frames of a video.

    Args:
        options: as ``configs/inspect.yaml``.
        path: the video file.

    Raises:
        LstmzooError: video or checkpoint cannot be used; no such layer.
    """
    output = output_folder(options, f"inspect_{path.stem}")
    model = load_model(options.ckpt_path, options.device)
    frames, rate = read_spaced(model, path, options.max_frames)
    every, trained = model.transform["frame_interval"], model.transform["clip_len"]
    source = f"{path.resolve().name}, {len(frames)} frames, {every} apart (trained on clips of {trained})"
    picture = draw_gates(model, watch_frames(model, frames, rate), output, layer=options.layer, source=source)
    _say(model, [picture])


def _check_clip(request: Request) -> None:
    """Say that there is no such clip before the whole split is measured."""
    wanted, split = request.options.clip, request.options.split
    if wanted is None:
        return
    clips = len(open_split(request).test_dataset or ())
    if not isinstance(wanted, int) or not 0 <= wanted < clips:
        raise LstmzooError(f"there is no clip {wanted}: the {split} split has clips 0 to {clips - 1}")


def _first_recognised(results: RecognitionResults, dataset: ClipDataset) -> int:
    """The first clip of the first sequence whose class was found; clip 0 if there is none."""
    correct = [sequence.label == sequence.prediction for sequence in results.sequences]
    return correct.index(True) * dataset.sampler.num_clips if True in correct else 0


def _write_accuracies(
    output: Path, kind: str, accuracies: Mapping[str, float | None], counts: Mapping[str, int]
) -> list[Path]:
    """Write per_<kind>.csv and per_<kind>.png."""
    table, picture = output / f"per_{kind}.csv", output / f"per_{kind}.png"
    with csv_file(table, [kind, "accuracy", "sequences"]) as write:
        for name, accuracy in accuracies.items():
            write([name, "" if accuracy is None else f"{accuracy:.4f}", counts[name]])
    return [table, plots.accuracy_bars(accuracies, picture, f"Accuracy per {kind}", counts)]


def _say(model: Any, written: list[Path]) -> None:
    if not has_memory(model):
        print(f"{model.model_name} has no recurrent memory: there are no gates to draw")
    print(f"Written to {written[0].parent}: {', '.join(path.name for path in written)}")
