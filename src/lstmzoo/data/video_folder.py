"""One's own videos: a folder per class."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lstmzoo.data.augment import Augment
from lstmzoo.data.cache import FrameCache, default_cache_dir
from lstmzoo.data.clip_dataset import ClipDataset, Segment
from lstmzoo.data.clips import ClipSampler
from lstmzoo.data.group_splits import SPLITS, deal_groups, named_groups
from lstmzoo.data.split_lists import read_split_lists
from lstmzoo.data.video import VIDEO_SUFFIXES, count_all, is_video
from lstmzoo.data.wording import listed
from lstmzoo.errors import DataError, DataWarning, LstmzooError, unknown_choice


class LabelledVideo(NamedTuple):
    """A video file and what its place says about it."""

    path: Path
    label: int
    group: str


class VideoFolder(ClipDataset):
    """Whole videos in ``root/<class>/<video>``, one label per video, as clips.

    Videos are divided into train, val and test in one of two ways.

    ``splits="group"``
        By group: the person, scene or recording that the file name tells. `group_pattern` is a regular expression
        whose one group ``(...)`` finds it, e.g. ``_g(\\d+)_c\\d+$`` or ``_(\\d+)_\\d+\\.avi$``, searched in the file
        name. Without a pattern every video is its own group. Groups are named for a split (`val_groups`,
        `test_groups`), or dealt at random by share (`val_fraction`, `test_fraction`); the rest is trained on. A group
        is never in two splits.
    ``splits="files"``
        By lists: ``train.txt``, ``val.txt`` and ``test.txt`` in `split_dir`, see `lstmzoo.data.split_lists`.

    Args:
        root: folder of the class folders.
        split: train, val, test, trainval (both) or all.
        splits: group or files.
        group_pattern: regular expression with one group, searched in file names.
        group_scope: global: the same name is the same group in all classes; class: it is another group in each class,
            called ``<class>/<name>``, as in sets where recordings are numbered anew for every class.
        val_groups: groups to validate on; None to deal them.
        test_groups: groups to test on; None to deal them.
        val_fraction: share of the groups dealt to validation, where `val_groups` is None; 0 for none.
        test_fraction: share of the groups dealt to test, where `test_groups` is None; 0 for none.
        split_seed: seed of the dealing; apart from `seed`, so that training again with another seed tests the same.
        split_dir: folder of the lists.
        classes: class names in the order of their labels; by default all folders, by name.
        clip_len: frames per clip (T).
        frame_interval: distance of neighbouring frames of a clip, in frames of a video at `fps`.
        num_clips: clips per video.
        size: (height, width) of the frames, in pixels.
        grey: luminance only (C = 1), else RGB (C = 3).
        train: random clips instead of evenly spaced ones; by default for ``split="train"``.
        seed: seed of the random clips and views.
        augment: random views of the training clips; None for none.
        fps: frames per second that `frame_interval` is meant for; None for the rate of most of the split's videos.
        cache_dir: folder of the decoded frames; by default ``root/.lstmzoo_cache``.
        progress: show a progress bar while videos are decoded.

    Raises:
        DataError: no videos, an empty class, a class with too few groups, a broken list, or nothing that decodes.
        LstmzooError: an unknown split, class or group, or a group pattern that does not fit.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        *,
        splits: str = "group",
        group_pattern: str | None = None,
        group_scope: str = "global",
        val_groups: Sequence[object] | None = None,
        test_groups: Sequence[object] | None = None,
        val_fraction: float = 0.2,
        test_fraction: float = 0.2,
        split_seed: int = 0,
        split_dir: str | os.PathLike[str] | None = None,
        classes: Sequence[str] | None = None,
        clip_len: int = 16,
        frame_interval: int = 2,
        num_clips: int = 1,
        size: tuple[int, int] = (64, 64),
        grey: bool = True,
        train: bool | None = None,
        seed: int = 0,
        augment: Augment | None = Augment(),  # noqa: B008 (frozen)
        fps: float | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        progress: bool = True,
    ) -> None:
        self.root = Path(root)
        self.split = split
        sampler = ClipSampler(clip_len, frame_interval, num_clips)
        chosen = _splits_of(split)
        lists = Path(split_dir) if split_dir is not None else None
        names, videos = find_labelled(self.root, classes, group_pattern, group_scope, skip=lists)
        if splits == "files":
            if lists is None:
                raise LstmzooError("splits=files needs split_dir=..., the folder of train.txt, val.txt and test.txt")
            split_of = read_split_lists(lists, self.root, [video.path for video in videos], names)
        elif splits == "group":
            split_of = _split_by_group(
                videos,
                names,
                val=val_fraction if val_groups is None else val_groups,
                test=test_fraction if test_groups is None else test_groups,
                seed=split_seed,
            )
        else:
            raise LstmzooError(unknown_choice("splits", splits, ("group", "files")))
        _warn_of_absent_classes(videos, names, split_of)
        cache = FrameCache(cache_dir or default_cache_dir(self.root), size=size, grey=grey)
        segments = _segments([video for video in videos if split_of.get(video.path) in chosen], cache, progress)
        train = split == "train" if train is None else train
        super().__init__(segments, names, cache, sampler, train=train, seed=seed, augment=augment, fps=fps)


