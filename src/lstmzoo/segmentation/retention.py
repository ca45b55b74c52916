"""How long a model's memory of an object lasts while the object is occluded, and what the memory is worth."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lstmzoo.segmentation.data.masks import VOID, read_mask
from lstmzoo.segmentation.data.simulator import read_occlusions
from lstmzoo.segmentation.models import SegmentStream
from lstmzoo.segmentation.recording import Recording, shrink
from lstmzoo.segmentation.segment import objects_of, to_tensor
from lstmzoo.segmentation.video_sources import VideoSource

OCCLUDED = 0.5  # an object of which less than this share is seen counts as occluded
VANISHED = 0.05  # without truth: found on less than this share of its median area


@dataclass(frozen=True)
class SequenceTruth:
    """The true masks that lie beside a sequence of a data set."""

    masks: dict[str, Path]  # mask by name of the frame; frames without one are not annotated
    visible: dict[int, list[float]]  # share of each object that is seen, frame by frame, where the data set says so

    def objects(self) -> list[int]:
        """Numbers of the objects in the first mask that shows any."""
        for path in self.masks.values():
            found = [one for one in np.unique(read_mask(path)).tolist() if one not in (0, VOID)]
            if found:
                return found
        return []

    def mask(self, name: str, number: int | None) -> np.ndarray | None:
        """The true mask of an object (None: of all), bool (H, W); None where the frame is not annotated."""
        if name not in self.masks:
            return None
        ids = read_mask(self.masks[name])
        return (ids > 0) & (ids < VOID) if number is None else ids == number


@dataclass(frozen=True)
class Retention:
    """What is kept of one object over T frames; NaN where there is nothing to be measured."""

    number: int  # of the object
    occluded: np.ndarray  # (T,) bool, frames in which it is occluded
    alone: bool  # whether areas are those of this object; the network found all objects as one where they are not
    areas: np.ndarray  # (T,) share of the frame that was found to be the object
    true_areas: np.ndarray | None  # (T,) share of the frame that is; None without truth
    # what tells how well it is found: ``"J"``, intersection over union with the truth, other objects left out; or,
    # where there is no truth, ``"probability"``, the highest in the frame
    measure: str
    found: np.ndarray  # (T,) that measure
    # (T,) the same where the memory is erased before every frame in which the object is occluded
    erased: np.ndarray | None
    # (T,) mean share of the memory that is kept from the frame before, in the object's cells; while it is occluded, in
    # those where it was last seen
    inside: np.ndarray | None
    outside: np.ndarray | None  # (T,) the same in all other cells
    # (T,) share of what the object's cells held when it was last seen that is still there; 1 while it is seen
    surviving: np.ndarray | None


def find_truth(video: VideoSource) -> SequenceTruth | None:
    """Find the masks beside a sequence: of ``JPEGImages/480p/bear`` those in ``Annotations/480p/bear``.

    Returns:
        What is known, or None where there are no masks.
    """
    parts = video.path.resolve().parts
    if not video.files or "JPEGImages" not in parts:
        return None
    place = len(parts) - 1 - parts[::-1].index("JPEGImages")
    root = Path(*parts[:place])
    folder = Path(root, "Annotations", *parts[place + 1 :])
    masks = {path.stem: folder / f"{path.stem}.png" for path in video.files}
    masks = {name: path for name, path in masks.items() if path.is_file()}
    if not masks:
        return None
    known = read_occlusions(root).get(video.name, {}).get("visible", {})
    return SequenceTruth(masks, {int(number): shares for number, shares in known.items()})


def occluded_frames(truth: SequenceTruth, video: VideoSource, number: int) -> np.ndarray:
    """Tell in which frames a true object is occluded, bool (T,): none of it, or less than half of it, is visible."""
    names = [path.stem for path in video.files[: video.max_frames]]
    if number in truth.visible:
        return np.array(truth.visible[number][: len(names)]) < OCCLUDED
    masks = [truth.mask(name, number) for name in names]
    seen = np.array([mask is None or mask.any() for mask in masks])
    return ~seen & np.maximum.accumulate(seen)


def vanished_frames(areas: np.ndarray) -> np.ndarray:
    """Guess from the areas found (T,) in which frames an object is occluded, where nobody says."""
    seen = areas > 0
    if not seen.any():
        return np.zeros(len(areas), bool)
    small = areas < VANISHED * np.median(areas[seen])
    return small & np.maximum.accumulate(~small)


def measure_retention(
    model: Any,
    video: VideoSource,
    first_mask: np.ndarray | None,
    recording: Recording,
    truth: SequenceTruth | None,
    number: int,
) -> Retention:
    """Measure what is kept of an object; the video is segmented once more, with the memory erased while it is occluded.

    Measured at the size the network sees; `number` is that of the object in the truth, without truth in the recording.
    """
    occluded = vanished_frames(recording.areas) if truth is None else occluded_frames(truth, video, number)
    true = everything = None
    if truth is not None:
        true, everything = (_true_masks(truth, recording, which) for which in (number, None))
    erased = inside = outside = surviving = None
    if recording.layer is not None and model.streams and occluded.any():
        again = _erased(model, video, first_mask, objects_of(first_mask).index(recording.number), occluded)
        erased = _how_well(again, true, everything)
    if recording.keep is not None:
        cells = recording.cells(_last_seen(recording.found if true is None else true, recording.found, occluded))
        kept = recording.keep.mean(1, dtype=np.float32)  # (T, h, w)
        inside, outside = _mean(kept, cells), _mean(kept, 1 - cells)
        surviving = surviving_memory(recording.memory, recording.keep, cells, occluded)
    return Retention(
        number,
        occluded,
        model.guided,
        recording.areas,
        None if true is None or everything is None else (true if model.guided else everything).mean((1, 2)),
        "probability" if true is None else "J",
        _how_well(recording.probabilities, true, everything),
        erased,
        inside,
        outside,
        surviving,
    )


def stretches(occluded: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the first and the last frame of every stretch of frames (T,) in which something is occluded."""
    steps = np.flatnonzero(np.diff(np.concatenate([[False], occluded, [False]]).astype(int)))
    for first, end in zip(steps[::2], steps[1::2], strict=True):
        yield int(first), int(end) - 1


