"""The torch Dataset of labelled segments of videos that KTH and VideoFolder share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from lstmzoo.io.augment import Augment
from lstmzoo.io.cache import FrameCache
from lstmzoo.io.clips import ClipSampler


@dataclass(frozen=True)
class Segment:
    """Some consecutive frames of a video in which one action is seen.

    Attributes:
        path: the video file.
        first: first frame, counted from 0.
        last: the frame after the last one (half-open: the segment is ``[first, last)``).
        label: index of the class.
        video: name of the video; segments of one video share it.
        group: person, scene or the like; segments of one group are never in two splits.
        scenario: condition of the recording, e.g. ``"d1"``; empty where there is none.
    """

    path: Path
    first: int
    last: int
    label: int
    video: str
    group: str
    scenario: str = ""

    def __len__(self) -> int:
        return self.last - self.first


class ClipDataset(Dataset[dict[str, Any]]):
    """Clips of labelled segments.

    It has `num_clips` items per segment: item ``i`` is clip ``i % num_clips`` of segment ``i // num_clips``. In
    training the clips lie at random places (and are seen in random views); otherwise they are evenly spaced, always the
    same. What is drawn depends on (seed, epoch, index) and on nothing else, so that any number of workers, and a run
    that was resumed, see the same clips.

    An item is a dictionary:

    - ``"video"``: uint8 (T, C, H, W), T = clip_len
    - ``"label"``: int, index into `classes`
    - ``"index"``: int, the item
    - ``"segment"``: int, index into `segments`

    Frames of a clip are as far apart in time in a video of any frame rate: `frame_interval` is meant for `fps`.

    Args:
        segments: the labelled segments; their videos are in `cache`.
        classes: class names, in the order of the labels.
        cache: the decoded videos.
        sampler: places the clips.
        train: random clips instead of evenly spaced ones.
        seed: seed of the random places and views.
        augment: draws a random view of each training clip; None shows them as they are.
        fps: frames per second that the sampler's `frame_interval` is meant for; None for the rate of most segments.

    Attributes:
        fps: the same, or None where no video tells its rate.
    """

    def __init__(
        self,
        segments: Sequence[Segment],
        classes: Sequence[str],
        cache: FrameCache,
        sampler: ClipSampler,
        *,
        train: bool,
        seed: int = 0,
        augment: Augment | None = None,
        fps: float | None = None,
    ) -> None:
        self.segments = list(segments)
        self.classes = list(classes)
        self.cache = cache
        self.sampler = sampler
        self.train = train
        self.seed = seed
        self.augment = augment
        self._rates = {path: cache.rate(path) for path in dict.fromkeys(segment.path for segment in self.segments)}
        rates = Counter(rate for segment in self.segments if (rate := self._rates[segment.path]))
        self.fps = fps or (rates.most_common(1)[0][0] if rates else None)

    def __len__(self) -> int:
        return len(self.segments) * self.sampler.num_clips

    def __getitem__(self, index: int | tuple[int, int]) -> dict[str, Any]:
        """Return an item.

        Args:
            index: the item, or (item, epoch); the epoch (0 where it is not given) matters in training only.

        Returns:
            The item, see above.

        Raises:
            IndexError: there is no such item.
        """
        item, epoch = index if isinstance(index, tuple) else (index, 0)
        if not 0 <= item < len(self):
            raise IndexError(f"item {item} of {len(self)}")
        number, clip = divmod(item, self.sampler.num_clips)
        segment = self.segments[number]
        rng = np.random.default_rng([self.seed, epoch, item])
        length = len(segment)
        speed = self._speed(segment)
        offsets = (
            self.sampler.random(length, rng, speed) if self.train else self.sampler.even(length, speed)[clip]
        )  # (T,)
        frames = self.cache.frames(segment.path)[segment.first + offsets]  # (T, H, W, C)
        if self.train and self.augment is not None:
            frames = self.augment(frames, rng)
        video = np.ascontiguousarray(frames.transpose(0, 3, 1, 2))  # (T, C, H, W)
        return {"video": torch.from_numpy(video), "label": segment.label, "index": item, "segment": number}

    def _speed(self, segment: Segment) -> float:
        """Frame rate of a segment as a multiple of `fps`; 1 where it is not known."""
        return (self._rates[segment.path] or self.fps or 1.0) / (self.fps or 1.0)
