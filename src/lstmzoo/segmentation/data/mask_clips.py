"""Short clips of sequences with masks, for training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import Dataset

from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.io.images import read_header, read_rgb
from lstmzoo.segmentation.data.layout import MaskedVideo
from lstmzoo.segmentation.data.masks import VOID, read_ids, shows_object
from lstmzoo.segmentation.data.photographs import Photographs
from lstmzoo.segmentation.data.to_and_fro import to_and_fro
from lstmzoo.segmentation.data.view import View, jitter_colours, random_view, whole
from lstmzoo.synthetic.collage import photograph_clip

_WINDOWS = 10  # drawn until an object of the first frame is seen; after that, the whole frame is


class MaskedVideos(Protocol):
    """What clips are taken from: `MaskFolder`, or anything else with files of frames and masks."""

    sequences: list[MaskedVideo]
    binary: bool


class SegmentationClips(Dataset[dict[str, Any]]):
    """Clips at random places of sequences, with random steps in time, random views and colours.

    It has `clips_per_sequence` items per sequence: item ``i`` is of sequence ``i // clips_per_sequence``. What is drawn
    depends on (seed, epoch, index) and on nothing else. In the first frame at least one object is seen; that frame is
    annotated, later ones need not be. A sequence shorter than a clip is run through to and fro.

    An item is a dictionary:

    - ``"video"``: uint8 (T, 3, H, W) RGB, T = clip_len
    - ``"masks"``: uint8 (T, H, W): 0 background, 1 … K objects, 255 to be ignored (void or not annotated)
    - ``"index"``: int, the item

    Args:
        source: the sequences.
        size: height and width that frames are scaled to, in pixels.
        clip_len: frames per training clip (T).
        max_skip: neighbouring frames of a clip are 1 to so many frames of the video apart, drawn for each pair; fewer
            where the sequence is short.
        from_start: share of the training clips that begin with the first frame of their sequence and run forwards; 1
            where only the first frames show what to segment. Where that frame shows no object, they begin later.
        reverse: share of the other training clips that run backwards.
        flip: share of the training clips that are mirrored, left to right.
        scale: least and greatest share of the frame's area that is visible, the same window in all frames of a clip.
        jitter: strongest change of brightness, contrast and saturation, frame by frame.
        paste: share of the training clips into which objects of another sequence are pasted, as further objects, so
            that only the first mask says which of them are meant.
        backgrounds: folder of photographs of which training clips are made: pieces of some move before others, see
            `photograph_clip`; null: there are no such clips.
        textures: folder of the photographs that pieces are cut out of; null: that of the backgrounds.
        objects: folder of annotated videos in the layout of DAVIS; half of the objects that move before photographs
            are cut out of those in its list train. null: they are all pieces of photographs.
        collages: share of the training clips that are made of photographs, where there are some.
        clips_per_sequence: training clips of each sequence per epoch.
        seed: of all that is random.

    Raises:
        DataError: a sequence without any mask.
        LstmzooError: an option out of its range.
    """

    def __init__(
        self,
        source: MaskedVideos,
        *,
        size: tuple[int, int] = (240, 427),
        clip_len: int = 8,
        max_skip: int = 3,
        from_start: float = 0.0,
        reverse: float = 0.5,
        flip: float = 0.5,
        scale: tuple[float, float] = (0.5, 1.0),
        jitter: float = 0.2,
        paste: float = 0.0,
        backgrounds: Path | None = None,
        textures: Path | None = None,
        objects: Path | None = None,
        collages: float = 0.5,
        clips_per_sequence: int = 4,
        seed: int = 0,
    ) -> None:
        check_numbers(clip_len=clip_len, max_skip=max_skip, clips_per_sequence=clips_per_sequence)
        check_shares(reverse=reverse, flip=flip, from_start=from_start, jitter=jitter, paste=paste, collages=collages)
        check_window(scale, size=size)
        blank = [video.name for video in source.sequences if not any(video.masks)]
        if blank:
            raise DataError(f"sequence {blank[0]} has no mask; nothing can be learnt from it: take it out of the list")
        self.sequences, self.binary = list(source.sequences), source.binary
        self.clip_len, self.max_skip = clip_len, max_skip
        self.size = (int(size[0]), int(size[1]))
        self.scale = (float(scale[0]), float(scale[1]))
        self.reverse, self.flip, self.from_start, self.jitter, self.paste = reverse, flip, from_start, jitter, paste
        self.photographs, self.collages = Photographs.of(backgrounds, textures, objects), collages
        self.clips_per_sequence, self.seed = clips_per_sequence, seed

    def __len__(self) -> int:
        return len(self.sequences) * self.clips_per_sequence

    def __getitem__(self, index: int | tuple[int, int]) -> dict[str, Any]:
        """Return an item.

        Args:
            index: the item, or (item, epoch); the epoch is 0 where it is not given.

        Raises:
            IndexError: there is no such item.
            DataError: a file that cannot be decoded, or a sequence in which no object is ever seen.
        """
        item, epoch = index if isinstance(index, tuple) else (index, 0)
        if not 0 <= item < len(self):
            raise IndexError(f"item {item} of {len(self)}")
        number = item // self.clips_per_sequence
        rng = np.random.default_rng([self.seed, epoch, item])
        if self.photographs is not None and rng.random() < self.collages:
            video, masks = photograph_clip(self.photographs, self.size, self.clip_len, rng)
            video = np.ascontiguousarray(video.transpose(0, 3, 1, 2))
            return {"video": torch.from_numpy(video), "masks": torch.from_numpy(masks), "index": item}
        video, masks = self._load(self.sequences[number], rng)
        if len(self.sequences) > 1 and rng.random() < self.paste:
            other = (number + rng.integers(1, len(self.sequences))) % len(self.sequences)
            paste_objects(video, masks, *self._load(self.sequences[other], rng))
        return {"video": torch.from_numpy(video), "masks": torch.from_numpy(masks), "index": item}

    def _load(self, sequence: MaskedVideo, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw a clip of a sequence: frames (T, 3, H, W) and masks (T, H, W), uint8."""
        positions, view = self._draw(sequence, rng)
        video = np.empty((self.clip_len, 3, *self.size), np.uint8)
        masks = np.full((self.clip_len, *self.size), VOID, np.uint8)
        for t, position in enumerate(positions):
            frame = read_rgb(sequence.frames[position])  # (H₀, W₀, 3)
            video[t] = jitter_colours(view.frame(frame), self.jitter, rng).transpose(2, 0, 1)
            mask = sequence.masks[position]
            if mask is not None:
                masks[t] = view.mask(read_ids(mask, frame.shape[:2], binary=self.binary))
        return video, masks

    def _draw(self, sequence: MaskedVideo, rng: np.random.Generator) -> tuple[np.ndarray, View]:
        """Draw frames (T,) and a view such that an object is seen in the first of them."""
        size = read_header(sequence.frames[0]).size
        mirrored, backwards, early = rng.random(3) < (self.flip, self.reverse, self.from_start)
        frames, direction = len(sequence.frames), -1 if backwards and not early else 1
        offsets = direction * self._offsets(frames, rng)  # (T,)
        for first in _first_frames(frames, offsets[-1], None if early else rng):
            positions = to_and_fro(first + offsets, frames)
            mask = sequence.masks[positions[0]]
            if mask is None:
                continue
            ids = read_ids(mask, size, binary=self.binary)
            if not shows_object(ids):
                continue
            for _ in range(_WINDOWS):
                view = random_view(size, self.size, self.scale, mirrored=bool(mirrored), rng=rng)
                if shows_object(view.mask(ids)):
                    return positions, view
            view = whole(size, self.size, mirrored=bool(mirrored))
            if shows_object(view.mask(ids)):
                return positions, view
        raise DataError(f"no mask of sequence {sequence.name} shows an object; take it out of the list")

    def _offsets(self, frames: int, rng: np.random.Generator) -> np.ndarray:
        """Draw the frames of a clip, counted from its first one (T,)."""
        room = (frames - 1) // max(self.clip_len - 1, 1)
        steps = rng.integers(1, max(min(self.max_skip, room), 1) + 1, self.clip_len - 1)
        return np.concatenate([[0], np.cumsum(steps)])


