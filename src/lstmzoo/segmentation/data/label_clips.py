"""Short clips of sequences with a class for every pixel, for training."""

from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import Dataset

from lstmzoo.errors import DataError
from lstmzoo.io.images import read_header, read_rgb
from lstmzoo.segmentation.data.class_table import ClassTable, read_labels
from lstmzoo.segmentation.data.layout import MaskedVideo
from lstmzoo.segmentation.data.mask_clips import check_numbers, check_shares, check_window
from lstmzoo.segmentation.data.masks import VOID
from lstmzoo.segmentation.data.to_and_fro import to_and_fro
from lstmzoo.segmentation.data.view import jitter_colours, random_view


class LabelledVideos(Protocol):
    """What clips are taken from: `LabelFolder`, or anything else with files of frames and label images."""

    sequences: list[MaskedVideo]
    table: ClassTable


class LabelClips(Dataset[dict[str, Any]]):
    """Clips that begin with a labelled frame, with random views and colours; an epoch has about every label once.

    What is drawn depends on (seed, epoch, index) and on nothing else. A sequence shorter than a clip is run through to
    and fro.

    An item is a dictionary:

    - ``"video"``: uint8 (T, 3, H, W) RGB, T = clip_len
    - ``"masks"``: uint8 (T, H, W): classes from 0, 255 to be ignored (void or not labelled)
    - ``"index"``: int, the item

    Args:
        source: the sequences.
        size: height and width of the frames that a model sees, in pixels.
        crop: height and width of training clips, in pixels; null: size. What it shows is `scale` of the frame.
        clip_len: frames per training clip (T).
        max_skip: neighbouring frames of a clip are 1 to so many frames of the video apart, drawn for each clip.
        reverse: share of the training clips that run backwards.
        flip: share of the training clips that are mirrored, left to right.
        scale: least and greatest share of the frame's area that is visible, the same window in all frames of a clip.
        jitter: strongest change of brightness, contrast and saturation, the same in all frames of a clip.
        seed: of all that is random.

    Raises:
        DataError: nothing is labelled.
        LstmzooError: an option out of its range.
    """

    def __init__(
        self,
        source: LabelledVideos,
        *,
        size: tuple[int, int] = (360, 480),
        crop: tuple[int, int] | None = None,
        clip_len: int = 4,
        max_skip: int = 1,
        reverse: float = 0.5,
        flip: float = 0.5,
        scale: tuple[float, float] = (0.3, 1.0),
        jitter: float = 0.3,
        seed: int = 0,
    ) -> None:
        check_numbers(clip_len=clip_len, max_skip=max_skip)
        check_shares(reverse=reverse, flip=flip, jitter=jitter)
        check_window(scale, size=size, crop=crop or size)
        self.sequences, self.table = list(source.sequences), source.table
        height, width = crop or size
        self.size = (int(height), int(width))
        self.clip_len, self.max_skip, self.scale = clip_len, max_skip, (float(scale[0]), float(scale[1]))
        self.reverse, self.flip, self.jitter, self.seed = reverse, flip, jitter, seed
        self.labelled = [
            (video, place) for video in self.sequences for place, path in enumerate(video.masks) if path is not None
        ]
        if self.sequences and not self.labelled:
            raise DataError("no frame that is to be trained on has a label image; nothing can be learnt")

    def __len__(self) -> int:
        return -(-len(self.labelled) // self.clip_len)

    def __getitem__(self, index: int | tuple[int, int]) -> dict[str, Any]:
        """Return an item.

        Args:
            index: the item, or (item, epoch); the epoch is 0 where it is not given.

        Raises:
            IndexError: there is no such item.
            DataError: a file that cannot be decoded.
        """
        item, epoch = index if isinstance(index, tuple) else (index, 0)
        if not 0 <= item < len(self):
            raise IndexError(f"item {item} of {len(self)}")
        rng = np.random.default_rng([self.seed, epoch, item])
        first = item * self.clip_len + int(rng.integers(self.clip_len))
        video, place = self.labelled[min(first, len(self.labelled) - 1)]
        mirrored, backwards = rng.random(2) < (self.flip, self.reverse)
        step = int(rng.integers(1, self.max_skip + 1)) * (-1 if backwards else 1)
        places = to_and_fro(place + step * np.arange(self.clip_len), len(video.frames))
        size = read_header(video.frames[0]).size
        view = random_view(size, self.size, self.scale, mirrored=bool(mirrored), rng=rng)
        looks = int(rng.integers(2**32))
        frames = np.empty((self.clip_len, 3, *self.size), np.uint8)
        labels = np.full((self.clip_len, *self.size), VOID, np.uint8)
        for t, position in enumerate(places.tolist()):
            frame = read_rgb(video.frames[position])  # (H₀, W₀, 3)
            same = np.random.default_rng(looks)
            frames[t] = jitter_colours(view.frame(frame), self.jitter, same).transpose(2, 0, 1)
            path = video.masks[position]
            if path is not None:
                labels[t] = view.mask(read_labels(path, self.table, frame.shape[:2]))
        return {"video": torch.from_numpy(frames), "masks": torch.from_numpy(labels), "index": item}

    def class_frequencies(self) -> np.ndarray:
        """Count how common every class is.

        Returns:
            float64 (K,): its pixels over those of all label images in which it occurs; nan where it never does.

        Raises:
            DataError: a file that cannot be decoded.
        """
        counts = np.zeros((2, len(self.table.names)))  # pixels of the class, and of the images that show it
        for video, place in self.labelled:
            path = video.masks[place]
            assert path is not None
            labels = read_labels(path, self.table, read_header(video.frames[place]).size)
            pixels = np.bincount(labels.ravel(), minlength=VOID + 1)[: counts.shape[1]]
            counts += pixels, np.where(pixels > 0, pixels.sum(), 0)
        with np.errstate(invalid="ignore"):
            return counts[0] / counts[1]
