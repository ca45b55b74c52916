"""What runs at a level of the decoder: a recurrent memory, or, in the baseline, convolutions of as many weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstmzoo.errors import LstmzooError
from lstmzoo.models.argument_checks import find_cell
from lstmzoo.nn import ConvRecurrent, init

State = Any  # nested tuples, lists and dicts of tensors, or None

MOST_DILATION = 64
"""A map is padded to a multiple of the dilation in both directions, however small it is."""


class Core(nn.Module, ABC):
    """Maps over time in, maps of the same shape out."""

    @abstractmethod
    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Run over maps.

        Args:
            x: (B, T, C, H, W).
            state: what the call for the frames before returned; None where there are none.

        Returns:
            (B, T, C, H, W), and the state for the frames after: nested tuples, lists and dicts of tensors, or None
            where there is no memory.

        Raises:
            ValueError: a state of another batch or of maps of another size.
        """

    def start_objects(self, state: State, new: Tensor) -> State:
        """Reset the rows of a state that belong to new objects, and add those that are missing.

        Args:
            state: of B · K₀ rows, the objects of every video behind one another, K₀ ≤ K.
            new: (B, K) bool, the objects that begin; with those beyond K₀, a state of B · K rows is returned.
        """
        return None


class RecurrentCore(Core):
    """x_t → x_t + P [h¹_t, h²_t, ...], where h^d is the output of a cell with convolutions of dilation d over x_1..x_t.

    A convolution of dilation d is d² ordinary ones on the d² grids of every d-th pixel, and so is its recurrence
    (maps whose sides are not multiples of d are padded with zeros first). One branch of dilation 1 is a plain ConvLSTM.

    Source: Shi et al. 2015, section 3.1; several dilations side by side and both directions of time: Song et al. 2018,
    "Pyramid dilated deeper ConvLSTM for video salient object detection", section 3.2.

    Args:
        channels: C, of the input, of every branch and of the output.
        cell: one of :func:`lstmzoo.nn.list_cells` that has a convolutional form, or your own, ``my_module:MyCell``.
        dilations: of the convolutions, one branch each.
        kernel_size: of the convolutions, in pixels of this level.
        bidirectional: also run from the last frame to the first; whole videos only.
        forget_bias: as of `SegmentRecurrent`.
        chrono: likewise.

    Raises:
        LstmzooError: an unknown cell, one without convolutional form, or sizes that make no sense.
    """

    def __init__(
        self,
        channels: int,
        cell: str,
        dilations: Sequence[int] = (1,),
        kernel_size: int = 3,
        bidirectional: bool = False,
        forget_bias: init.ForgetBias = None,
        chrono: int | None = None,
    ) -> None:
        super().__init__()
        self.dilations = tuple(dilations)
        if not self.dilations or any(type(d) is not int or not 1 <= d <= MOST_DILATION for d in self.dilations):
            raise LstmzooError(
                f"dilations are whole numbers from 1 to {MOST_DILATION}, e.g. [1, 2, 4]; got {dilations!r}"
            )
        try:
            self.rnns = nn.ModuleList(
                ConvRecurrent(
                    core,
                    channels,
                    channels,
                    kernel_size,
                    batch_first=True,
                    bidirectional=bidirectional,
                    forget_bias=init.forget_bias_for(core, forget_bias),
                    chrono=init.forget_bias_for(core, chrono),
                )
                for core in (find_cell(cell) for _ in self.dilations)
            )
        except ValueError as error:
            raise LstmzooError(str(error)) from error
        self.project = nn.Conv2d(channels * len(self.dilations) * (1 + bidirectional), channels, 1)
        self.to(memory_format=torch.channels_last)  # faster on the CPU

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        outputs, states = [], []
        for number, (rnn, dilation) in enumerate(zip(self.rnns, self.dilations, strict=True)):
            grids = split_grids(x, dilation)
            if state is not None:
                _check_state(state[number], rnn, grids)
            h, last = rnn(grids, None if state is None else state[number])
            outputs.append(join_grids(h, dilation, x.shape))
            states.append(last)
        memory = self.project(torch.cat(outputs, dim=2).flatten(0, 1))
        return x + memory.unflatten(0, x.shape[:2]), tuple(states)

    def start_objects(self, state: State, new: Tensor) -> State:
        def started(x: Tensor, grids: int) -> Tensor:  # (directions, B K₀ d², C, h, w), zeros to begin with
            batch, objects = new.shape
            rows = x.unflatten(1, (batch, -1, grids))
            rows = torch.cat([rows, rows.new_zeros(x.shape[0], batch, objects - rows.shape[2], *rows.shape[3:])], dim=2)
            return rows.masked_fill(new.view(1, batch, objects, *[1] * (rows.dim() - 3)), 0).flatten(1, 3)

        return tuple(
            started(one, d * d) if isinstance(one, Tensor) else tuple(started(x, d * d) for x in one)
            for one, d in zip(state, self.dilations, strict=True)
        )


class FramewiseCore(Core):
    """x → x + V relu(U x): two 3 × 3 convolutions frame by frame, with as many weights as a `RecurrentCore` of LSTMs.

    Args:
        channels: C, of input and output.
        branches: branches of the memory it stands for, over dilations and directions.
    """

    def __init__(self, channels: int, branches: int = 1) -> None:
        super().__init__()
        hidden = 4 * channels * branches  # an LSTM has four gates
        self.layers = nn.Sequential(
            nn.Conv2d(channels, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, channels, 3, padding=1)
        )
        self.to(memory_format=torch.channels_last)  # faster on the CPU

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        return x + self.layers(x.flatten(0, 1)).unflatten(0, x.shape[:2]), None


def _check_state(state: Tensor | tuple[Tensor, ...], rnn: Any, grids: Tensor) -> None:
    """Refuse a state that does not belong to maps like these (N, T, C, h, w)."""
    found = [tuple(one.shape) for one in ((state,) if isinstance(state, Tensor) else state)]
    needed = [(rnn.num_directions, grids.shape[0], *shape) for shape in rnn.state_shapes(grids).values()]
    if found != needed:
        raise ValueError(
            f"this state is of other videos: its memory has the shapes {found}, these frames need {needed}; continue "
            "with as many videos of the same size, or start new ones with state=None"
        )


def split_grids(x: Tensor, dilation: int) -> Tensor:
    """Split maps (B, T, C, H, W) into the grids of every d-th pixel, (B · d², T, C, ⌈H / d⌉, ⌈W / d⌉)."""
    if dilation == 1:
        return x
    batch, time, channels, height, width = x.shape
    d = dilation
    x = F.pad(x, (0, -width % d, 0, -height % d))
    x = x.reshape(batch, time, channels, x.shape[3] // d, d, x.shape[4] // d, d)
    return x.permute(0, 4, 6, 1, 2, 3, 5).flatten(0, 2)  # (B, d, d, T, C, H / d, W / d)


def join_grids(grids: Tensor, dilation: int, shape: torch.Size) -> Tensor:
    """Undo `split_grids`; `shape` is that of the maps, whose channels do not count."""
    if dilation == 1:
        return grids
    batch, _, _, height, width = shape
    d = dilation
    x = grids.unflatten(0, (batch, d, d)).permute(0, 3, 4, 5, 1, 6, 2)  # (B, T, C, H / d, d, W / d, d)
    return x.flatten(5, 6).flatten(3, 4)[..., :height, :width]
