"""Segmentation of the foreground: a recurrent network over the frames, and its twin without memory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor

from lstmzoo.models.checks import check_sizes
from lstmzoo.models.registry import register_model
from lstmzoo.segmentation.models.base import Segmenter, State
from lstmzoo.segmentation.models.core import Memory, Memoryless


class Unguided(Segmenter):
    """A segmenter that sees frames and nothing else."""

    def forward(self, video: Tensor, masks: Tensor | None = None, state: State | None = None) -> tuple[Tensor, State]:
        if masks is not None:
            raise ValueError(f"{type(self).__name__} takes no masks of objects; segment_guided does")
        if state is not None and not self.streams:
            raise ValueError(
                "a bidirectional network needs the whole video at once and goes on from no state: call model(video), "
                "or train with model.bidirectional=false to segment frame by frame"
            )
        logits, state = self.decoder(self._laterals(video), state)
        return self._full_size(logits.unsqueeze(2), video.shape[-2:]), state


@register_model("segment_recurrent")
class SegmentRecurrent(Unguided):
    """Encoder-decoder with a convolutional memory at levels of the decoder.

    Source: Song et al. 2018, "Pyramid dilated deeper ConvLSTM for video salient object detection".

    Args:
        cell: one of :func:`lstmzoo.nn.list_cells` that has a convolutional form, or the place of one's own.
        levels: strides of the decoder at which there is a memory.
        bidirectional: also run from the last frame to the first; whole videos only.
        pyramid: dilations of the memory's convolutions, one branch each, e.g. [1, 2, 4].
        kernel_size: of the memory's convolutions.
        width: channels of the decoder's maps and of every memory, a multiple of 8.
        encoder: ``small``, ``efficientnet_lite0`` or one of timm's networks, e.g. ``resnet18``.
        pretrained_encoder: start the encoder from ImageNet weights.
        dropout: share of the channels of the encoder's maps that are left out in training, others in every frame.
        forget_bias: initial bias of the forget gate, so that the memory starts out keeping; None leaves it as
            initialised. Cells without a gate that decides what is kept ignore it.
    """

    def __init__(
        self,
        cell: str = "lstm",
        levels: Sequence[int] = (16, 8),
        bidirectional: bool = False,
        pyramid: Sequence[int] = (1,),
        kernel_size: int = 3,
        width: int = 32,
        encoder: str = "small",
        pretrained_encoder: bool = False,
        dropout: float = 0.0,
        forget_bias: float | None = 1.0,
    ) -> None:
        build_core = partial(Memory, width, cell, kernel_size, bidirectional, pyramid, forget_bias)
        super().__init__(encoder, pretrained_encoder, width, levels, build_core, dropout)
        self.streams = not bidirectional

    def step(self, frame: Tensor, state: State | None = None, masks: Tensor | None = None) -> tuple[Tensor, State]:
        if not self.streams:
            raise ValueError(
                "a bidirectional network also reads the frames that are still to come and cannot go frame by frame: "
                "call model(video) with the whole video, or train with model.bidirectional=false"
            )
        return super().step(frame, state, masks)


@register_model("segment_framewise")
class SegmentFramewise(Unguided):
    """The twin without memory: convolutions of as many weights as an LSTM in its place, every frame for itself.

    Args:
        levels: strides of the decoder at which they are.
        branches: of the memory they stand for: its dilations, twice as many where it is bidirectional.
        width: channels of the decoder's maps, a multiple of 8.
        encoder: ``small``, ``efficientnet_lite0`` or one of timm's networks, e.g. ``resnet18``.
        pretrained_encoder: start the encoder from ImageNet weights.
        dropout: share of the channels of the encoder's maps that are left out in training, others in every frame.
    """

    def __init__(
        self,
        levels: Sequence[int] = (16, 8),
        branches: int = 1,
        width: int = 32,
        encoder: str = "small",
        pretrained_encoder: bool = False,
        dropout: float = 0.0,
    ) -> None:
        check_sizes(branches=branches)
        build_core = partial(Memoryless, width, branches)
        super().__init__(encoder, pretrained_encoder, width, levels, build_core, dropout)
