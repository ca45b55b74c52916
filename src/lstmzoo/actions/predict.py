"""``lstmzoo predict`` for actions: labels over time for videos or a camera, and their summary."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from rich.table import Table

from lstmzoo.actions.annotate import Outcome, annotate
from lstmzoo.actions.presence import LEAST_PRESENCE
from lstmzoo.errors import DataError, LstmzooError, Terminated
from lstmzoo.io.atomic import csv_file
from lstmzoo.io.progress import progress_bar
from lstmzoo.io.terminal import PlainConsole
from lstmzoo.io.video import VIDEO_SUFFIXES, is_frame_folder, is_video, local_path, warn_of_others
from lstmzoo.io.video_stream import Stream
from lstmzoo.training.predictor import Predictor


class VideoInput(NamedTuple):
    """A video file, a folder of frames, or the index of a camera."""

    name: str
    source: Path | int


class ActionPredictor(Predictor[VideoInput, Outcome]):
    """Writes labels over time (CSV) and annotated videos.

    Args:
        stride: frames from one prediction to the next.
        max_frames: stop each video, or the camera, after so many frames; null: all (Ctrl-C ends a camera; what was
            seen is kept).
        least_presence: where something moves against the scene in a smaller share of a clip's frames, the label is
            "nobody", without probabilities; 0: never.
        video: format of the annotated video: mp4, avi or none.

    Raises:
        LstmzooError: an option out of its range.
    """

    noun: ClassVar[str] = "videos"

    def __init__(
        self,
        *,
        stride: int = 4,
        max_frames: int | None = None,
        least_presence: float = LEAST_PRESENCE,
        video: Literal["mp4", "avi", "none"] = "mp4",
    ) -> None:
        for key, value in (("stride", stride), ("max_frames", max_frames)):
            if value is not None and (type(value) is not int or value < 1):
                raise LstmzooError(f"{key} must be a whole number of at least 1, not {value}")
        if not 0 <= least_presence <= 1:
            raise LstmzooError(f"least_presence is a share of the frames, 0 to 1, not {least_presence}")
        self.stride, self.max_frames, self.video = stride, max_frames, video
        self.least_presence = least_presence
        self._summarise = False

    def find(self, wanted: str, output: Path) -> Sequence[VideoInput]:
        """Find a video file, a folder of frames, the videos in a folder and its subfolders, or a camera by its index.

        Names are unique; in a folder they keep the subfolders.
        """
        if re.fullmatch(r"-?\d+", str(wanted)) and not Path(str(wanted)).exists():
            return [VideoInput(f"camera{int(wanted)}", int(wanted))]
        path = local_path(str(wanted))
        if path.is_file():
            return [VideoInput(path.stem, path)]
        if is_frame_folder(path):
            return [VideoInput(path.resolve().name, path)]
        if output.resolve() == path.resolve():
            raise LstmzooError(f"output {output} is the folder of the videos itself; choose another output")
        self._summarise = True
        return _search(path, output)

    def predict(self, item: VideoInput, output: Path, *, alone: bool) -> Outcome:
        annotated = None if self.video == "none" else output / f"{item.name}_predicted.{self.video}"
        table = output / f"{item.name}_labels.csv"
        with (
            Stream(item.source, max_frames=self.max_frames) as stream,
            progress_bar(item.name, stream.total, "frames", show=alone) as advance,
        ):
            outcome = annotate(
                self.model, stream, item.name, table, annotated,
                stride=self.stride, least_presence=self.least_presence, advance=advance,
            )  # fmt: skip
        if isinstance(item.source, int) and not isinstance(outcome.ended_by, Terminated):
            return replace(outcome, ended_by=None)  # Ctrl-C is how a camera usually ends
        return outcome

    def finish(self, outcomes: Sequence[Outcome], failures: Mapping[str, str], output: Path) -> Sequence[str]:
        if outcomes:
            PlainConsole().print(summary_table(outcomes))
        if not self._summarise:
            return []
        write_summary(output / "summary.csv", outcomes, failures)
        return ["summary.csv"]


def summary_table(outcomes: Sequence[Outcome]) -> Table:
    """Return one line per video: overall label, confidence, share of time per label, length and speed."""
    table = Table(title="Predictions", title_justify="left", title_style="bold", header_style="bold")
    table.add_column("video", overflow="fold")
    table.add_column("label", style="bold")
    table.add_column("mean p", justify="right")
    table.add_column("share of the time")
    table.add_column("length", justify="right")
    table.add_column("frames/s", justify="right")
    for outcome in outcomes:
        table.add_row(
            outcome.name,
            outcome.label,
            f"{outcome.confidence:.0%}",
            _shares(outcome.shares),
            f"{outcome.seconds:.1f} s",
            f"{outcome.speed:.0f}",
        )
    return table


def write_summary(path: str | Path, outcomes: Sequence[Outcome], failures: Mapping[str, str]) -> Path:
    """Write one line per video as CSV; a video that could not be read has its error and no label."""
    header = ["video", "label", "confidence", "shares", "frames", "seconds", "error"]
    with csv_file(path, header) as write_row:
        for outcome in outcomes:
            numbers = [f"{outcome.confidence:.4f}", _shares(outcome.shares), outcome.frames, f"{outcome.seconds:.3f}"]
            write_row([outcome.name, outcome.label, *numbers, ""])
        for name, message in failures.items():
            write_row([name, "", "", "", "", "", message])
    return Path(path)


def _shares(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{label} {share:.0%}" for label, share in shares.items())


def _search(path: Path, output: Path) -> list[VideoInput]:
    """Find the videos in a folder, without those that lie in the output."""
    found = [
        file for file in sorted(path.rglob("*")) if output.resolve() not in (*file.resolve().parents, file.resolve())
    ]
    folders = [folder for folder in found if is_frame_folder(folder)]
    others = [file for file in found if file.is_file() and file.parent not in folders and not _is_hidden(file, path)]
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
    return [
        VideoInput(name if names.count(name) == 1 else file.relative_to(path).as_posix(), file)
        for name, file in zip(names, files, strict=True)
    ]


def _is_hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)
