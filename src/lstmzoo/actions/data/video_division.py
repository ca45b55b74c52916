"""The videos of a folder, with their classes, groups and splits."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from lstmzoo.actions.data.group_splits import assign_groups, named_groups
from lstmzoo.actions.data.labelled_videos import (
    Labelled,
    Lists,
    by_folders,
    by_lists,
    by_split_folders,
    has_split_folders,
)
from lstmzoo.actions.data.segments import LabelledVideo
from lstmzoo.actions.data.video_groups import ALONE, CLASS, TELLING, group_finder, guess_pattern, unfitting
from lstmzoo.errors import DataError, LstmzooError, unknown_choice
from lstmzoo.io.images import natural_key
from lstmzoo.io.split_names import SPLITS, UNIONS
from lstmzoo.io.wording import counted, listed

Kind = Literal["group", "folders", "files"]

KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True)
class Grouping:
    """How videos are put into groups, and groups into splits; see `lstmzoo.data.VideoFolder`."""

    pattern: str | None
    scope: str
    val_groups: Sequence[object] | None
    test_groups: Sequence[object] | None
    val_fraction: float
    test_fraction: float
    seed: int
    guessed: bool = False

    def finder(self) -> Callable[[Path, str], str]:
        """Make the function that finds the group of a video; see `group_finder`."""
        return group_finder(self.pattern, self.scope, guessed=self.guessed)


@dataclass(frozen=True)
class Division:
    """Which videos are in which split."""

    classes: list[str]  # class names, in the order of their labels
    videos: list[LabelledVideo]  # all videos that can be used
    split_of: Mapping[Path, str]  # the split of each video that is in one
    how: str  # how groups and splits were found, in words
    problems: list[str]  # what is missing, left out or doubtful, in words
    missing: int  # how many videos of lists are not there

    def __str__(self) -> str:
        """Say how the splits were found, and which groups are in which."""
        groups = {split: sorted({video.group for video in self.of(split)}, key=natural_key) for split in SPLITS}
        if sum(map(len, groups.values())) >= sum(len(self.of(split)) for split in SPLITS):
            return f"split {self.how}"
        counts = [
            f"{split}: {counted(len(names), 'group')}, {listed(names, 8)}" for split, names in groups.items() if names
        ]
        return f"split {self.how}\n{'; '.join(counts)}"

    def of(self, split: str) -> list[LabelledVideo]:
        """List the videos of a split, or of a union of splits.

        Raises:
            LstmzooError: an unknown split.
        """
        if split not in UNIONS:
            raise LstmzooError(unknown_choice("split", split, UNIONS))
        return [video for video in self.videos if self.split_of.get(video.path) in UNIONS[split]]

    @property
    def too_few_classes(self) -> str:
        """Why a classifier cannot be trained on these videos, in words; empty where it can."""
        if len(self.classes) > 1:
            return ""
        return (
            f"{listed(self.classes)} is the only class, but a classifier needs two or more; add videos of others, or "
            "name a table of the classes with data.class_file=..."
        )

    def absent(self, split: str) -> list[str]:
        """List the classes of which a split has no video."""
        present = {video.label for video in self.of(split)}
        return [name for label, name in enumerate(self.classes) if label not in present]


def divide(
    root: Path, splits: str | None, classes: Sequence[object] | None, lists: Lists | None, grouping: Grouping
) -> Division:
    """Find the videos of a folder, their classes and splits; see `lstmzoo.data.VideoFolder`.

    Raises:
        DataError: no videos, an empty class, a class with too few groups, or a broken list.
        LstmzooError: an unknown option, class or group, or a group pattern that does not fit.
    """
    if splits is not None and splits not in KINDS:
        raise LstmzooError(unknown_choice("data.splits", splits, KINDS))
    if splits == "files" and lists is None:
        raise LstmzooError("data.splits=files needs data.split_dir=..., the folder of train.txt, val.txt and test.txt")
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; it should hold one folder of videos per class")
    wanted = None if classes is None else [str(name) for name in classes]
    if lists is not None:
        found = by_lists(root, lists, wanted)
    elif splits == "folders" or (splits is None and has_split_folders(root)):
        found = by_split_folders(root, wanted)
    else:
        found = by_folders(root, wanted)
    given = {video.path: video.split for video in found.videos if video.split is not None}
    if splits == "group" or (splits is None and not given):
        return _assign(found, grouping)
    if not given:
        raise DataError(f"data.splits={splits}: neither folders nor lists say which videos are in which split")
    division = _division(found, grouping, given, "as folders or lists say")
    _note_absent_classes(division)
    return division


def _assign(found: Labelled, grouping: Grouping) -> Division:
    """Assign groups to splits; the file names say which groups there are, or seem to."""
    if grouping.pattern is not None:
        division = _assigned(found, grouping, f"by group, data.group_pattern='{grouping.pattern}'")
        _refuse_absent_classes(division)
        return division
    pattern = guess_pattern([(video.path, video.name) for video in found.videos])
    if pattern is None:
        division = _assigned(found, grouping, "by video, each in its own group")
        division.problems.append(
            "every video is taken for its own person and place, because the file names do not show which belong "
            "together; if videos share one, a test on them means little: say which part of the names identifies "
            f"it, e.g. data.group_pattern='_(\\d+)_\\d+\\.', or data.group_pattern='{ALONE}' if they share none"
        )
    else:
        division = _by_guess(found, replace(grouping, pattern=pattern, guessed=True))
        division.problems.extend(_doubts(division, pattern))
    _refuse_absent_classes(division)
    return division


def _doubts(division: Division, pattern: str) -> Iterator[str]:
    """Point out where a guess may be wrong."""
    named = [(video.path, division.classes[video.label]) for video in division.videos]
    others = unfitting(pattern, named)
    if others:
        yield (
            f"{counted(len(others), 'file name')} without data.group_pattern='{pattern}', which the others suggest; "
            f"each is its own group: {listed(path.name for path in others)}"
        )
    find = group_finder(pattern, "global", guessed=True)
    pairs = {(find(path, name), name) for path, name in named}
    if pattern not in TELLING and len(division.classes) > 1 and len(pairs) == len({group for group, _ in pairs}):
        yield (
            f"no group that data.group_pattern='{pattern}' finds is in two classes; if a person or place is, say "
            f"which part of the file names identifies it ({CLASS} stands for the name of the class), or videos of one "
            "may be both trained on and tested on"
        )


def _by_guess(found: Labelled, grouping: Grouping) -> Division:
    """Assign guessed groups: to three splits if there are enough of them, else to two."""
    how = (
        f"by group, assuming from the file names data.group_pattern='{grouping.pattern}' "
        f"(data.group_pattern='{ALONE}' says that every video shows another person and place)"
    )
    try:
        return _assigned(found, grouping, how)
    except DataError as error:
        if grouping.val_groups is not None or not grouping.val_fraction:
            raise
        reason = str(error).partition(";")[0]
    without = replace(grouping, val_fraction=0)
    try:
        division = _assigned(found, without, how)
    except DataError:
        division = _assigned(found, replace(without, scope="class"), f"{how}, and data.group_scope=class")
    division.problems.append(f"there is no validation split: {reason}")
    return division


def _assigned(found: Labelled, grouping: Grouping, how: str) -> Division:
    group = grouping.finder()
    groups: dict[str, set[str]] = {}
    for video in found.videos:
        groups.setdefault(group(video.path, video.name), set()).add(video.name)

    def wanted(split: str, names: Sequence[object] | None, share: float) -> float | set[str]:
        return float(share) if names is None else named_groups(groups, split, names)

    val = wanted("val", grouping.val_groups, grouping.val_fraction)
    test = wanted("test", grouping.test_groups, grouping.test_fraction)
    assigned = assign_groups(groups, val=val, test=test, seed=grouping.seed)
    split_of = {video.path: assigned[group(video.path, video.name)] for video in found.videos}
    return _division(found, grouping, split_of, how)


def _division(found: Labelled, grouping: Grouping, split_of: Mapping[Path, str], how: str) -> Division:
    group = grouping.finder()
    labels = {name: label for label, name in enumerate(found.classes)}
    videos = [LabelledVideo(path, labels[name], group(path, name)) for path, name, _ in found.videos]
    return Division(found.classes, videos, split_of, how, list(found.problems), found.missing)


def _refuse_absent_classes(division: Division) -> None:
    """Refuse groups that leave a class out of training."""
    absent = division.absent("train")
    if absent:
        raise DataError(f"no video of class {listed(absent)} is in the train split; it could not be learned")
    _note_absent_classes(division)


def _note_absent_classes(division: Division) -> None:
    """Note which classes are missing from a split that is not empty."""
    for split in SPLITS:
        absent = division.absent(split)
        if absent and (division.of(split) or split == "train"):
            division.problems.append(f"no video of class {listed(absent)} is in the {split} split")
