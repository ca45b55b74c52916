"""The decoder: from the coarsest map to the finest, with skip connections and a core at some of the levels."""

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstmzoo.errors import LstmzooError
from lstmzoo.models.argument_checks import check_sizes
from lstmzoo.segmentation.models.core import Core

State = Any
PRIOR = 0.05  # probability of an object before anything is learnt (Lin et al. 2017, "Focal loss", section 3.3)
NO_STATE = (
    "the given state does not fit this network: pass the state returned for the preceding frames, or None to start "
    "new videos"
)
GROUPS = 8  # of GroupNorm, which treats every frame by itself: a stream of frames gives what the clip gives


class Decoder(nn.Module):
    """Top-down pathway with lateral connections.

    From the coarsest stride to the finest, with L a 1 × 1 convolution, M a 3 × 3 convolution with GroupNorm and ReLU:

        y_s = core_s(M_s(L_s x_s + up(y_2s)))        logits = H y_4

    Source: Lin et al. 2017, "Feature pyramid networks for object detection", section 3; recurrence at levels of the
    decoder: Ventura et al. 2019, "RVOS", section 3.2.

    Args:
        strides: of the encoder's maps, the finest first.
        channels: of the encoder's maps.
        decoder_channels: D, channels of all the decoder's maps, a multiple of 8.
        levels: strides at which there is a core.
        build_core: makes the core of a level from D.
        dropout: share of the channels of the encoder's maps that are dropped in training, others in every frame.
        num_classes: K, classes of a pixel; 0: one logit.

    Raises:
        LstmzooError: impossible sizes, or levels that the encoder does not have.
    """

    def __init__(
        self,
        strides: Sequence[int],
        channels: Sequence[int],
        decoder_channels: int,
        levels: Sequence[int],
        build_core: Callable[[int], Core],
        dropout: float = 0.0,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        check_sizes(decoder_channels=decoder_channels)
        if decoder_channels % GROUPS:
            raise LstmzooError(f"decoder_channels must be a multiple of {GROUPS}, got {decoder_channels}")
        if not levels or set(levels) - set(strides):
            raise LstmzooError(f"levels lists strides of the encoder's maps, from {list(strides)}; got {list(levels)}")
        self.strides = tuple(strides)
        self.dropout = nn.Dropout2d(dropout) if dropout else nn.Identity()
        width = decoder_channels
        self.lateral = nn.ModuleList(nn.Conv2d(size, width, 1) for size in channels)
        self.merge = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.GroupNorm(GROUPS, width), nn.ReLU())
            for _ in channels
        )
        self.cores = nn.ModuleDict({str(stride): build_core(width) for stride in strides if stride in levels})
        self.head = nn.Conv2d(width, num_classes or 1, 1)
        if not num_classes:
            nn.init.constant_(cast(Tensor, self.head.bias), math.log(PRIOR / (1 - PRIOR)))
        for own in (self.lateral, self.merge, self.head):  # faster on the CPU; cores know best what suits them
            own.to(memory_format=torch.channels_last)

    def laterals(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """The encoder's maps (B, T, C_s, h, w), the finest first, brought to the decoder's width D."""
        pairs = zip(self.lateral, maps, strict=True)
        return [layer(self.dropout(x.flatten(0, 1))).unflatten(0, x.shape[:2]) for layer, x in pairs]

    def forward(self, maps: Sequence[Tensor], state: dict[str, State] | None = None) -> tuple[Tensor, dict[str, State]]:
        """Decode.

        Args:
            maps: of each stride, the finest first, (N, T, D, h, w), as `laterals` gives them.
            state: what the call for the frames before returned; None where there are none.

        Returns:
            Logits (N, T, h, w), or (N, T, K, h, w) of classes, at stride 4, and the state of every core.

        Raises:
            ValueError: a state that is none of this network, or of maps of other sizes.
        """
        if state is not None and (not isinstance(state, dict) or state.keys() != self.cores.keys()):
            raise ValueError(NO_STATE)
        states: dict[str, State] = {}
        above: Tensor | None = None
        time = maps[0].shape[:2]
        for stride, merge, x in reversed(list(zip(map(str, self.strides), self.merge, maps, strict=True))):
            y = x.flatten(0, 1)
            if above is not None:
                y = y + F.interpolate(above, y.shape[-2:], mode="bilinear", align_corners=False)
            y = merge(y)
            if stride in self.cores:
                run, states[stride] = self.cores[stride](y.unflatten(0, time), state and state[stride])
                y = run.flatten(0, 1)
            above = y
        assert above is not None
        logits = self.head(above).unflatten(0, time)
        return logits if logits.shape[2] > 1 else logits.squeeze(2), states