def check_numbers(**numbers: int) -> None:
    for name, number in numbers.items():
        if type(number) is not int or number < 1:
            raise LstmzooError(f"{name}={number}: it is a whole number, 1 or more")


def check_shares(**shares: float) -> None:
    for name, share in shares.items():
        if not isinstance(share, int | float) or not 0 <= share <= 1:
            raise LstmzooError(f"{name}={share}: it is a share, 0 to 1")


def check_window(scale: Sequence[float], **sizes: Sequence[int]) -> None:
    if len(scale) != 2 or not 0 < scale[0] <= scale[1] <= 1:
        raise LstmzooError(f"scale={tuple(scale)}: it is the least and the greatest share of the frame, e.g. (0.5, 1)")
    for name, sides in sizes.items():
        if len(sides) != 2 or min(sides) < 1:
            raise LstmzooError(f"{name}={tuple(sides)}: it is (height, width) in pixels")


def paste_objects(video: np.ndarray, masks: np.ndarray, other: np.ndarray, other_masks: np.ndarray) -> None:
    """Paste the objects of another clip over a clip, in place; their numbers go on from those that are there.

    Args:
        video: uint8 (T, 3, H, W), and `other`.
        masks: uint8 (T, H, W), and `other_masks`.
    """
    shown = (other_masks > 0) & (other_masks < VOID)
    last = int(masks.max(where=masks < VOID, initial=0))
    shown &= other_masks < VOID - last  # numbers end before that of void
    np.copyto(video, other, where=shown[:, None])
    np.copyto(masks, other_masks + np.uint8(last), where=shown)


def _first_frames(frames: int, way: int, rng: np.random.Generator | None) -> np.ndarray:
    """Put the frames in the order in which they are tried as the first of a clip: those from which `way` fits go first.

    They are in random order, or, without `rng`, in that of time.
    """
    order = np.arange(frames) if rng is None else rng.permutation(frames)
    fits = (order + way >= 0) & (order + way < frames)
    return np.concatenate([order[fits], order[~fits]])
