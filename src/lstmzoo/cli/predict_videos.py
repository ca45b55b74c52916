"""``lstmzoo predict`` for actions: name what happens in a video, a folder of videos, or before a camera."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from lstmzoo.errors import DataError, LstmzooError, unknown_choice

if TYPE_CHECKING:
    from omegaconf import DictConfig

VIDEO_FORMATS = ("mp4", "avi", "none")


def run(argv: list[str]) -> None:
    """Write labels over time (CSV) and annotated videos, and print a summary.

    Args:
        argv: overrides of ``configs/predict.yaml``, e.g. ``["ckpt_path=runs/x", "input=walk.avi"]``.

    Raises:
        LstmzooError: a mistake in what was asked for; a single input that cannot be read.
        SystemExit: with code 1 if some videos of a folder could not be read; the others are done.
    """
    from lstmzoo.cli.compose import compose

    config = compose("predict", argv)
    if config.video not in VIDEO_FORMATS:
        raise LstmzooError(unknown_choice("video", config.video, VIDEO_FORMATS))
    for key in ("stride", "max_frames"):
        if config[key] is not None and (not isinstance(config[key], int) or config[key] < 1):
            raise LstmzooError(f"{key} is a whole number of at least 1, not {config[key]}")
    output = Path(str(config.output)).expanduser()
    sources = find_sources(config.input, output)
    several = Path(str(config.input)).expanduser().is_dir()
    predict(config, sources, output, several)


def predict(config: DictConfig, sources: dict[str, Path | int], output: Path, several: bool) -> None:
    """Predict every source.

    Args:
        config: as ``configs/predict.yaml``.
        sources: video or camera by name.
        output: folder of the results.
        several: one that cannot be read does not stop the others, and there is a summary.csv.
    """
    from lstmzoo.cli.device import load_model
    from lstmzoo.data.progress import progress_bar
    from lstmzoo.data.terminal import PlainConsole, print_plain
    from lstmzoo.inference.annotate import Outcome, annotate
    from lstmzoo.inference.stream import Stream
    from lstmzoo.inference.tables import summary_table, write_summary

    model = load_model(config.ckpt_path, config.device)
    outcomes: list[Outcome] = []
    failures: dict[str, str] = {}
    with progress_bar("predicting", len(sources), "videos") if several else nullcontext(lambda step: None) as done:
        for name, source in sources.items():
            table = output / f"{name}_labels.csv"
            picture = None if config.video == "none" else output / f"{name}_predicted.{config.video}"
            try:
                with (
                    Stream(source, max_frames=config.max_frames) as stream,
                    progress_bar(name, stream.total, "frames", show=not several) as advance,
                ):
                    outcomes.append(
                        annotate(model, stream, name, table, picture, stride=config.stride, advance=advance)
                    )
            except DataError as error:
                if not several:
                    raise
                failures[name] = str(error)
            done(1)

    if outcomes:
        PlainConsole().print(summary_table(outcomes))
    if several:
        write_summary(output / "summary.csv", outcomes, failures)
    done_of = f"{len(outcomes)} of {len(sources)} videos done. " if several else ""
    print(f"{done_of}Written to {output}")
    if failures:
        for message in failures.values():
            print_plain(f"lstmzoo: {message}", error=True)
        sys.exit(1)


def find_sources(wanted: str | int, output: Path) -> dict[str, Path | int]:
    """Find what is to be predicted.

    Args:
        wanted: a video file, a folder that is searched with all its subfolders, or the index of a camera.
        output: where results go; earlier results that lie there are not taken for videos.

    Returns:
        Source by name; names are unique and, for a folder, keep the subfolders.

    Raises:
        DataError: there is nothing of that name, or no video in the folder.
        LstmzooError: results would be written among the videos of the folder.
    """
    from lstmzoo.data.video import VIDEO_SUFFIXES, is_video

    path = Path(str(wanted)).expanduser()
    if isinstance(wanted, int) or (str(wanted).isdigit() and not path.exists()):
        return {f"camera{int(wanted)}": int(wanted)}
    if not path.exists():
        raise DataError(f"there is no input {path}: give a video file, a folder of videos, or a camera index such as 0")
    if path.is_file():
        return {path.stem: path}
    if output.resolve() == path.resolve():
        raise LstmzooError(f"output {output} is the folder of the videos itself; choose another output")
    files = sorted(file for file in path.rglob("*") if is_video(file) and file.is_file())
    files = [file for file in files if output.resolve() not in file.resolve().parents]
    if not files:
        suffixes = ", ".join(sorted(VIDEO_SUFFIXES))
        raise DataError(f"there is no video in the folder {path}; looked for files ending in {suffixes}")
    names = [file.relative_to(path).with_suffix("").as_posix() for file in files]
    # Two files that differ only in their suffix keep it.
    unique = [
        name if names.count(name) == 1 else file.relative_to(path).as_posix()
        for name, file in zip(names, files, strict=True)
    ]
    return dict(zip(unique, files, strict=True))
