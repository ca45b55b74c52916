"""Whether a folder of videos can be trained on: what decodes, in which groups and splits it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstmzoo.actions.data.video_division import Division, divide
from lstmzoo.actions.data.video_groups import ALONE, group_finder, guess_pattern
from lstmzoo.errors import DataError
from lstmzoo.io.video import count_all, frame_rates

SAME_RATE = 1.02
"""Frame rates that differ less are taken for the same: 29.97 and 30."""


@dataclass(frozen=True)
class VideoFolderReport:
    """What `check` found.

    Attributes:
        root: the folder.
        division: the videos, their classes, groups and splits.
        frames: frames of each video that decodes.
        undecodable: the reasons why others do not.
        rates: how many videos there are of each frame rate, in frames per second.
        shared_groups: where lists or folders give the splits: groups of which videos are trained on and tested on.
        obstacle: why the videos cannot be divided into splits; empty where they can.
    """

    root: Path
    division: Division
    frames: dict[Path, int]
    undecodable: list[str]
    rates: dict[float, int]
    shared_groups: list[str]
    obstacle: str

    @property
    def mixed_rates(self) -> bool:
        """Whether frame rates differ by more than can be overlooked."""
        return bool(self.rates) and max(self.rates) > SAME_RATE * min(self.rates)

    @property
    def complete(self) -> bool:
        """Whether every video is there and decodes, and every class can be trained on and measured."""
        lacking = self.division.absent("train") or not (self.division.of("test") or self.division.of("val"))
        failed = self.undecodable or self.obstacle or self.division.missing
        return not (failed or lacking or self.division.too_few_classes)


def check(root: Path, *, progress: bool = True, **options: Any) -> VideoFolderReport:
    """Find the videos of a folder and decode each of them once.

    Args:
        root: the folder.
        progress: show a progress bar.
        **options: further arguments of `lstmzoo.actions.data.video_division.divide`.

    Raises:
        DataError: no such folder, no videos in it, or a broken list.
        LstmzooError: an option that is unknown or does not fit.
    """
    obstacle = ""
    try:
        division = divide(root, **options)
    except DataError as error:
        obstacle = str(error)  # where it lies in the dealing, there is still something to count
        alone = {"splits": "group", "group_pattern": ALONE, "group_scope": "class"}
        division = divide(root, **{**options, **alone, "val_groups": (), "test_groups": ()})
    paths = [video.path for video in division.videos]
    frames, failed = count_all(paths, progress=progress)
    rates = frame_rates([path for path in frames if path.is_file()])
    return VideoFolderReport(
        root=root,
        division=division,
        frames=frames,
        undecodable=list(failed.values()),
        rates=dict(sorted(Counter(round(rate, 2) for rate in rates.values()).items())),
        shared_groups=_shared_groups(division, options.get("group_pattern")),
        obstacle=obstacle,
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
