"""Labels over time: a model slides over a video file or a camera stream and names what it sees.

Only the newest frames are kept, in a ring buffer as long as one clip, so a stream may be endless.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from lstmzoo.data import video
from lstmzoo.data.clips import ClipSampler
from lstmzoo.errors import CheckpointError, LstmzooError
from lstmzoo.inference.stream import Stream


class Prediction(NamedTuple):
    """What the model says at one moment.

    Attributes:
        frame: number of the newest frame it had seen, from 0.
        time_s: the time of that frame in seconds, frame / frame rate.
        label: the most probable class.
        probabilities: (K,) of all classes.
    """

    frame: int
    time_s: float
    label: str
    probabilities: np.ndarray


class SlidingWindow:
    """The newest clip of a stream, classified again and again.

    The clip consists of the newest ``clip_len`` frames that are ``frame_interval`` apart, as the model was trained.
    While the stream is shorter than that, what there is is looped, as short segments are in training.

    Args:
        model: from ``lstmzoo.load``: ``classes`` and ``transform`` say what it needs.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        transform = model.transform
        lacking = {"size", "grey", "clip_len", "frame_interval"} - transform.keys()
        if lacking:
            raise CheckpointError(
                f"the checkpoint's transform lacks {', '.join(sorted(lacking))}; it is no video model's"
            )
        self.size, self.grey = tuple(transform["size"]), bool(transform["grey"])
        self.sampler = ClipSampler(transform["clip_len"], transform["frame_interval"])
        self.frames: deque[np.ndarray] = deque(maxlen=self.sampler.span)

    def push(self, image: np.ndarray) -> None:
        """Take in the next frame as OpenCV reads it, (H, W, 3) uint8 BGR."""
        self.frames.append(video.convert(image, size=self.size, grey=self.grey))

    @torch.inference_mode()
    def classify(self) -> np.ndarray:
        """Return the class probabilities (K,) of the newest clip."""
        offsets = self.sampler.even(len(self.frames))[0]
        clip = np.stack([self.frames[offset] for offset in offsets])  # (T, H, W, C)
        device = next(self.model.parameters()).device
        batch = torch.from_numpy(clip).permute(0, 3, 1, 2)[None].to(device)  # (1, T, C, H, W)
        return self.model(batch).float().softmax(dim=-1)[0].cpu().numpy()


def watch(model: Any, stream: Stream, *, stride: int = 4) -> Iterator[tuple[np.ndarray, Prediction | None]]:
    """Read a stream frame by frame and classify every ``stride`` frames, at constant memory.

    A prediction comes with the frames stride - 1, 2 stride - 1, … and with the last frame, so that every stretch of
    ``stride`` frames has exactly one.

    Args:
        model: from ``lstmzoo.load``.
        stream: an opened video file or camera.
        stride: frames from one prediction to the next.

    Yields:
        Every frame, (H, W, 3) uint8 BGR, and the prediction made at it or None.

    Raises:
        DataError: not one frame can be decoded.
        LstmzooError: the stride is no positive number.
    """
    if stride < 1:
        raise LstmzooError(f"stride must be at least 1, not {stride}")
    window = SlidingWindow(model)
    for frame, (image, last) in enumerate(_mark_last(stream)):
        window.push(image)
        prediction = None
        if last or frame % stride == stride - 1:
            probabilities = window.classify()
            label = model.classes[int(probabilities.argmax())]
            prediction = Prediction(frame, frame / stream.rate, label, probabilities)
        yield image, prediction


def classify_video(
    model: Any, source: str | Path | int, *, stride: int = 4, max_frames: int | None = None
) -> list[Prediction]:
    """Return the labels of a video over time.

    Args:
        model: from ``lstmzoo.load``.
        source: a video file, or the index of a camera (then give ``max_frames``).
        stride: frames from one prediction to the next.
        max_frames: stop after so many frames; None for all.

    Returns:
        One :class:`Prediction` (frame, time_s, label, probabilities) for every ``stride`` frames, in order.

    Raises:
        DataError: no such file or camera, or not one frame of it decodes.
        LstmzooError: stride or max_frames is no positive number.
    """
    with Stream(source, max_frames=max_frames) as stream:
        seen = watch(model, stream, stride=stride)
        return [prediction for _, prediction in seen if prediction is not None]


def _mark_last(items: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, bool]]:
    """Pair every item with whether it is the last; where a stream ends is known one frame later."""
    iterator = iter(items)
    held = next(iterator, None)
    for item in iterator:
        if held is not None:
            yield held, False
        held = item
    if held is not None:
        yield held, True
