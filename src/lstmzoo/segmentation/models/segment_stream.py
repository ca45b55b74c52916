"""One video through a segmentation model, frame by frame at its own size."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lstmzoo.segmentation.models.aggregate import soft_aggregate

LEAST_FRAME = 33  # longer side of the frames that a model sees: of 32, the coarsest maps would be single numbers
VOID = 255  # no object: what is not annotated


class SegmentStream:
    """Frames of one video in, probabilities out, with the state kept in between; the memory needed is constant.

    Args:
        model: a segmentation model in evaluation mode.
        size: (H, W) that frames are scaled to before the model sees them, ``model.transform["size"]``.
        first_mask: uint8 (H, W), the ids of the objects in the first frame: 0 is the background, 255 void. None finds
            the foreground.
        flip: average with what the model says about the mirrored video.
        masks: those of further frames, by number, the first being 0. They may show objects that are not in the first
            frame: these are found from the first frame on whose mask shows them.

    Attributes:
        ids: the objects' ids in ascending order, or [1].
        state: of the model; what a stream goes on from.

    Raises:
        ValueError: a first mask without objects or for a model that takes none, or a model that does not stream.
    """

    def __init__(
        self,
        model: Any,
        size: tuple[int, int],
        first_mask: Tensor | None = None,
        flip: bool = False,
        masks: Mapping[int, Tensor] | None = None,
    ) -> None:
        if not model.streams:
            raise ValueError(
                f"{type(model).__name__} cannot go frame by frame as it is; use segment_video, which reads all frames"
            )
        self.model, self.size, self.flip = model, (int(size[0]), int(size[1])), flip
        self._masks = by_frame(first_mask, masks)
        self.ids = object_ids(self._masks) if self._masks else [1]
        self.state: Any = None
        self._frame = 0

    @torch.no_grad()
    def __call__(self, frame: Tensor) -> Tensor:
        """Take in one frame.

        Args:
            frame: uint8 (3, H, W), of any size.

        Returns:
            Probabilities (K + 1, H, W) of the background and of the objects, in the order of ``ids``, at that size; or
            (K, H, W) of classes.
        """
        x = self._mirrored(resize_frame(frame.to(self._device()), self.size))
        masks = self._resized_masks(frame.shape[-2:])
        self._frame += 1
        logits, self.state = self.model.step(x, self.state, masks)  # (1 or 2, K, h, w)
        return finish(logits, frame.shape[-2:], has_classes(self.model))

    def _mirrored(self, x: Tensor) -> Tensor:
        return torch.stack([x, x.flip(-1)]) if self.flip else x.unsqueeze(0)

    def _resized_masks(self, size: torch.Size) -> Tensor | None:
        """The mask of every object at the size the model sees, (1 or 2, K, h, w); empty where none is given."""
        mask = self._masks.get(self._frame)
        if mask is None:
            if self._frame or not self._masks:
                return None
            mask = torch.zeros(size, dtype=torch.uint8)  # the objects come later
        ids = torch.tensor(self.ids, device=mask.device)
        masks = (mask == ids[:, None, None]).float()  # (K, H, W)
        return self._mirrored(resize_frame(masks, self.size)).to(self._device())

    def _device(self) -> torch.device:
        return next(self.model.parameters()).device


def segment_video(
    model: Any,
    frames: Iterable[Tensor],
    size: tuple[int, int],
    first_mask: Tensor | None = None,
    flip: bool = False,
    masks: Mapping[int, Tensor] | None = None,
    reset_every: int | None = None,
) -> Iterator[Tensor]:
    """Segment a video with any segmentation model.

    Args:
        model: a segmentation model in evaluation mode; one that does not stream reads all frames first.
        frames: uint8 (3, H, W) each.
        size: see `SegmentStream`.
        first_mask: see `SegmentStream`.
        flip: see `SegmentStream`.
        masks: see `SegmentStream`.
        reset_every: frames after which the memory is reset, to see what it is worth; None: never.

    Yields:
        For every frame, probabilities (K + 1, H, W), or (K, H, W) of classes.
    """
    if model.streams:
        stream = SegmentStream(model, size, first_mask, flip, masks)
        for t, frame in enumerate(frames):
            if reset_every and t and t % reset_every == 0:
                stream.state = model.reset_memory(stream.state)
            yield stream(frame)
        return
    if by_frame(first_mask, masks):
        raise ValueError("this network takes no first mask; segment_guided does")
    whole = list(frames)
    if not whole:
        return
    device = next(model.parameters()).device
    with torch.no_grad():
        video = torch.stack([resize_frame(frame.to(device), size) for frame in whole])  # (T, 3, h, w)
        logits, _ = model(torch.stack([video, video.flip(-1)]) if flip else video.unsqueeze(0))
        for frame, one in zip(whole, logits.unbind(1), strict=True):
            yield finish(one, frame.shape[-2:], has_classes(model))


def has_classes(model: Any) -> bool:
    """Tell whether a model gives every pixel a class, rather than marking objects."""
    return bool(getattr(model, "num_classes", 0))


def frame_order(frames: int, begin: int, seed: int, *, shuffle: bool, keep_first: bool) -> list[int]:
    """The numbers of the frames from `begin` on in the order in which they are shown.

    Args:
        frames: of the video.
        begin: number of the first one that is shown.
        seed: of the random order.
        shuffle: in a random order.
        keep_first: but for the first one, whose mask is given.
    """
    order = torch.arange(begin, frames)
    if shuffle:
        later = order[int(keep_first) :]
        later[:] = later[torch.randperm(len(later), generator=torch.Generator().manual_seed(seed))]
    return order.tolist()


def finish(logits: Tensor, size: torch.Size, classes: bool = False) -> Tensor:
    """Turn logits (1, K, h, w), or (2, K, h, w) with those of the mirrored frame, into probabilities.

    They are (K + 1, H, W) of the background and K objects, or (K, H, W) of classes.
    """
    wide = logits.float()
    probabilities = wide.softmax(1) if classes else soft_aggregate(wide)  # (1 or 2, K + 1, h, w)
    if len(probabilities) == 2:
        probabilities = (probabilities[:1] + probabilities[1:].flip(-1)) / 2
    return F.interpolate(probabilities, tuple(size), mode="bilinear", align_corners=False)[0]


def label_map(probabilities: Tensor, ids: Sequence[int]) -> Tensor:
    """The most probable object of every pixel.

    Args:
        probabilities: (K + 1, H, W), the background first.
        ids: of the K objects.

    Returns:
        uint8 (H, W), 0 for the background.
    """
    names = torch.tensor([0, *ids], dtype=torch.uint8, device=probabilities.device)
    return names[probabilities.max(0).indices]  # over the first dimension argmax is ten times slower on the CPU


def by_frame(first_mask: Tensor | None, masks: Mapping[int, Tensor] | None) -> dict[int, Tensor]:
    """The masks that are given, by the number of their frame."""
    return ({} if first_mask is None else {0: first_mask}) | dict(masks or {})


def object_ids(masks: Tensor | Mapping[int, Tensor]) -> list[int]:
    """The ids in a mask, or in those of several frames, ascending, but for the background's and void.

    Raises:
        ValueError: there are none.
    """
    several = [masks] if isinstance(masks, Tensor) else masks.values()
    ids = {one for mask in several for one in mask.unique().tolist()} - {0, VOID}
    if not ids:
        raise ValueError("the first mask holds no object: every pixel is background (0) or void (255)")
    return sorted(ids)


def resize_frame(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Scale an image (C, H, W), uint8 in 0..255 or floating, to floating (C, h, w) in 0..1, without aliasing."""
    x = image / 255 if image.dtype == torch.uint8 else image
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    return F.interpolate(x.unsqueeze(0), tuple(size), mode="bilinear", align_corners=False, antialias=True)[0]
