"""Your own videos, and public data sets: classes, splits and clips."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstmzoo.actions.data.clip_dataset import ClipDataset
from lstmzoo.actions.data.labelled_videos import Lists
from lstmzoo.actions.data.pattern_cost import is_quick
from lstmzoo.actions.data.segments import LabelledVideo
from lstmzoo.actions.data.video_division import Division, Grouping, Kind, divide
from lstmzoo.actions.data.video_groups import ALONE, LIKELY, TELLING, Scope, group_finder, guess_pattern
from lstmzoo.actions.data.video_report import VideoReport, count_videos
from lstmzoo.errors import DataError
from lstmzoo.io.split_names import SPLITS
from lstmzoo.io.wording import listed
from lstmzoo.registry import register_dataset


@register_dataset("video_folder", "recognition")
class VideoFolder(ClipDataset):
    """Your own videos, or public data sets: a folder per class, or lists.

    A video is a file, or a folder of frames. Videos lie in ``root/<class>/<video>``, in
    ``root/<split>/<class>/<video>``, or anywhere in `root`, where lists give their classes. They are divided into
    train, val and test in one of three ways; by default the one that the arguments and folders suggest.

    ``splits="group"``
        By group: the person, scene or recording that the file name identifies. `group_pattern` is a regular expression
        whose one group ``(...)`` finds it, e.g. ``_g(\\d+)_c\\d+$`` or ``_(\\d+)_\\d+\\.avi$``, searched in the file
        name; ``<class>`` in it stands for the name of the class. Without one it is guessed from the names; where
        nothing in them looks like it, every video is its own group, and a `DataWarning` says so. Groups are chosen for
        a split (`val_groups`, `test_groups`), or drawn at random by share (`val_fraction`, `test_fraction`); the rest
        is trained on. A group is never in two splits.
    ``splits="folders"``
        By the folders above the classes: train, val (valid, validate, validation, dev) and test.
    ``splits="files"``
        By lists: ``train.txt``, ``val.txt``, ``test.txt`` or the like in `split_dir`, see
        `lstmzoo.actions.data.split_lists.find_lists`, or the column ``split`` of `label_file`.

    Attributes:
        division: all videos of the folder with their classes, groups and splits, and how they were found.

    Args:
        root: the folder: root/<class>/<video>, root/<split>/<class>/<video>, or any with lists.
        split: train, val, test, trainval (both) or all.
        splits: group, folders (root/train, ...) or files (lists); null: what folders and lists suggest.
        split_dir: folder of lists: train.txt, val.txt, test.txt or the like; "path", "path label" or "index label
            path" a line.
        label_file: list of the class of each video, and perhaps its split (csv with the columns path, label, split).
        class_file: table of the class names that numbers in lists stand for: "0 Jump" a line, or JSON.
        fold: of numbered lists, which: trainlist01.txt (UCF101), <class>_test_split1.txt (HMDB51).
        classes: class names in the order of their labels, e.g. [run,walk], to leave others out; null: all.
        group_pattern: regular expression with one (group), searched in file names: _g(\\d+)_, ^<class>_(\\w+)_; null:
            guessed.
        group_scope: global: the same name is the same group in all classes; class: it is another group in each class,
            called <class>/<name>, as in sets where recordings are numbered from 1 in every class.
        val_groups: groups to validate on, e.g. [g01,g02]; null: drawn at random.
        test_groups: groups to test on; null: drawn at random.
        val_fraction: share of the groups drawn for validation; 0 for none.
        test_fraction: share of the groups drawn for the test; 0 for none.
        split_seed: seed of that draw; independent of the seed of training, so that training again with another seed
            tests the same.
        **settings: those of `ClipDataset`.

    Raises:
        DataError: no videos, an empty class, a class with too few groups, a broken list, nothing that decodes, or only
            one class to train on.
        LstmzooError: an unknown split, class or group, or a group pattern that does not fit.
    """

    @staticmethod
    def trusts(key: str, text: str) -> bool | None:
        """Whether a setting may be taken from a checkpoint of anyone; None: it is like any other.

        A regular expression could take for ever: it is one that is guessed here anyway, or quick on any name.
        """
        return text in (ALONE, *TELLING, *LIKELY) or is_quick(text) if key == "group_pattern" else None

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        splits: Kind | None = None,
        split_dir: str | Path | None = None,
        label_file: str | Path | None = None,
        class_file: str | Path | None = None,
        fold: int = 1,
        classes: Sequence[object] | None = None,
        group_pattern: str | None = None,
        group_scope: Scope = "global",
        val_groups: Sequence[object] | None = None,
        test_groups: Sequence[object] | None = None,
        val_fraction: float = 0.2,
        test_fraction: float = 0.2,
        split_seed: int = 0,
        **settings: Any,
    ) -> None:
        lists = None
        if split_dir is not None or label_file is not None:
            lists = Lists(_path(split_dir), _path(label_file), _path(class_file), fold)
        grouping = Grouping(
            group_pattern, group_scope, val_groups, test_groups, val_fraction, test_fraction, split_seed
        )
        self.division = divide(Path(root), splits, classes, lists, grouping)
        self.classes = self.division.classes
        super().__init__(root, split, **settings)

    def find_videos(self, split: str) -> Sequence[LabelledVideo]:
        if split in ("train", "trainval") and self.division.too_few_classes:
            raise DataError(f"{self.root} cannot be trained on: {self.division.too_few_classes}")
        self.problems += self.division.problems
        return self.division.of(split)

    @property
    def about(self) -> str:
        return str(self.division)

    @classmethod
    def check(cls, root: str | Path, **settings: Any) -> "VideoFolderReport":
        """Count your own videos; show frame rates, groups and splits.

        Args:
            root: the folder.
            **settings: those of the data set that say which video is of which class, and in which split.
        """
        split_error = ""
        try:
            division = cls(root, "all", decode=False, **settings).division
        except DataError as error:
            split_error = str(error)  # there may still be something to count
            alone: dict[str, Any] = {"splits": "group", "group_pattern": ALONE, "group_scope": "class"}
            alone |= {"val_groups": (), "test_groups": ()}
            division = cls(root, "all", decode=False, **settings | alone).division
        return report_on_folder(Path(root), division, split_error, settings.get("group_pattern"))


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


def report_on_folder(root: Path, division: Division, split_error: str, pattern: str | None) -> VideoFolderReport:
    """Make the report on a folder, by decoding each of its videos once."""
    labels = {video.path: video.label for video in division.videos}
    splits = {split: {video.path for video in division.of(split)} for split in SPLITS}
    counts = count_videos(labels)
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


def _path(value: str | Path | None) -> Path | None:
    return None if value is None else Path(value)
