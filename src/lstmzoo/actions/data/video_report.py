"""What ``lstmzoo data check`` finds out about any data set of videos: what decodes, of which class, in which split."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstmzoo.io.report import Report, Table
from lstmzoo.io.split_names import SPLITS
from lstmzoo.io.video import count_all, frame_rates
from lstmzoo.io.wording import counted, listed

SAME_RATE = 1.02
"""Frame rates that differ by less count as the same: 29.97 and 30."""


@dataclass(frozen=True)
class VideoReport(Report):
    """What a check found."""

    root: Path
    classes: list[str]  # class names, in the order of the labels
    labels: dict[Path, int]  # the label of each video
    splits: dict[str, set[Path]]  # the videos of each split
    frames: dict[Path, int]  # frames of each video that decodes
    undecodable: list[str]  # the reasons why others do not
    rates: dict[float, int]  # how many videos there are of each frame rate, in frames per second
    problems: list[str]  # what is missing or left out, in words

    @property
    def mixed_rates(self) -> bool:
        """Whether frame rates differ by more than can be overlooked."""
        return bool(self.rates) and max(self.rates) > SAME_RATE * min(self.rates)

    @property
    def complete(self) -> bool:
        """Whether every video decodes, and every one of two or more classes can be trained on and measured."""
        trained = {self.labels[path] for path in self.splits["train"]}
        measured = self.splits["test"] or self.splits["val"]
        return not self.undecodable and len(trained) == len(self.classes) > 1 and bool(measured)

    def table(self) -> Table:
        heads = ("class", "videos", "frames", "shortest", "longest", *SPLITS)
        return Table(f"Videos in {self.root}", heads, [self._row(label) for label in range(len(self.classes))])

    def _row(self, label: int) -> list[object]:
        paths = {path for path, its in self.labels.items() if its == label}
        frames = [self.frames[path] for path in paths if path in self.frames]
        parts = [len(paths & self.splits[split]) for split in SPLITS]
        lengths = sum(frames), min(frames, default=0), max(frames, default=0)
        return [self.classes[label], len(paths), *lengths, *parts]

    def remarks(self) -> Iterator[str]:
        rates = [f"{rate:g} ({counted(number, 'video')})" for rate, number in self.rates.items()]
        if self.mixed_rates:
            yield f"Mixed frame rates: {listed(rates)}. Clips show the same span of time, but see less of slow ones"
        elif rates:
            yield f"Frame rate: {listed(rates)}"
        yield from self.findings()
        yield "Complete." if self.complete else "Not complete."

    def findings(self) -> Iterator[str]:
        """Yield what is special about this data set, one sentence each."""
        yield from (f"Note: {problem}" for problem in self.problems)
        yield from (f"Cannot be used: {reason}" for reason in self.undecodable)
        if not self.splits["test"]:
            yield "There is no test split: train with test_after_fit=false."

    def as_dict(self) -> dict[str, Any]:
        table = self.table()
        return {
            "root": str(self.root),
            "complete": self.complete,
            "classes": {str(name): dict(zip(table.heads[1:], row, strict=True)) for name, *row in table.rows},
            "rates": self.rates,
            "undecodable": self.undecodable,
            "problems": self.problems,
        }


def count_videos(labels: Mapping[Path, int]) -> tuple[dict[Path, int], list[str], dict[float, int]]:
    """Decode videos to count their frames.

    Returns:
        `frames`, `undecodable` and `rates` of a `VideoReport`.
    """
    frames, failed = count_all(list(labels))
    rates = frame_rates([path for path in frames if path.is_file()])
    counts = Counter(round(rate, 2) for rate in rates.values())
    return frames, list(failed.values()), dict(sorted(counts.items()))


def report_on(
    root: Path,
    classes: Sequence[str],
    splits: Mapping[str, Mapping[Path, int]],
    problems: Sequence[str],
) -> VideoReport:
    """Make the report on videos, by decoding each of them once."""
    labels = {path: label for videos in splits.values() for path, label in videos.items()}
    parts = {split: set(videos) for split, videos in splits.items()}
    return VideoReport(root, list(classes), labels, parts, *count_videos(labels), list(problems))
