"""The gates of a model, frame by frame, over a clip or a video."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lstmzoo import nn
from lstmzoo.actions.sliding_window import source_rate
from lstmzoo.errors import LstmzooError
from lstmzoo.io.resampling import Resampler
from lstmzoo.io.video import convert
from lstmzoo.io.video_stream import Stream
from lstmzoo.models.outputs import check_finite
from lstmzoo.models.recurrent_layers import described, has_memory
from lstmzoo.viz.gate_plot import gate_traces


@dataclass(frozen=True)
class GateTrace:
    """What happened inside a model during some frames."""

    frames: np.ndarray  # (T, H, W, C) uint8, what the model saw
    times: np.ndarray  # (T,) seconds from the first frame of the video or clip
    probabilities: np.ndarray  # (T, K) of the classes after every frame
    trace: Any | None  # the gates and states, or None for a model without recurrent layers


def trace_gates(model: Any, frames: np.ndarray, rate: float) -> GateTrace:
    """Run a model over frames and record its gates; its memory is carried through all of them.

    Args:
        model: from ``lstmzoo.load``.
        frames: (T, H, W, C) uint8, sized and spaced as the model wants them.
        rate: such frames per second.

    Raises:
        DataError: the model's outputs are not finite.
    """
    device = next(model.parameters()).device
    clip = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)[None].to(device)  # (1, T, C, H, W)
    with torch.inference_mode():
        if has_memory(model):
            with nn.trace(model) as trace:
                logits, _ = model.forward_frames(clip)
        else:
            trace, (logits, _) = None, model.forward_frames(clip)
    probabilities = logits.float().softmax(-1)[0].cpu()  # (T, K)
    check_finite(probabilities, model)
    return GateTrace(frames, np.arange(len(frames)) / rate, probabilities.numpy(), trace)


def read_spaced(model: Any, path: str | Path, max_frames: int | None = None) -> tuple[np.ndarray, float]:
    """Read the frames of a video that are ``frame_interval`` apart at the model's frame rate, as the model wants them.

    Args:
        model: from ``lstmzoo.load``: ``transform`` says what it needs.
        path: the video file, or a folder of frames.
        max_frames: at most so many frames are kept; None for all.

    Returns:
        Frames, uint8 (T, H, W, C), and how many of them make a second.

    Raises:
        DataError: no such file, or not one frame of it decodes.
        LstmzooError: max_frames is not a positive number.
    """
    if max_frames is not None and max_frames < 1:
        raise LstmzooError(f"max_frames must be at least 1, not {max_frames}")
    transform, every = model.transform, model.transform["frame_interval"]
    kept: list[np.ndarray] = []
    with Stream(path) as stream:
        rate = source_rate(model, stream)
        resampler = Resampler(transform.get("fps"), rate, every * transform["clip_len"])
        frame = 0
        for image, time_s in stream.timed():
            repeats = resampler.repeats(time_s)
            chosen = sum(number % every == 0 for number in range(frame, frame + repeats))
            if chosen:
                kept += [convert(image, size=tuple(transform["size"]), grey=transform["grey"])] * chosen
            frame += repeats
            if max_frames is not None and len(kept) >= max_frames:
                break
    return np.stack(kept[:max_frames]), (transform["fps"] if rate else stream.rate) / every


def draw_gates(model: Any, traced: GateTrace, folder: Path, *, layer: int, source: str) -> Path:
    """Write ``gates.png``, or ``probabilities.png`` for a model without recurrent layers.

    Raises:
        LstmzooError: there is no such layer.
    """
    last = traced.probabilities[-1]
    seen = f"in the end: {model.classes[int(last.argmax())]} ({last.max():.0%})"
    return gate_traces(
        traced.trace,
        traced.frames,
        folder / ("gates.png" if traced.trace else "probabilities.png"),
        probabilities=traced.probabilities,
        classes=model.classes,
        times=traced.times,
        layer=layer,
        title=described(model),
        subtitle=f"{source}  ·  {seen}",
    )
