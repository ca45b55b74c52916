"""Segmentation of what moves: it is found once, by its motion, and then followed through the whole video."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

import torch
import torch.nn.functional as F
from torch import Tensor

from lstmzoo.errors import LstmzooError
from lstmzoo.models.model_registry import register_model
from lstmzoo.segmentation.models.matching import SegmentMatching
from lstmzoo.segmentation.models.motion import STRIDE, clearest_motion
from lstmzoo.segmentation.models.segmenter import FRAMES_AT_ONCE, State


@register_model("segment_follow")
class SegmentFollow(SegmentMatching):
    """`SegmentMatching` without a first mask: it follows what moves otherwise than the camera makes everything move.

    The mask of what moves is taken from the one frame in which that is clearest (`clearest_motion`), and followed from
    there to both ends of the video. Motion tells what is meant and memory tells where it is, also when it stands still;
    a single frame tells neither. Weights are those of `SegmentMatching`.

    Source: objects from motion: Papazoglou & Ferrari 2013, "Fast object segmentation in unconstrained video".

    Args:
        **settings: those of `SegmentMatching`.
    """

    guided: ClassVar[bool] = False
    streams = False

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        if self.num_classes:
            raise LstmzooError(f"segment_follow marks what moves and gives no classes (num_classes={self.num_classes})")

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
        start, found = clearest_motion(video[0])
        cells = torch.from_numpy(found).to(video.device).float()[None, None]
        mask = (
            F.interpolate(cells, scale_factor=STRIDE, mode="bilinear")[..., : video.shape[-2], : video.shape[-1]] > 0.5
        )
        later = self._onwards(video[:, start:], mask)
        if not start:
            return later
        earlier = self._onwards(video[:, : start + 1].flip(1), mask)
        return torch.cat([earlier.flip(1)[:, :-1], later], dim=1)

    def _onwards(self, video: Tensor, mask: Tensor) -> Tensor:
        """Follow a mask of the first frame, with the maps of a few frames at a time in memory."""
        logits: list[Tensor] = []
        state = None
        for part in video.split(FRAMES_AT_ONCE, dim=1):
            some, state = super().forward(part, None if logits else mask, state)
            logits.append(some)
        return torch.cat(logits, dim=1)
