"""Labels over time: a model slides over a video file or a camera stream and classifies what it sees.

Only the newest frames are kept, in a ring buffer as long as one clip, so a stream may be endless.
"""

import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from lstmzoo.actions.presence import LEAST_PRESENCE, NOBODY, presence
from lstmzoo.errors import CheckpointError, DataWarning, LstmzooError
from lstmzoo.io import video
from lstmzoo.io.clips import ClipSampler
from lstmzoo.io.resampling import Resampler
from lstmzoo.io.sources import TimedFrame
from lstmzoo.io.video_stream import Stream
from lstmzoo.models.outputs import check_finite


class Prediction(NamedTuple):
    """What the model says at one moment."""

    frame: int  # number of the newest frame it had seen, from 0
    time_s: float  # the time of that frame in seconds, from the first
    label: str  # the most probable class, or that nobody is there
    probabilities: np.ndarray  # (K,) of all classes
    presence: float  # share of the clip's frames in which somebody is seen, in 0..1


class SlidingWindow:
    """The newest clip of a stream, classified again and again.

    The clip consists of the newest ``clip_len`` frames that are ``frame_interval`` apart, as the model was trained,
    at the frame rate at which it was trained: a stream of another rate is brought to it.
    While the stream is shorter than that, what there is is looped, as short segments are in training.

    Args:
        model: from ``lstmzoo.load``: ``classes`` and ``transform`` say what it needs.
        rate: frames per second of the stream, on average; None takes the frames as they come.
        name: of the stream, for errors.
    """

    def __init__(self, model: Any, rate: float | None = None, name: str = "") -> None:
        self.model, self.name = model, name
        transform = model.transform
        lacking = {"size", "grey", "clip_len", "frame_interval"} - transform.keys()
        if lacking:
            raise CheckpointError(
                f"the checkpoint's transform lacks {', '.join(sorted(lacking))}; it does not belong to a video model"
            )
        self.size, self.grey = tuple(transform["size"]), bool(transform["grey"])
        self.sampler = ClipSampler(transform["clip_len"], transform["frame_interval"])
        self.frames: deque[np.ndarray] = deque(maxlen=self.sampler.span)
        self.resampler = Resampler(transform.get("fps"), rate, self.sampler.span)

    def push(self, image: np.ndarray, time_s: float = 0.0) -> None:
        """Take in the next frame as OpenCV reads it, (H, W, 3) uint8 BGR, and its time in seconds."""
        repeats = self.resampler.repeats(time_s)
        if repeats:
            self.frames.extend([video.convert(image, size=self.size, grey=self.grey)] * repeats)

    @torch.inference_mode()
    def classify(self) -> np.ndarray:
        """Return the class probabilities (K,) of the newest clip.

        Raises:
            DataError: they are not finite.
        """
        clip = self._clip(self.sampler.even(len(self.frames))[0])
        device = next(self.model.parameters()).device
        batch = torch.from_numpy(clip).permute(0, 3, 1, 2)[None].to(device)  # (1, T, C, H, W)
        probabilities = self.model(batch).float().softmax(dim=-1)[0].cpu()
        check_finite(probabilities, self.model, self.name)
        return probabilities.numpy()

    def presence(self) -> float:
        """Return the share of the newest clip's frames in which somebody is seen, as `presence.presence` does."""
        return presence(self._clip(np.unique(self.sampler.even(len(self.frames))[0])))

    def _clip(self, offsets: np.ndarray) -> np.ndarray:
        return np.stack([self.frames[offset] for offset in offsets])  # (T, H, W, C)


def source_rate(model: Any, stream: Stream) -> float | None:
    """Return the frame rate from which a stream is to be brought to the model's; None to take frames as they come.

    Warns where a checkpoint does not say its rate, and where the stream has fewer frames than the model was trained to
    see.
    """
    if not stream.says_rate:
        return None
    fps = model.transform.get("fps")
    if fps is None:
        warnings.warn(
            "the checkpoint does not say which frame rate it was trained for: every frame counts, however many there "
            "are per second; train again to have videos of all rates read alike",
            DataWarning,
            stacklevel=3,
        )
        return None
    seen = fps / model.transform["frame_interval"]
    if stream.rate < 0.99 * seen:
        text = f"{stream.name} has {stream.rate:.3g} frames per second, fewer than the {seen:.3g} that the network "
        warnings.warn(f"{text}was trained to see; it sees some twice", DataWarning, stacklevel=3)
    return stream.rate


def classify_stream(
    model: Any, stream: Stream, *, stride: int = 4, least_presence: float = LEAST_PRESENCE
) -> Iterator[tuple[TimedFrame, Prediction | None]]:
    """Read a stream frame by frame and classify every ``stride`` frames, at constant memory.

    A prediction comes with the frames stride - 1, 2 stride - 1, … and with the last frame, so that every stretch of
    ``stride`` frames has exactly one.

    Args:
        model: from ``lstmzoo.load``.
        stream: an opened video file or camera.
        stride: frames from one prediction to the next.
        least_presence: where somebody is seen in a smaller share of a clip's frames, the label is "nobody".

    Yields:
        Every frame, (H, W, 3) uint8 BGR with its time, and the prediction made at it or None.

    Raises:
        DataError: not one frame can be decoded, or the model's outputs are not finite.
        LstmzooError: the stride is not a positive number.
    """
    if stride < 1:
        raise LstmzooError(f"stride must be at least 1, not {stride}")
    window = SlidingWindow(model, source_rate(model, stream), stream.name)
    for number, (frame, last) in enumerate(_mark_last(stream.timed())):
        window.push(*frame)
        prediction = None
        if last or number % stride == stride - 1:
            probabilities = window.classify()
            there = window.presence()
            label = model.classes[int(probabilities.argmax())] if there >= least_presence else NOBODY
            prediction = Prediction(number, frame.time_s, label, probabilities, there)
        yield frame, prediction


def _mark_last(items: Iterable[TimedFrame]) -> Iterator[tuple[TimedFrame, bool]]:
    """Pair every item with whether it is the last; where a stream ends is known one frame later."""
    iterator = iter(items)
    pending = next(iterator, None)
    for item in iterator:
        if pending is not None:
            yield pending, False
        pending = item
    if pending is not None:
        yield pending, True
