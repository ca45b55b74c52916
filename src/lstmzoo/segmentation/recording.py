"""Recording what a model's memory does, frame by frame, while it segments a video."""

from collections import deque
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from lstmzoo import nn
from lstmzoo.errors import LstmzooError
from lstmzoo.segmentation.models import label_map
from lstmzoo.segmentation.models.core import RecurrentCore, join_grids
from lstmzoo.segmentation.segment import objects_of, segment_with
from lstmzoo.segmentation.video_sources import Frame, VideoSource


@dataclass(frozen=True)
class MemoryLayer:
    """One recurrence inside a segmentation model."""

    label: str  # where it is, in words
    module: nn.ConvRecurrent  # what runs it
    direction: int  # 0 forwards in time, 1 backwards
    stride: int  # pixels of the network's frame per cell
    dilation: int  # of its convolutions

    @property
    def carrier(self) -> str:
        """The state that holds what is kept: the cell state c where there is one, else h."""
        names = self.module.cell.state
        return "c" if "c" in names else names[0]


class FrameRecord(NamedTuple):
    """One frame: itself, probabilities (K + 1, H, W), and the gates and states of one layer, (K, C, h, w) each."""

    frame: Frame
    probabilities: Tensor
    gates: dict[str, Tensor]
    states: dict[str, Tensor]


@dataclass(frozen=True)
class Recording:
    """What happened inside a segmentation model during T frames, as far as it concerns one object."""

    layer: MemoryLayer | None  # which recurrence was recorded; None for a network without
    number: int  # of the object; the foreground has number 1
    names: list[str]  # (T,) of the frames
    frames: np.ndarray  # (T, H, W, 3) uint8 RGB, at the size the network sees
    found: np.ndarray  # (T, H, W) bool, the object's mask, at that size
    probabilities: np.ndarray  # (T, H, W) of the object, at that size
    areas: np.ndarray  # (T,) share of the frame that the object was found on
    # mean over the channels of every gate, (T, h, w); of those with negative values (tanh), of their size
    gates: dict[str, np.ndarray]
    signed: frozenset[str]  # the gates with negative values
    states: dict[str, np.ndarray]  # mean over the channels of every state's size |s|, (T, h, w)
    memory: np.ndarray | None  # (T, C, h, w), the state that is kept; None for a network without
    # (T, C, h, w), the share of it that is kept from the frame before; None for cells without such a gate
    keep: np.ndarray | None

    def cells(self, masks: np.ndarray) -> np.ndarray:
        """Share of every cell of the layer (T, h, w) that masks (T, H, W) cover."""
        assert self.layer is not None
        assert self.memory is not None
        stride, (height, width) = self.layer.stride, self.memory.shape[-2:]
        below, right = height * stride - masks.shape[1], width * stride - masks.shape[2]
        padded = np.pad(masks.astype(np.float32), ((0, 0), (0, below), (0, right)))  # as the network pads frames
        return padded.reshape(len(masks), height, stride, width, stride).mean((2, 4))


def memory_layers(model: Any) -> list[MemoryLayer]:
    """List the recurrences of a segmentation model in the order in which they run: the coarsest first.

    There are none to be drawn beside the frames where they see them in another order.
    """
    found: list[MemoryLayer] = []
    if not getattr(model, "in_order", True):
        return found
    for stride, core in model.decoder.cores.items():
        if not isinstance(core, RecurrentCore):
            continue
        for rnn, dilation in zip(core.rnns, core.dilations, strict=True):
            assert isinstance(rnn, nn.ConvRecurrent)
            for direction in range(1 + rnn.bidirectional):
                label = f"stride {stride}"
                label += f", dilation {dilation}" if len(core.dilations) > 1 else ""
                label += ", backwards" if direction else ""
                found.append(MemoryLayer(label, rnn, direction, int(stride), dilation))
    return sorted(found, key=lambda layer: -layer.stride)


def choose_layer(model: Any, layer: int) -> MemoryLayer | None:
    """Return one of `memory_layers` by its number; None where there are none.

    Raises:
        LstmzooError: there is no such layer.
    """
    layers = memory_layers(model)
    if not layers:
        return None
    if not -len(layers) <= layer < len(layers):
        known = ", ".join(f"{number} ({one.label})" for number, one in enumerate(layers))
        raise LstmzooError(f"there is no layer {layer}; this network has {known}")
    return layers[layer]


