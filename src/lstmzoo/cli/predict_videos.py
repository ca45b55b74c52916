"""``lstmzoo predict`` for actions: name what happens in a video, a folder of videos, or before a camera."""

from __future__ import annotations

import re
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from lstmzoo.errors import DataError, LstmzooError, Terminated, unknown_choice
from lstmzoo.io.atomic import making_folder

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
    from lstmzoo.config.compose import compose

    config = compose("predict", argv)
    if config.video not in VIDEO_FORMATS:
        raise LstmzooError(unknown_choice("video", config.video, VIDEO_FORMATS))
    for key in ("stride", "max_frames"):
        if config[key] is not None and (not isinstance(config[key], int) or config[key] < 1):
            raise LstmzooError(f"{key} is a whole number of at least 1, not {config[key]}")
    output = Path(str(config.output)).expanduser()
    sources = find_sources(config.input, output)
    path = Path(str(config.input)).expanduser()
    several = path.is_dir() and [*sources.values()] != [path]
    with making_folder(output):  # what is in the way shows before anything else is done
        predict(config, sources, output, several)


def predict(config: DictConfig, sources: dict[str, Path | int], output: Path, several: bool) -> None:
    """Predict every source.

    Args:
        config: as ``configs/predict.yaml``.
        sources: video or camera by name.
        output: folder of the results.
        several: one that cannot be read does not stop the others, and there is a summary.csv.

    Raises:
        DataError: a single source that cannot be read.
        KeyboardInterrupt: Ctrl-C or SIGTERM, once what was seen until then is written; one that ends a camera is none.
        SystemExit: with code 1 if some of several sources could not be read.
    """
    from lstmzoo.actions.annotate import Outcome, annotate
    from lstmzoo.actions.tables import summary_table, write_summary
    from lstmzoo.io.progress import progress_bar
    from lstmzoo.io.stream import Stream
    from lstmzoo.io.terminal import PlainConsole, print_plain
    from lstmzoo.runs.device import load_model

    model = load_model(config.ckpt_path, config.device)
    outcomes: list[Outcome] = []
    failures: dict[str, str] = {}
    interrupt: KeyboardInterrupt | None = None
    with progress_bar("predicting", len(sources), "videos") if several else nullcontext(lambda step: None) as done:
        for name, source in sources.items():
            table = output / f"{name}_labels.csv"
            picture = None if config.video == "none" else output / f"{name}_predicted.{config.video}"
            try:
                with (
                    Stream(source, max_frames=config.max_frames) as stream,
                    progress_bar(name, stream.total, "frames", show=not several) as advance,
                ):
                    outcome = annotate(model, stream, name, table, picture, stride=config.stride, advance=advance)
                outcomes.append(outcome)
                if outcome.ended_by is not None:
                    interrupt = None if is_usual_end(outcome.ended_by, source) else outcome.ended_by
                    break
            except KeyboardInterrupt as error:
                interrupt = error
                break
            except DataError as error:
                if not several:
                    raise
                failures[name] = str(error)
            done(1)

    if interrupt is not None and not outcomes:
        raise interrupt
    if outcomes:
        PlainConsole().print(summary_table(outcomes))
    if several:
        write_summary(output / "summary.csv", outcomes, failures)
    done_of = f"{len(outcomes)} of {len(sources)} videos done. " if several else ""
    print(f"{done_of}Written to {output}")
    for message in failures.values():
        print_plain(f"lstmzoo: {message}", error=True)
    if interrupt is not None:
        if interrupt is outcomes[-1].ended_by:
            print_plain(f"lstmzoo: {outcomes[-1].name} ends after {outcomes[-1].seconds:.1f} s here", error=True)
        raise interrupt
    if failures:
        sys.exit(1)


def is_usual_end(interrupt: KeyboardInterrupt, source: Path | int) -> bool:
    """Tell whether an interrupt is how one ends a source: a camera, with Ctrl-C."""
    return isinstance(source, int) and not isinstance(interrupt, Terminated)


def find_sources(wanted: str | int, output: Path) -> dict[str, Path | int]:
    """Find what is to be predicted.

    Args:
        wanted: a video file, a folder of frames, a folder that is searched for both with all its subfolders, or the
            index of a camera.
        output: where results go; earlier results that lie there are not taken for videos.

    Returns:
        Source by name; names are unique and, for a folder, keep the subfolders.

    Raises:
        DataError: there is nothing of that name, or no video in the folder.
        LstmzooError: results would be written among the videos of the folder.
    """
    from lstmzoo.io.video import VIDEO_SUFFIXES, is_frame_folder, is_video, local_path, warn_of_others

    if re.fullmatch(r"-?\d+", str(wanted)) and not Path(str(wanted)).exists():
        return {f"camera{int(wanted)}": int(wanted)}
    path = local_path(str(wanted))
    if path.is_file():
        return {path.stem: path}
    if is_frame_folder(path):
        return {path.resolve().name: path}
    if output.resolve() == path.resolve():
        raise LstmzooError(f"output {output} is the folder of the videos itself; choose another output")
    found = [
        file for file in sorted(path.rglob("*")) if output.resolve() not in (*file.resolve().parents, file.resolve())
    ]
    folders = [folder for folder in found if is_frame_folder(folder)]
    others = [file for file in found if file.is_file() and file.parent not in folders and file.name[0] != "."]
    files = [file for file in others if is_video(file)]
    others = [file for file in others if file not in set(files)]
    files += folders
    if not files:
        suffixes = ", ".join(sorted(VIDEO_SUFFIXES))
        raise DataError(
            f"there is no video in the folder {path}; looked for files that can be decoded, such as {suffixes}, and "
            "for folders of frames"
        )
    warn_of_others(path, others)
    names = [file.relative_to(path).with_suffix("").as_posix() for file in files]
    # Two files that differ only in their suffix keep it.
    unique = [
        name if names.count(name) == 1 else file.relative_to(path).as_posix()
        for name, file in zip(names, files, strict=True)
    ]
    return dict(zip(unique, files, strict=True))
