"""The family of data sets of labelled videos: a subclass says which videos there are, and the rest is here."""

import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch.utils.data import Dataset

from lstmzoo.actions.data.segments import LabelledVideo, Segment, segments_of
from lstmzoo.actions.data.video_report import VideoReport, report_on
from lstmzoo.errors import DataError, DataWarning, LstmzooError, unknown_choice
from lstmzoo.io.augment import Augment
from lstmzoo.io.cache import FrameCache, default_cache_dir
from lstmzoo.io.clips import ClipSampler
from lstmzoo.io.split_names import SPLITS, UNIONS
from lstmzoo.io.wording import counted, listed

__all__ = ["ClipDataset", "LabelledVideo"]


class ClipDataset(Dataset[dict[str, Any]], ABC):
    """Clips of the videos of a split.

    A subclass sets `classes` and writes `find_videos`; its constructor keeps its own settings and passes the others on,
    see docs/own_parts.md.

    It has `num_clips` items per segment: item ``i`` is clip ``i % num_clips`` of segment ``i // num_clips``. In
    training the clips lie at random places (and are seen in random views); otherwise they are evenly spaced, always the
    same. What is drawn depends on (seed, epoch, index) and on nothing else, so that any number of workers, and a run
    that was resumed, see the same clips.

    An item is a dictionary:

    - ``"video"``: uint8 (T, C, H, W), T = clip_len
    - ``"label"``: int, index into `classes`
    - ``"index"``: int, the item
    - ``"segment"``: int, index into `segments`

    Frames of a clip are equally far apart in time in videos of any frame rate: `frame_interval` is meant for `fps`.

    Attributes:
        videos: the videos of the split.
        segments: the sequences in them, as far as they decode.
        problems: what is missing or left out, in words.
        fps: frames per second that `frame_interval` is meant for; None where no video tells its rate.

    Args:
        root: folder of the data set.
        split: train, val, test, trainval (both) or all.
        clip_len: frames per clip (T).
        frame_interval: frames of the video from one frame of a clip to the next, at the frame rate of most videos.
        size: height and width that frames are scaled to, in pixels.
        cache_dir: folder of the decoded frames; null: inside root.
        num_clips: clips per sequence.
        grey: luminance only (C = 1), else RGB (C = 3).
        train: random clips instead of evenly spaced ones; by default for ``split="train"``.
        seed: seed of the random clips and views.
        augment: random views of the training clips; None for none.
        fps: frames per second that `frame_interval` is meant for; None for the rate of most of the split's videos.
        decode: decode videos that are not in the cache yet; otherwise `segments` stays empty.

    Raises:
        DataError: there is no such data set, or nothing usable in this split.
        LstmzooError: an unknown split, or a setting out of its range.
    """

    NOT_SETTINGS: ClassVar[tuple[str, ...]] = (
        *("split", "num_clips", "grey", "train", "seed", "augment", "fps", "decode"),
    )
    """Arguments that do not come from a configuration or a command."""

    closed: ClassVar[bool] = False
    """Whether every sequence ends as it begins, so that a training clip may run on from its end to its beginning."""

    subsets: ClassVar[Mapping[str, Sequence[str]]] = {}
    """Classes over which the accuracy is also given together, by a name for them."""

    classes: Sequence[str]
    """Class names, in the order of the labels; a subclass has set them when `find_videos` returns."""

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        clip_len: int = 16,
        frame_interval: int = 2,
        size: tuple[int, int] = (64, 64),
        cache_dir: str | Path | None = None,
        num_clips: int = 1,
        grey: bool = True,
        train: bool | None = None,
        seed: int = 0,
        augment: Augment | None = Augment(),  # noqa: B008 (frozen)
        fps: float | None = None,
        decode: bool = True,
    ) -> None:
        self.root, self.split = Path(root), split
        self.sampler = ClipSampler(clip_len, frame_interval, num_clips, self.closed)
        self.train = split == "train" if train is None else train
        self.seed, self.augment = seed, augment
        if split not in UNIONS:
            raise LstmzooError(unknown_choice("split", split, UNIONS))
        self.problems: list[str] = []
        self.videos = list(self.find_videos(split))
        if not self.videos and not self.root.exists():
            raise DataError(f"{self.root} does not exist; it should be the folder of the data set")
        self.cache = FrameCache(cache_dir or default_cache_dir(self.root), size=size, grey=grey)
        self.segments = self._decode() if decode else []
        self._rates = {path: self.cache.rate(path) for path in dict.fromkeys(s.path for s in self.segments)}
        rates = Counter(rate for segment in self.segments if (rate := self._rates[segment.path]))
        self.fps = fps or (rates.most_common(1)[0][0] if rates else None)

    @abstractmethod
    def find_videos(self, split: str) -> Sequence[LabelledVideo]:
        """Find the videos of a split in `root`, set `classes`, and add to `problems` what is odd.

        Args:
            split: train, val, test, trainval or all.

        Raises:
            DataError: there is no such data set, or it cannot be used.
        """

    @property
    def about(self) -> str:
        """How the splits came about, in words; empty where that goes without saying."""
        return ""

    @classmethod
    def check(cls, root: str | Path, **settings: Any) -> VideoReport:
        """Count what is there, by decoding every video once.

        Args:
            root: folder of the data set.
            **settings: those of the data set that say which videos there are.

        Raises:
            DataError: there is no such data set.
        """
        opened = {split: cls(root, split, decode=False, **settings) for split in SPLITS}
        problems = list(dict.fromkeys(problem for dataset in opened.values() for problem in dataset.problems))
        videos = {split: {one.path: one.label for one in dataset.videos} for split, dataset in opened.items()}
        return report_on(Path(root), opened["train"].classes, videos, problems)

    def __len__(self) -> int:
        return len(self.segments) * self.sampler.num_clips

    def __getitem__(self, index: int | tuple[int, int]) -> dict[str, Any]:
        """Return an item.

        Args:
            index: the item, or (item, epoch); the epoch (0 where it is not given) matters in training only.

        Raises:
            IndexError: there is no such item.
        """
        item, epoch = index if isinstance(index, tuple) else (index, 0)
        if not 0 <= item < len(self):
            raise IndexError(f"item {item} of {len(self)}")
        number, clip = divmod(item, self.sampler.num_clips)
        segment = self.segments[number]
        rng = np.random.default_rng([self.seed, epoch, item])
        frames = self.cache.frames(segment.path)[self.positions(segment, clip, rng)]  # (T, H, W, C)
        if self.train and self.augment is not None:
            frames = self.augment(frames, rng)
        clip_frames = np.ascontiguousarray(frames.transpose(0, 3, 1, 2))  # (T, C, H, W)
        return {"video": torch.from_numpy(clip_frames), "label": segment.label, "index": item, "segment": number}

    @property
    def frames_per_clip(self) -> int:
        """T, frames of an item."""
        return self.sampler.clip_len

    def positions(self, segment: Segment, clip: int, rng: np.random.Generator) -> np.ndarray:
        """Which frames of its video make up a clip.

        Args:
            segment: the sequence.
            clip: which of its evenly spaced clips; in training, the place is random.
            rng: source of the randomness.

        Returns:
            (T,) numbers of frames, from 0.
        """
        length, speed = len(segment), self._speed(segment)
        offsets = self.sampler.random(length, rng, speed) if self.train else self.sampler.even(length, speed)[clip]
        return segment.first + offsets

    def _speed(self, segment: Segment) -> float:
        """Frame rate of a segment as a multiple of `fps`; 1 where it is not known."""
        return (self._rates[segment.path] or self.fps or 1.0) / (self.fps or 1.0)

    def _decode(self) -> list[Segment]:
        """Decode the videos; what cannot be used is left out, with a warning."""
        for problem in self.problems:
            warnings.warn(problem, DataWarning, stacklevel=4)
        failed = self.cache.build([one.path for one in self.videos])
        if failed:
            message = f"{len(failed)} of {counted(len(self.videos), 'video')} left out: {listed(failed.values())}"
            if len(failed) == len(self.videos):
                raise DataError(message)
            warnings.warn(message, DataWarning, stacklevel=4)
        segments: list[Segment] = []
        for one in self.videos:
            if one.path not in failed:
                segments += segments_of(one, self.cache.count(one.path))
        if self.videos and not segments:
            raise DataError(
                f"{self.root}: every sequence lies past the end of its video; the list must belong to other files"
            )
        return segments
