"""Segmentation of the foreground by appearance, motion and memory: found where the first two agree, and followed."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

import torch
from torch import Tensor

from lstmzoo.errors import LstmzooError
from lstmzoo.models.model_registry import register_model
from lstmzoo.segmentation.models.core import FramewiseCore
from lstmzoo.segmentation.models.decoder import Decoder
from lstmzoo.segmentation.models.matching import SegmentMatching
from lstmzoo.segmentation.models.segmenter import FRAMES_AT_ONCE, State


@register_model("segment_follow")
class SegmentFollow(SegmentMatching):
    """`SegmentMatching` that finds its first mask by itself.

    A second decoder, the finder, marks the foreground in every frame by itself, as `segment_framewise` does. It is
    right where its mask is what moves otherwise than the camera makes everything move (`moving`): with a_t its mask and
    m_t what moves,

        s = argmax_t |a_t ∩ m_t| / |a_t ∪ m_t|        (where nothing moves, argmax_t |a_t|)

    is the frame that it starts from, and a_s is followed from there to both ends of the video. Appearance says what
    things there are, motion which of them is meant, and memory where it is; a single frame tells the first only.

    Source: motion and appearance: Papazoglou & Ferrari 2013, "Fast object segmentation in unconstrained video".

    Args:
        cell: any of ``lstmzoo list cells`` that has a convolutional form; null: no memory but masks and keys.
        **settings: those of `SegmentMatching`.
    """

    guided: ClassVar[bool] = False
    streams = False
    in_order: ClassVar[bool] = False

    def __init__(self, cell: str | None = None, **settings: Any) -> None:
        super().__init__(cell, **settings)
        if self.num_classes:
            raise LstmzooError(f"segment_follow marks the foreground, no classes (num_classes={self.num_classes})")
        strides, channels, width = self.encoder.strides, self.encoder.channels, self.decoder.head.in_channels
        levels, dropout = [int(stride) for stride in self.decoder.cores], settings.get("dropout", 0.0)
        self.finder = Decoder(strides, channels, width, levels, lambda size: FramewiseCore(size, 1), dropout)

    def forward(self, video: Tensor, masks: Tensor | None = None, state: State | None = None) -> tuple[Tensor, State]:  # type: ignore[override]
        """Segment whole videos, (B, T, 3, H, W) → (B, T, 1, H, W); there are no masks to give and no state."""
        if masks is not None:
            raise ValueError("segment_follow finds by itself what to follow and takes no masks; segment_matching does")
        if state is not None:
            raise ValueError("segment_follow reads the whole video at once and continues from no state")
        return torch.cat([self._follow(one) for one in video.split(1)]), {}

    def step(self, frame: Tensor, state: State | None = None, masks: Tensor | None = None) -> NoReturn:
        raise ValueError(
            "segment_follow reads the whole video before its first answer and cannot go frame by frame: call "
            "model(video); segment_matching streams, given a first mask"
        )

    def deployment(self, step: bool) -> NoReturn:
        raise LstmzooError(
            "segment_follow cannot be exported: the frame that it starts from depends on the video, and its optical "
            "flow is OpenCV's. Export model=segment_matching, e.g. davis_guided, and give it a first mask"
        )

    def _follow(self, video: Tensor) -> Tensor:
        """Logits (1, T, 1, H, W) of one video (1, T, 3, H, W)."""
        found = self._found(video)  # (T, h, w)
        start = _start(found > 0, video[0])
        full = self._full_size(found[start, None, None], video.shape[-2:])  # (1, 1, H, W)
        if self.training:  # the finder learns from what becomes of its mask
            mask = full.sigmoid()
        else:  # what it found may be so small that no more than a peak below 0 is left at full size
            least = full.amax().clamp(max=0.0) if (found[start] > 0).any() else full.new_zeros(())
            mask = (full >= least).float()
        later = self._onwards(video[:, start:], mask)
        if not start:
            return later
        earlier = self._onwards(video[:, : start + 1].flip(1), mask)
        return torch.cat([earlier.flip(1)[:, :-1], later], dim=1)

    def _found(self, video: Tensor) -> Tensor:
        """The finder's logits, (T, h, w), of one video, a few frames at a time."""
        parts = (self.finder(self.finder.laterals(self.encoder(some)))[0] for some in video.split(FRAMES_AT_ONCE, 1))
        return torch.cat([logits[0] for logits in parts])

    def _onwards(self, video: Tensor, mask: Tensor) -> Tensor:
        """Follow a mask of the first frame, with the maps of a few frames at a time in memory."""
        logits: list[Tensor] = []
        state = None
        for part in video.split(FRAMES_AT_ONCE, dim=1):
            some, state = super().forward(part, None if logits else mask, state)
            logits.append(some)
        return torch.cat(logits, dim=1)


def _start(found: Tensor, video: Tensor) -> int:
    """The frame in which what was found (T, h, w) is most nearly what moves; else that in which most was found."""
    from lstmzoo.segmentation.motion import moving  # needs OpenCV, which listing models does not load

    best, most = int(found.flatten(1).sum(1).argmax()), 0.0
    for t, motion in enumerate(moving(video), start=1):
        moves = torch.from_numpy(motion).to(found.device)
        mask = found[t, : moves.shape[0], : moves.shape[1]]
        share = ((mask & moves).sum() / (mask | moves).sum().clamp(min=1)).item()
        if share > most:
            best, most = t, share
    return best