def surviving_memory(memory: Any, keep: np.ndarray, cells: np.ndarray, occluded: np.ndarray) -> np.ndarray:
    """Follow what the cells of an object held when it was last seen, at t₀, through the frames in which it is occluded.

        S_t = Σ w |f_t ⊙ ... ⊙ f_{t₀+1} ⊙ c_{t₀}| / Σ w |c_{t₀}|

    Args:
        memory: c, (T, C, h, w).
        keep: f, (T, C, h, w), in 0..1.
        cells: w, (T, h, w), how much of every cell belongs to the object.
        occluded: (T,) bool.

    Returns:
        (T,), 1 while the object is seen, NaN while nothing is known of it.
    """
    surviving = np.ones(len(occluded))
    held = weights = total = None
    for t in range(len(occluded)):
        if not occluded[t]:
            held = np.abs(memory[t].astype(np.float64))  # (C, h, w)
            weights = cells[t]
            total = (weights * held).sum()
            continue
        if held is None or weights is None or not total:
            surviving[t] = np.nan
            continue
        held = held * np.abs(keep[t].astype(np.float64))
        surviving[t] = (weights * held).sum() / total
    return surviving


def _erased(
    model: Any, video: VideoSource, first_mask: np.ndarray | None, row: int, occluded: np.ndarray
) -> np.ndarray:
    """Probabilities of an object (T, H, W) where the memory is erased before every frame in which it is occluded."""
    size = tuple(model.transform["size"])
    stream = SegmentStream(model, size, None if first_mask is None else to_tensor(first_mask))
    found = []
    for frame, erase in zip(video, occluded, strict=True):
        if erase:
            stream.state = model.reset_memory(stream.state)
        probabilities = stream(to_tensor(frame.image).permute(2, 0, 1))
        found.append(shrink(probabilities[1 + row].float().cpu().numpy(), size))
    return np.stack(found)


def _true_masks(truth: SequenceTruth, recording: Recording, number: int | None) -> np.ndarray:
    """Share of every pixel of the network's frames that the true object covers (T, H, W); NaN: not annotated."""
    size = recording.frames.shape[1:3]
    masks = [truth.mask(name, number) for name in recording.names]
    unknown = np.full(size, np.nan, np.float32)
    return np.stack([unknown if mask is None else shrink(mask.astype(np.float32), size) for mask in masks])


def _last_seen(masks: np.ndarray, found: np.ndarray, occluded: np.ndarray) -> np.ndarray:
    """The object's mask in every frame (T, H, W); while it is occluded, that of the frame in which it was last seen.

    Where the true mask is not known, that which was found takes its place.
    """
    seen = np.where(np.isnan(masks), found, masks)
    for t in range(1, len(seen)):
        if occluded[t] or not seen[t].any():
            seen[t] = seen[t - 1]
    return seen


def _how_well(probabilities: np.ndarray, true: np.ndarray | None, everything: np.ndarray | None) -> np.ndarray:
    """Measure how well an object is found in every frame (T,).

    Args:
        probabilities: of the object, (T, H, W).
        true: share of every pixel that it covers, or None where that is not known.
        everything: share that it and all other objects cover.

    Returns:
        J over the pixels of no other object, NaN where the object is not seen; without truth, the highest probability.
    """
    if true is None or everything is None:
        return probabilities.max((1, 2))
    found, there, free = probabilities > 0.5, true > 0.5, everything - true < 0.5
    both, either = ((masks & free).sum((1, 2)) for masks in (found & there, found | there))
    return both / np.where(there.any((1, 2)), either, np.nan)


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted means of maps (T, H, W); NaN where there is no weight."""
    total = weights.sum((1, 2))
    return (values * weights).sum((1, 2)) / np.where(total > 0, total, np.nan)
