"""Objects in the frames of a video, one frame after the other, at constant memory if the model streams."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.models.outputs import check_finite
from lstmzoo.segmentation.models import has_classes, label_map, object_ids, segment_video


def segment_frames(
    model: Any,
    frames: Iterable[np.ndarray],
    first_mask: np.ndarray | None = None,
    *,
    flip: bool = False,
    masks: Mapping[int, np.ndarray] | None = None,
) -> Iterator[np.ndarray]:
    """Segment a video of any length; each mask comes as soon as its frame was read.

    A network that does not stream (``bidirectional``, segment_follow) reads all frames first.

    Args:
        model: a segmentation model from ``lstmzoo.load``.
        frames: uint8 (H, W, 3) RGB each, all of one size.
        first_mask: uint8 (H, W), the numbers of the objects in the first frame: 0 is the background, 255 void. None
            finds the foreground.
        flip: average with what the model says about the mirrored video.
        masks: those of further frames, by number, the first being 0; they may show other objects, too.

    Yields:
        For every frame, uint8 (H, W): 0 background, else the number of the object; the foreground has number 1. Of a
        model with classes, the number of the class, counted from 0.

    Raises:
        LstmzooError: it is not a segmentation model, takes no first mask, or needs one.
        DataError: a mask has another size than its frame, or the model's outputs are not finite.
        ValueError: the first mask holds no object.
    """
    ids = numbers_of(model, first_mask, masks)
    pairs = ((frame, frame) for frame in frames)
    for _, probabilities in segment_with(model, pairs, first_mask, flip=flip, masks=masks):
        yield label_map(probabilities, ids).cpu().numpy()


def segment_with(
    model: Any,
    frames: Iterable[tuple[Any, np.ndarray]],
    first_mask: np.ndarray | None = None,
    *,
    flip: bool = False,
    name: str = "",
    masks: Mapping[int, np.ndarray] | None = None,
) -> Iterator[tuple[Any, torch.Tensor]]:
    """Segment frames that something goes along with, given as pairs; see `segment_frames`.

    Yields:
        What went along with the frame, and probabilities (K + 1, H, W), the background first; or (K, H, W) of classes.
    """
    given = _given(first_mask, masks)
    check_model(model, bool(given))
    waiting: deque[Any] = deque()

    def tensors() -> Iterator[torch.Tensor]:
        for number, (thing, frame) in enumerate(frames):
            mask = given.get(number)
            if mask is not None and tuple(mask.shape) != frame.shape[:2]:
                which = f"mask of frame {number}" if number else "first mask"
                raise DataError(
                    f"the {which} is {mask.shape[1]}×{mask.shape[0]} pixels, its frame "
                    f"{frame.shape[1]}×{frame.shape[0]}; give a mask of the frame's size"
                )
            waiting.append(thing)
            yield to_tensor(frame).permute(2, 0, 1)  # (3, H, W)

    size = tuple(model.transform["size"])
    for probabilities in segment_video(model, tensors(), size, flip=flip, masks=given):
        check_finite(probabilities, model, name)
        yield waiting.popleft(), probabilities


def objects_of(first_mask: np.ndarray | None, masks: Mapping[int, np.ndarray] | None = None) -> list[int]:
    """Return the numbers of the objects that a model should find, those of the given masks; [1] without any."""
    given = _given(first_mask, masks)
    return object_ids(given) if given else [1]


def _given(first_mask: np.ndarray | None, masks: Mapping[int, np.ndarray] | None) -> dict[int, torch.Tensor]:
    """The given masks by the number of their frame."""
    if first_mask is not None and 0 in (masks or {}):
        raise LstmzooError("first_mask and masks both have a mask of frame 0; leave first_mask out")
    first = {} if first_mask is None else {0: to_tensor(first_mask)}
    return first | {number: to_tensor(mask) for number, mask in (masks or {}).items()}


def numbers_of(model: Any, first_mask: np.ndarray | None, masks: Mapping[int, np.ndarray] | None = None) -> list[int]:
    """Return the numbers in a model's masks but for 0, as `label_map` wants them: of its objects, or of its classes."""
    return list(range(1, model.num_classes)) if has_classes(model) else objects_of(first_mask, masks)


def check_model(model: Any, first_mask: bool) -> None:
    """Make sure that a model can do what is asked for.

    Raises:
        LstmzooError: it is not a segmentation model, takes no first mask, or needs one.
    """
    name = getattr(model, "model_name", type(model).__name__)
    if not hasattr(model, "guided"):
        raise LstmzooError(f"{name!r} is not a segmentation model")
    if first_mask and not model.guided:
        raise LstmzooError(
            f"{name!r} finds {'classes' if has_classes(model) else 'the foreground'} by itself and takes no first "
            "mask; leave first_mask out, or use a guided model (segment_guided, segment_matching), e.g. davis_guided"
        )
    settings = getattr(model, "metadata", {}).get("config", {}).get("task", {})
    if not first_mask and settings.get("protocol") == "semi-supervised":
        raise LstmzooError(
            "this network was trained to follow the objects of a first mask (task.protocol=semi-supervised); give "
            "first_mask=PNG, the mask of the first frame"
        )


def to_tensor(array: np.ndarray) -> torch.Tensor:
    """Copy an array into a tensor: mirrored or read-only arrays are no tensors as they are."""
    return torch.from_numpy(np.array(array, order="C"))