def trace_frames(
    model: Any, video: VideoSource, first_mask: np.ndarray | None, layer: MemoryLayer | None
) -> Iterator[FrameRecord]:
    """Segment a video and record one of the model's memories meanwhile; see `segment_frames`."""
    grid: tuple[int, int] | None = None
    if layer is not None:
        coarsest = model.encoder.strides[-1]
        height, width = (-(-side // coarsest) * coarsest // layer.stride for side in model.transform["size"])
        grid = (height, width)
    steps: deque[tuple[dict[str, Tensor], dict[str, Tensor]]] = deque()
    results = segment_with(model, ((frame, frame.image) for frame in video), first_mask, name=video.name)
    while True:
        with nullcontext() if layer is None else nn.trace(layer.module) as trace:
            result = next(results, None)  # one step, or, of a network that runs both ways, all of them at once
        if trace is not None and layer is not None and grid is not None:
            steps.extend(_steps(trace, layer, grid))
        if result is None:
            return
        yield FrameRecord(*result, *(steps.popleft() if steps else ({}, {})))


def record(
    model: Any, video: VideoSource, first_mask: np.ndarray | None, layer: MemoryLayer | None, number: int
) -> Recording:
    """Segment a video and record what concerns one object.

    Raises:
        LstmzooError: no such object, and see `trace_frames`.
    """
    ids = objects_of(first_mask)
    if number not in ids:
        raise LstmzooError(f"there is no object {number}; the first mask has {', '.join(map(str, ids))}")
    row, size = ids.index(number), tuple(model.transform["size"])
    names, frames, found, probabilities, areas, memory, keep = ([] for _ in range(7))  # type: ignore[var-annotated]
    gates: dict[str, list[np.ndarray]] = {}
    states: dict[str, list[np.ndarray]] = {}
    signed: set[str] = set()
    for seen in trace_frames(model, video, first_mask, layer):
        mask = (label_map(seen.probabilities, ids) == number).cpu().numpy()
        names.append(seen.frame.name)
        frames.append(shrink(seen.frame.image, size))
        areas.append(mask.mean())
        found.append(shrink(mask.astype(np.float32), size) > 0.5)
        probabilities.append(shrink(seen.probabilities[1 + row].float().cpu().numpy(), size))
        for name, gate in seen.gates.items():
            gates.setdefault(name, []).append(gate[row].abs().mean(0).cpu().numpy())
            signed |= {name} if gate.min() < 0 else set()
        for name, state in seen.states.items():
            states.setdefault(name, []).append(state[row].abs().mean(0).cpu().numpy())
        if layer is not None:
            memory.append(seen.states[layer.carrier][row].half().cpu().numpy())
            kept = _kept(layer, seen.gates)
            keep += [] if kept is None else [kept[row].half().cpu().numpy()]
    return Recording(
        layer,
        number,
        names,
        np.stack(frames),
        np.stack(found),
        np.stack(probabilities),
        np.array(areas),
        gates={name: np.stack(values) for name, values in gates.items()},
        signed=frozenset(signed),
        states={name: np.stack(values) for name, values in states.items()},
        memory=np.stack(memory) if memory else None,
        keep=np.stack(keep) if keep else None,
    )


def _steps(
    trace: nn.Trace, layer: MemoryLayer, grid: tuple[int, int]
) -> list[tuple[dict[str, Tensor], dict[str, Tensor]]]:
    """Gates and states of every step that was just recorded, (K, C, h, w) each."""
    recorded = [_maps(series, layer, grid) for series in (trace.gates, trace.states)]
    count = max((value.shape[1] for maps in recorded for value in maps.values()), default=0)
    gates, states = ([{name: x[:, t] for name, x in maps.items()} for t in range(count)] for maps in recorded)
    return list(zip(gates, states, strict=True))


def _maps(series: dict[str, list[Tensor]], layer: MemoryLayer, grid: tuple[int, int]) -> dict[str, Tensor]:
    """What was recorded of one layer and direction as maps (K, T, C, h, w), whatever its dilation."""
    maps = {}
    for name, values in series.items():
        x = values[layer.direction].transpose(0, 1)  # (K d², T, C, h / d, w / d)
        if x.shape[-1] == -(-grid[1] // layer.dilation):  # some cells also have numbers that are no maps
            rows = len(x) // layer.dilation**2
            maps[name] = join_grids(x, layer.dilation, torch.Size((rows, *x.shape[1:3], *grid)))
    return maps


def _kept(layer: MemoryLayer, gates: dict[str, Tensor]) -> Tensor | None:
    """The share of the memory that is kept, from the gate that decides it."""
    keeping = layer.module.cell.retention_gate
    if keeping is None or keeping[0] not in gates:
        return None
    name, sign = keeping
    return gates[name] if sign > 0 else 1 - gates[name]


def shrink(image: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Bring an image (H₀, W₀) or (H₀, W₀, 3) to a size (H, W) by averaging."""
    if image.shape[:2] == size:
        return image
    return cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA)
