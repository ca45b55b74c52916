"""``lstmzoo predict`` for segmenters: a mask for every frame of videos and folders of frames."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmzoo.errors import DataError, LstmzooError, unknown_choice
from lstmzoo.io.atomic import making_folder

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from lstmzoo.segmentation.video_sources import Footage
    from lstmzoo.segmentation.predict import Segmented

VIDEO_FORMATS = ("mp4", "avi", "none")


def run(argv: list[str]) -> None:
    """Write masks, videos with the masks painted in, and predictions.json, and print a summary.

    Args:
        argv: overrides of ``configs/predict_segmentation.yaml``.

    Raises:
        LstmzooError: a mistake in what was asked for; a single input that cannot be read.
        SystemExit: with code 1 if some of several videos could not be read; the others are done.
    """
    from lstmzoo.config.compose import compose
    from lstmzoo.segmentation.video_sources import find_footage

    config = compose("predict_segmentation", argv)
    if config.video not in VIDEO_FORMATS:
        raise LstmzooError(unknown_choice("video", config.video, VIDEO_FORMATS))
    if config.max_frames is not None and (not isinstance(config.max_frames, int) or config.max_frames < 1):
        raise LstmzooError(f"max_frames is a whole number of at least 1, not {config.max_frames}")
    source, output = Path(str(config.input)).expanduser(), Path(str(config.output)).expanduser()
    videos = find_footage(
        str(config.input), split=config.split, resolution=config.resolution, max_frames=config.max_frames
    )
    first_mask = None if config.first_mask is None else Path(str(config.first_mask)).expanduser()
    _check_paths(source, output, first_mask, videos)
    with making_folder(output):  # what is in the way shows before anything else is done
        predict(config, videos, output, first_mask)


def predict(config: DictConfig, videos: list[Footage], output: Path, first_mask: Path | None) -> None:
    """Segment every video.

    Args:
        config: as ``configs/predict_segmentation.yaml``.
        videos: what to segment; one that cannot be read does not stop the others.
        output: folder of the results.
        first_mask: the mask, or a folder of masks, or None.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM, once what was done until then is written.
    """
    from lstmzoo.runs.device import load_model
    from lstmzoo.io.progress import progress_bar
    from lstmzoo.io.terminal import PlainConsole, print_plain
    from lstmzoo.segmentation.video_sources import read_first_mask
    from lstmzoo.segmentation.predict import segment_to_files
    from lstmzoo.segmentation.segment_table import segmented_table
    from lstmzoo.segmentation.segment import check_model

    model = load_model(config.ckpt_path, config.device)
    check_model(model, first_mask is not None)
    several = len(videos) > 1
    done: list[Segmented] = []
    failures: dict[str, str] = {}
    interrupt: KeyboardInterrupt | None = None
    with progress_bar("segmenting", len(videos), "videos") if several else nullcontext(lambda step: None) as finished:
        for video in videos:
            film = None if config.video == "none" else output / f"{video.name}_overlay.{config.video}"
            try:
                mask = None if first_mask is None else read_first_mask(first_mask, video)
                with progress_bar(video.name, video.total, "frames", show=not several) as advance:
                    done.append(
                        segment_to_files(
                            model,
                            video,
                            output / "masks" / video.name,
                            film,
                            first_mask=mask,
                            flip=config.flip,
                            advance=advance,
                        )
                    )
                if (interrupt := done[-1].ended_by) is not None:
                    break
            except KeyboardInterrupt as error:
                interrupt = error
                break
            except DataError as error:
                if not several:
                    raise
                failures[video.name] = str(error)
            finished(1)
    if interrupt is not None and not done:
        raise interrupt
    if done:
        PlainConsole().print(segmented_table(done))
    _write(config, model, output, done, failures)
    print(f"{len(done)} of {len(videos)} videos done. Written to {output}")
    for message in failures.values():
        print_plain(f"lstmzoo: {message}", error=True)
    if interrupt is not None:
        if interrupt is done[-1].ended_by:
            print_plain(f"lstmzoo: {done[-1].name} ends after {len(done[-1].frames)} frames here", error=True)
        raise interrupt
    if failures:
        sys.exit(1)


def _write(config: DictConfig, model: Any, output: Path, done: list[Segmented], failures: dict[str, str]) -> None:
    """Write predictions.json and, if asked for, submission.zip."""
    from lstmzoo.io.atomic import make_folder, write_json
    from lstmzoo.io.resources import peak_bytes, peak_gpu_bytes
    from lstmzoo.segmentation.predict import write_submission

    make_folder(output)
    if config.submission and done:
        write_submission(output / "submission.zip", {video.name: output / "masks" / video.name for video in done})
    device = next(model.parameters()).device
    peak, gpu = peak_bytes(), peak_gpu_bytes(device)
    write_json(
        output / "predictions.json",
        {
            "model": model.model_name,
            "checkpoint": str(config.ckpt_path),
            "first_mask": None if config.first_mask is None else str(config.first_mask),
            "flip": config.flip,
            "device": str(device),
            "network_size": list(model.transform["size"]),
            "peak_memory_mb": None if peak is None else round(peak / 1e6, 1),
            "peak_gpu_memory_mb": None if gpu is None else round(gpu / 1e6, 1),
            "videos": [video.as_dict() for video in done],
            "failures": failures,
        },
    )
    if peak is not None:
        also = "" if gpu is None else f", on the GPU {gpu / 1e6:,.0f} MB"
        print(f"Peak memory: {peak / 1e6:,.0f} MB{also}")


def _check_paths(source: Path, output: Path, first_mask: Path | None, videos: list[Footage]) -> None:
    """Refuse what would mix results with what is given, or one mask for several videos."""
    if output.resolve() == source.resolve():
        raise LstmzooError(f"output {output} is the input itself; choose another output")
    if first_mask is None:
        return
    if len(videos) > 1 and not first_mask.is_dir():
        raise LstmzooError(
            f"first_mask={first_mask} is one mask for {len(videos)} videos; give a folder that has a folder of masks "
            "for each, e.g. Annotations/480p"
        )
    for video in videos:
        target = (output / "masks" / video.name).resolve()
        if target in (first_mask.resolve(), *first_mask.resolve().parents, (first_mask / video.name).resolve()):
            raise LstmzooError(f"{target} holds first_mask and would be overwritten; choose another output")
