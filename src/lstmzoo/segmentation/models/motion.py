"""Segmentation of what moves: a recurrent network that compares every frame with the one before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstmzoo.models.model_registry import register_model
from lstmzoo.segmentation.models.decoder import NO_STATE
from lstmzoo.segmentation.models.foreground import SegmentRecurrent
from lstmzoo.segmentation.models.segmenter import State

RADIUS = 3
"""How far motion is looked for, in cells of a map: 48 pixels at stride 16."""


@register_model("segment_motion")
class SegmentMotion(SegmentRecurrent):
    """`SegmentRecurrent` that also sees how well every cell matches the cells around it in the previous frame.

    With n the encoder's maps, centred over the frame and of length 1, and d up to `RADIUS` cells in each direction:

        c_t(p, d) = <n_t(p), n_{t-1}(p + d)>        x_t → x_t + V relu(U c_t)

    The state holds the encoder's maps of the last frame beside the memory of the cores. The first frame of a video
    has nothing before it: c = 0.

    Source: correlation of two maps: Dosovitskiy et al. 2015, "FlowNet", section 3; motion and appearance together:
    Tokmakov et al. 2017, "Learning video object segmentation with visual memory", section 3.

    Args:
        **settings: those of `SegmentRecurrent`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        width = self.decoder.head.in_channels
        self.motion = nn.ModuleList(
            nn.Sequential(nn.Conv2d((2 * RADIUS + 1) ** 2, width, 1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1))
            for _ in self.encoder.strides
        )
        self.motion.to(memory_format=torch.channels_last)

    def forward(self, video: Tensor, masks: Tensor | None = None, state: State | None = None) -> tuple[Tensor, State]:
        self._check(masks, state)
        both = self._maps(video)
        laterals, maps = both[: len(self.motion)], both[len(self.motion) :]
        memory, last = _taken_apart(state, maps)
        pairs = zip(laterals, self.motion, maps, last, strict=True)
        clues = [x + _of_frames(layers, correlation(now, before)) for x, layers, now, before in pairs]
        logits, memory = self.decoder(clues, memory)
        return self._finish(logits, video), {"memory": memory, "last": [x[:, -1:] for x in maps]}

    def _project(self, maps: list[Tensor]) -> list[Tensor]:
        return [*super()._project(maps), *maps]

    def reset_memory(self, state: State | None) -> State | None:
        return state and {**state, "memory": None}


def correlation(maps: Tensor, last: Tensor | None, radius: int = RADIUS) -> Tensor:
    """Compare every cell of a frame with the cells around its place in the frame before.

    Args:
        maps: (B, T, C, h, w).
        last: that of the frame before the first of these, (B, 1, C, h, w); None where there is none.
        radius: r, in cells.

    Returns:
        (B, T, (2r + 1)², h, w) in -1..1, row by row; 0 beyond the edge, and where there is no frame before.
    """
    height, width = maps.shape[-2:]
    before = torch.cat([torch.zeros_like(maps[:, :1]) if last is None else last, maps[:, :-1]], dim=1)
    now, before = (F.normalize(x - x.mean((-2, -1), keepdim=True), dim=2) for x in (maps, before))
    around = F.pad(before.flatten(0, 1), [radius] * 4).unflatten(0, maps.shape[:2])
    shifts = range(2 * radius + 1)
    matches = [(now * around[..., y : y + height, x : x + width]).sum(2) for y in shifts for x in shifts]
    return torch.stack(matches, dim=2)


def _of_frames(layers: nn.Module, x: Tensor) -> Tensor:
    """Apply layers to maps (B, T, C, h, w), frame by frame."""
    return layers(x.flatten(0, 1)).unflatten(0, x.shape[:2])


def _taken_apart(state: State | None, maps: Sequence[Tensor]) -> tuple[Any, Sequence[Tensor | None]]:
    """The memory of the cores, and the last frame's maps."""
    if state is None:
        return None, [None] * len(maps)
    if not isinstance(state, dict) or state.keys() != {"memory", "last"}:
        raise ValueError(NO_STATE)
    found, needed = ([(x.shape[0], *x.shape[2:]) for x in some] for some in (state["last"], maps))
    if found != needed:
        raise ValueError(
            f"this state is of other videos: its maps have the shapes {found}, these frames need {needed}; continue "
            "with as many videos of the same size, or start new ones with state=None"
        )
    return state["memory"], state["last"]
