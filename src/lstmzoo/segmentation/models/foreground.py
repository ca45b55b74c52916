"""Segmentation of the foreground, or into classes: a recurrent network, and a baseline without memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from lstmzoo.models.argument_checks import check_sizes
from lstmzoo.models.model_registry import register_model
from lstmzoo.models.recurrent_layers import FORGET_BIAS
from lstmzoo.nn.init import ForgetBias
from lstmzoo.segmentation.models.core import Core, FramewiseCore, RecurrentCore
from lstmzoo.segmentation.models.segmenter import Segmenter, State


class ForegroundSegmenter(Segmenter):
    """A model that is given frames and nothing else; a subclass says in `build_core` what its cores are."""

    def forward(self, video: Tensor, masks: Tensor | None = None, state: State | None = None) -> tuple[Tensor, State]:
        self._check(masks, state)
        logits, state = self.decoder(self._maps(video), state)
        return self._finish(logits, video), state

    def _finish(self, logits: Tensor, video: Tensor) -> Tensor:
        """Logits of the decoder at the size of the frames, (B, T, K, H, W)."""
        return self._full_size(logits if self.num_classes else logits.unsqueeze(2), video.shape[-2:])

    def step(self, frame: Tensor, state: State | None = None, masks: Tensor | None = None) -> tuple[Tensor, State]:
        if not self.streams:
            raise ValueError(
                "a bidirectional network also reads the frames that are still to come and cannot go frame by frame: "
                "call model(video) with the whole video, or train with model.bidirectional=false"
            )
        return super().step(frame, state, masks)

    def _check(self, masks: Tensor | None, state: State | None) -> None:
        if masks is not None:
            raise ValueError(f"{type(self).__name__} takes no masks of objects; segment_guided does")
        if state is not None and not self.streams:
            raise ValueError(
                "a bidirectional network needs the whole video at once and continues from no state: call model(video), "
                "or train with model.bidirectional=false to segment frame by frame"
            )


@register_model("segment_recurrent")
class SegmentRecurrent(ForegroundSegmenter):
    """Encoder-decoder with a convolutional memory at levels of the decoder.

    Source: Song et al. 2018, "Pyramid dilated deeper ConvLSTM for video salient object detection".

    Args:
        cell: any of ``lstmzoo list cells`` that has a convolutional form, or your own, ``my_module:MyCell``.
        bidirectional: also run from the last frame to the first; whole videos only.
        dilations: of the memory's convolutions, one branch each, e.g. [1, 2, 4].
        kernel_size: of the memory's convolutions.
        forget_bias: bias of the forget gate at the start, so that the memory keeps from the first step on; auto: by the
            length of the training sequences; null: as drawn. Cells without a gate that decides what is kept ignore it.
        chrono: in place of forget_bias, the longest time span to remember at the start, in steps.
        **settings: those of `Segmenter`.
    """

    def __init__(
        self,
        cell: str = "lstm",
        bidirectional: bool = False,
        dilations: Sequence[int] = (1,),
        kernel_size: int = 3,
        forget_bias: ForgetBias = FORGET_BIAS,
        chrono: int | None = None,
        **settings: Any,
    ) -> None:
        self.streams = not bidirectional
        self.core = cell, dilations, kernel_size, bidirectional, forget_bias, chrono
        super().__init__(**settings)

    def build_core(self, channels: int) -> Core:
        return RecurrentCore(channels, *self.core)


@register_model("segment_framewise")
class SegmentFramewise(ForegroundSegmenter):
    """The baseline without memory: every frame by itself, convolutions of as many weights as an LSTM in its place.

    Args:
        branches: of the memory they stand for: its dilations, twice as many where it is bidirectional.
        **settings: those of `Segmenter`.
    """

    def __init__(self, branches: int = 1, **settings: Any) -> None:
        check_sizes(branches=branches)
        self.branches = branches
        super().__init__(**settings)

    def build_core(self, channels: int) -> Core:
        return FramewiseCore(channels, self.branches)
