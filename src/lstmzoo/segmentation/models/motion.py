"""Segmentation of what moves: a recurrent network that sees motion beside appearance."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstmzoo.models.deployment import Port
from lstmzoo.models.model_registry import register_model
from lstmzoo.segmentation.models.decoder import NO_STATE
from lstmzoo.segmentation.models.foreground import SegmentRecurrent
from lstmzoo.segmentation.models.residual_motion import CHANNELS, STRIDE, grey, residual_motion
from lstmzoo.segmentation.models.segmenter import State


@register_model("segment_motion")
class SegmentMotion(SegmentRecurrent):
    """`SegmentRecurrent` that also sees what moves otherwise than the camera makes everything move.

    With r_t the residual motion of the frame against the one before it (see `residual_motion`), at the stride of each
    of the encoder's maps x_t:

        x_t → x_t + V relu(U r_t)

    The memory tells what moved before from what never moved. The state holds the last frame, in grey, beside the
    memory of the cores. The first frame of a video has nothing before it: r = 0.

    Source: motion and appearance with a convolutional memory: Tokmakov et al. 2017, "Learning video object segmentation
    with visual memory", section 3.

    Args:
        **settings: those of `SegmentRecurrent`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        width = self.decoder.head.in_channels
        self.motion = nn.ModuleList(
            nn.Sequential(nn.Conv2d(CHANNELS, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1))
            for _ in self.encoder.strides
        )
        self.motion.to(memory_format=torch.channels_last)

    def forward(
        self,
        video: Tensor,
        masks: Tensor | None = None,
        state: State | None = None,
        motion: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Segment whole clips, or the next chunk of them; see `Segmenter.forward`.

        Args:
            video: (B, T, 3, H, W).
            masks: none.
            state: what the call for the frames before returned.
            motion: residual motion of the frames, (B, T, 3, H, W) or for cells of 4 pixels, where it is known: exported
                networks are given it. None: it is computed.
        """
        self._check(masks, state)
        memory, last = (None, None) if state is None else _taken_apart(state)
        if motion is None:
            frames = grey(video)  # (B, T, H', W')
            motion, last = self._seen_motion(frames, last, video.shape[-2:]), frames[:, -1:]
        pairs = zip(self._maps(video), self.motion, strict=True)
        logits, memory = self.decoder([x + _of_frames(layers, _pooled(motion, x)) for x, layers in pairs], memory)
        return self._finish(logits, video), {"memory": memory, "last": last}

    def step(
        self, frame: Tensor, state: State | None = None, masks: Tensor | None = None, motion: Tensor | None = None
    ) -> tuple[Tensor, State]:
        if motion is None:
            return super().step(frame, state, masks)
        logits, state = self(frame.unsqueeze(1), masks, state, motion.unsqueeze(1))
        return logits[:, 0], state

    @torch.no_grad()
    def _seen_motion(self, frames: Tensor, last: Tensor | None, size: torch.Size) -> Tensor:
        """Residual motion of grey frames (B, T, H', W') at stride 4, (B, T, 3, h, w)."""
        if last is not None and (len(last), *last.shape[2:]) != (len(frames), *frames.shape[2:]):
            raise ValueError(
                f"this state is of other videos: its frames are {tuple(last.shape)}, these need {tuple(frames.shape)}; "
                "continue with as many videos of the same size, or start new ones with state=None"
            )
        cells = -(-size[0] // STRIDE), -(-size[1] // STRIDE)
        before = torch.cat([frames[:, :1] if last is None else last, frames[:, :-1]], dim=1)
        r = residual_motion(frames.flatten(0, 1), before.flatten(0, 1), cells).unflatten(0, frames.shape[:2])
        if last is None:
            r[:, 0] = 0
        return r

    def further_inputs(self, *axes: str) -> tuple[Port, ...]:
        return (Port("motion", (*axes, CHANNELS, "height", "width"), torch.randn),)

    def reset_memory(self, state: State | None) -> State | None:
        return state and {**state, "memory": None}


def _pooled(r: Tensor, like: Tensor) -> Tensor:
    """Motion at stride 4, (B, T, 3, h, w), at the stride of a map, which may show more: frames are padded for it."""
    height, width = like.shape[-2:]
    factor = max(1, round(r.shape[-1] / width))
    x = F.pad(r.flatten(0, 1), [0, width * factor - r.shape[-1], 0, height * factor - r.shape[-2]])
    return F.avg_pool2d(x, factor).unflatten(0, r.shape[:2]).to(like.dtype)


def _of_frames(layers: nn.Module, x: Tensor) -> Tensor:
    """Apply layers to maps (B, T, C, h, w), frame by frame."""
    return layers(x.flatten(0, 1)).unflatten(0, x.shape[:2])


def _taken_apart(state: State) -> tuple[Any, Tensor | None]:
    """The memory of the cores, and the last frame, in grey."""
    if not isinstance(state, dict) or state.keys() != {"memory", "last"}:
        raise ValueError(NO_STATE)
    return state["memory"], state["last"]
