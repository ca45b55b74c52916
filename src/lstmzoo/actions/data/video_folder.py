"""Your own videos, and data sets of other people: classes, splits and clips."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

from lstmzoo.actions.data.clip_dataset import ClipDataset, Segment
from lstmzoo.actions.data.video_division import LabelledVideo, divide
from lstmzoo.errors import DataError, DataWarning
from lstmzoo.io.augment import Augment
from lstmzoo.io.cache import FrameCache, default_cache_dir
from lstmzoo.io.clips import ClipSampler
from lstmzoo.io.wording import counted, listed


class VideoFolder(ClipDataset):
    """Whole videos, one label per video, as clips.

    A video is a file, or a folder of frames. Videos lie in ``root/<class>/<video>``, in
    ``root/<split>/<class>/<video>``, or anywhere in `root`, where lists tell their classes. They are divided into
    train, val and test in one of three ways; by default the one that the arguments and folders suggest.

    ``splits="group"``
        By group: the person, scene or recording that the file name tells. `group_pattern` is a regular expression
        whose one group ``(...)`` finds it, e.g. ``_g(\\d+)_c\\d+$`` or ``_(\\d+)_\\d+\\.avi$``, searched in the file
        name; ``<class>`` in it stands for the name of the class. Without one it is guessed from the names; where
        nothing in them looks like it, every video is its own group, and a `DataWarning` says so. Groups are named for a
        split (`val_groups`, `test_groups`), or dealt at random by share (`val_fraction`, `test_fraction`); the rest is
        trained on. A group is never in two splits.
    ``splits="folders"``
        By the folders above the classes: train, val (valid, validate, validation, dev) and test.
    ``splits="files"``
        By lists: ``train.txt``, ``val.txt``, ``test.txt`` or the like in `split_dir`, see
        `lstmzoo.actions.data.split_lists.find_lists`, or the column ``split`` of `label_file`.

    Attributes:
        division: all videos of the folder with their classes, groups and splits, and how they were found.

    Args:
        root: the folder.
        split: train, val, test, trainval (both) or all.
        splits: group, folders, files, or None.
        group_pattern: regular expression with one group, searched in file names.
        group_scope: global: the same name is the same group in all classes; class: it is another group in each class,
            called ``<class>/<name>``, as in sets where recordings are numbered from 1 in every class.
        val_groups: groups to validate on; None to deal them.
        test_groups: groups to test on; None to deal them.
        val_fraction: share of the groups dealt to validation, where `val_groups` is None; 0 for none.
        test_fraction: share of the groups dealt to test, where `test_groups` is None; 0 for none.
        split_seed: seed of the dealing; apart from `seed`, so that training again with another seed tests the same.
        split_dir: folder of the lists that say which video is in which split, and may say its class.
        label_file: a list that says the class of each video, and may say its split.
        class_file: a table of the class names that numbers in lists stand for.
        classes: class names in the order of their labels, to leave others out; by default all.
        fold: which of several lists for a split is taken, where they are numbered.
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
        DataError: no videos, an empty class, a class with too few groups, a broken list, nothing that decodes, or one
            class alone to train on.
        LstmzooError: an unknown split, class or group, or a group pattern that does not fit.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        *,
        splits: str | None = None,
        group_pattern: str | None = None,
        group_scope: str = "global",
        val_groups: Sequence[object] | None = None,
        test_groups: Sequence[object] | None = None,
        val_fraction: float = 0.2,
        test_fraction: float = 0.2,
        split_seed: int = 0,
        split_dir: str | os.PathLike[str] | None = None,
        label_file: str | os.PathLike[str] | None = None,
        class_file: str | os.PathLike[str] | None = None,
        classes: Sequence[object] | None = None,
        fold: int = 1,
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
        self.division = divide(
            self.root,
            splits=splits,
            group_pattern=group_pattern,
            group_scope=group_scope,
            val_groups=val_groups,
            test_groups=test_groups,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            split_seed=split_seed,
            split_dir=split_dir,
            label_file=label_file,
            class_file=class_file,
            classes=classes,
            fold=fold,
        )
        if split in ("train", "trainval") and self.division.too_few_classes:
            raise DataError(f"{self.root} cannot be trained on: {self.division.too_few_classes}")
        videos = self.division.of(split)
        for problem in self.division.problems:
            warnings.warn(problem, DataWarning, stacklevel=2)
        cache = FrameCache(cache_dir or default_cache_dir(self.root), size=size, grey=grey)
        segments = _segments(videos, cache, progress)
        train = split == "train" if train is None else train
        super().__init__(
            segments, self.division.classes, cache, sampler, train=train, seed=seed, augment=augment, fps=fps
        )


def _segments(videos: Sequence[LabelledVideo], cache: FrameCache, progress: bool) -> list[Segment]:
    """Decode videos; each becomes one segment."""
    failed = cache.build([video.path for video in videos], progress=progress)
    if failed:
        message = f"{len(failed)} of {counted(len(videos), 'video')} left out: {listed(failed.values())}"
        if len(failed) == len(videos):
            raise DataError(message)
        warnings.warn(message, DataWarning, stacklevel=3)
    return [
        Segment(path, 0, cache.count(path), label, f"{path.parent.name}/{path.stem}", group)
        for path, label, group in videos
        if path not in failed
    ]
