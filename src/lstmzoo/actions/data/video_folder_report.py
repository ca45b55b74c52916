"""Whether a folder of videos can be trained on: what decodes, and the groups and splits it is in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstmzoo.actions.data.video_division import Division
from lstmzoo.actions.data.video_groups import group_finder, guess_pattern
from lstmzoo.actions.data.video_report import VideoReport, count_videos
from lstmzoo.io.split_names import SPLITS
from lstmzoo.io.wording import listed


@dataclass(frozen=True)
class VideoFolderReport(VideoReport):
    """What a check found."""

    division: Division  # the videos, their classes, groups and splits
    # where lists or folders give the splits: groups of which videos are trained on and tested on
    shared_groups: list[str]
    split_error: str  # why the videos cannot be divided into splits; empty where they can

    @property
    def complete(self) -> bool:
        return super().complete and not (self.split_error or self.division.missing)

    def findings(self) -> Iterator[str]:
        if not self.split_error:
            yield str(self.division).replace("split ", "Split ", 1)
        yield from (f"Note: {problem}" for problem in self.problems)
        if self.shared_groups and not self.split_error:
            yield (
                f"Note: by their names, videos of one person or place are both trained on and tested on: "
                f"{listed(self.shared_groups)}"
            )
        yield from (f"Cannot be used: {reason}" for reason in self.undecodable)
        if self.division.too_few_classes:
            yield f"Cannot be trained on: {self.division.too_few_classes}"
        if self.split_error:
            yield f"Cannot be split: {self.split_error}"
        elif not self.splits["test"]:
            yield "There is no test split: train with test_after_fit=false."

    def as_dict(self) -> dict[str, Any]:
        groups = {
            "shared_groups": self.shared_groups,
            "missing": self.division.missing,
            "split_error": self.split_error,
        }
        return {**super().as_dict(), "division": str(self.division), **groups}


def report_on_folder(
    root: Path, division: Division, split_error: str, pattern: str | None, *, progress: bool = True
) -> VideoFolderReport:
    """Make the report on a folder, by decoding each of its videos once.

    Args:
        root: the folder.
        division: its videos.
        split_error: why they cannot be divided into splits; empty where they can.
        pattern: the pattern of groups that was asked for.
        progress: show a progress bar.
    """
    labels = {video.path: video.label for video in division.videos}
    splits = {split: {video.path for video in division.of(split)} for split in SPLITS}
    counts = count_videos(labels, progress=progress)
    shared = _shared_groups(division, pattern)
    return VideoFolderReport(
        root, division.classes, labels, splits, *counts, division.problems, division, shared, split_error
    )


def _shared_groups(division: Division, pattern: str | None) -> list[str]:
    """The groups, given or guessed from file names, that are trained on and tested on, too."""
    named = [(video.path, division.classes[video.label]) for video in division.videos]
    guess = pattern or guess_pattern(named)
    if guess is None:
        return []
    group = group_finder(guess, "class", guessed=pattern is None)
    splits: dict[str, set[str | None]] = {}
    for path, name in named:
        splits.setdefault(group(path, name), set()).add(division.split_of.get(path))
    return sorted(found for found, of in splits.items() if "train" in of and of & {"val", "test"})