def find_labelled(
    root: Path,
    classes: Sequence[str] | None = None,
    group_pattern: str | None = None,
    group_scope: str = "global",
    *,
    skip: Path | None = None,
) -> tuple[list[str], list[LabelledVideo]]:
    """Find the classes of a folder and their videos.

    Args:
        root: folder of the class folders.
        classes: class names in the order of their labels; None for all folders that are not hidden, by name.
        group_pattern: see `VideoFolder`.
        group_scope: see `VideoFolder`.
        skip: a folder in `root` that is not a class.

    Returns:
        The class names, and the videos by class and name.

    Raises:
        DataError: no such folder, no classes in it, or a class without videos.
        LstmzooError: a class that is not there, or a pattern that does not fit.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; it should hold one folder of videos per class")
    folders = sorted(child.name for child in root.iterdir() if child.is_dir() and child.name[0] not in "._")
    if skip is not None and skip.resolve().parent == root.resolve():
        folders = [name for name in folders if name != skip.resolve().name]
    if not folders:
        raise DataError(f"{root} holds no class folders; videos belong into {root}/<class>/<video>.avi")
    names = list(folders if classes is None else classes)
    for name in names:
        if name not in folders:
            raise LstmzooError(f"{root}: {unknown_choice('class', name, folders)}")
    group_of = _group_finder(group_pattern, group_scope)
    videos = []
    for label, name in enumerate(names):
        paths = _videos_in(root / name)
        videos += [LabelledVideo(path, label, group_of(path)) for path in paths]
    return names, videos


def count_videos(root: Path, *, progress: bool = True) -> tuple[dict[str, list[int]], list[str]]:
    """Count what is in a folder of class folders by decoding every video once.

    Args:
        root: folder of the class folders.
        progress: show a progress bar.

    Returns:
        For each class the number of frames of its videos, and the reasons why others cannot be decoded.

    Raises:
        DataError: no such folder, no classes in it, or a class without videos.
    """
    names, videos = find_labelled(root)
    frames, failed = count_all([found.path for found in videos], progress=progress)
    per_class = {
        name: [frames[found.path] for found in videos if found.label == label and found.path in frames]
        for label, name in enumerate(names)
    }
    return per_class, list(failed.values())


def _group_finder(pattern: str | None, scope: str) -> Callable[[Path], str]:
    """Make the function that finds a video's group."""
    if scope not in ("global", "class"):
        raise LstmzooError(unknown_choice("group_scope", scope, ("global", "class")))
    if pattern is None:
        return lambda path: f"{path.parent.name}/{path.name}"
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise LstmzooError(f"group_pattern {pattern!r} is not a regular expression: {error}") from error
    if expression.groups != 1:
        raise LstmzooError(
            f"group_pattern {pattern!r} must have one group (...), the part of the file name that tells the group; "
            f"it has {expression.groups}"
        )

    def group(path: Path) -> str:
        match = expression.search(path.name)
        if match is None or match[1] is None:
            raise LstmzooError(f"group_pattern {pattern!r} is not found in the file name {path.name!r} ({path})")
        return f"{path.parent.name}/{match[1]}" if scope == "class" else str(match[1])

    return group


def _videos_in(folder: Path) -> list[Path]:
    visible = [path for path in sorted(folder.iterdir()) if path.name[0] != "."]
    paths = [path for path in visible if path.is_file() and is_video(path)]
    if not paths:
        raise DataError(
            f"class folder {folder} holds no videos (files ending in {', '.join(sorted(VIDEO_SUFFIXES))}); add some, "
            "remove the folder, or name the classes to use with classes=[...]"
        )
    others = [path.name for path in visible if path not in set(paths)]
    if others:
        warnings.warn(f"{folder}: not videos, left out: {listed(others)}", DataWarning, stacklevel=4)
    return paths


def _splits_of(split: str) -> tuple[str, ...]:
    unions = {"train": ("train",), "val": ("val",), "test": ("test",), "trainval": ("train", "val"), "all": SPLITS}
    if split not in unions:
        raise LstmzooError(unknown_choice("split", split, unions))
    return unions[split]


def _split_by_group(
    videos: Sequence[LabelledVideo],
    names: Sequence[str],
    *,
    val: float | Sequence[object],
    test: float | Sequence[object],
    seed: int,
) -> dict[Path, str]:
    groups: dict[str, set[str]] = {}
    for video in videos:
        groups.setdefault(video.group, set()).add(names[video.label])

    def wish(split: str, value: float | Sequence[object]) -> float | set[str]:
        return float(value) if isinstance(value, (int, float)) else named_groups(groups, split, value)

    dealt = deal_groups(groups, val=wish("val", val), test=wish("test", test), seed=seed)
    return {video.path: dealt[video.group] for video in videos}


def _warn_of_absent_classes(
    videos: Sequence[LabelledVideo], names: Sequence[str], split_of: Mapping[Path, str]
) -> None:
    """Name classes that a split that is not empty lacks; a class that is never trained on is an error."""
    for split in SPLITS:
        present = {video.label for video in videos if split_of.get(video.path) == split}
        absent = [name for label, name in enumerate(names) if label not in present]
        if split == "train" and absent:
            raise DataError(f"no video of class {listed(absent)} is in the train split; it could not be learnt")
        if present and absent:
            warnings.warn(f"no video of class {listed(absent)} is in the {split} split", DataWarning, stacklevel=3)


def _segments(videos: Sequence[LabelledVideo], cache: FrameCache, progress: bool) -> list[Segment]:
    """Decode videos; each becomes one segment."""
    failed = cache.build([video.path for video in videos], progress=progress)
    if failed:
        message = f"{len(failed)} of {len(videos)} videos left out: {listed(failed.values())}"
        if len(failed) == len(videos):
            raise DataError(message)
        warnings.warn(message, DataWarning, stacklevel=3)
    return [
        Segment(path, 0, cache.count(path), label, f"{path.parent.name}/{path.stem}", group)
        for path, label, group in videos
        if path not in failed
    ]
