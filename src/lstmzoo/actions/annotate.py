"""The results of one video: a table of labels over time, and an annotated video."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lstmzoo.actions.sliding_window import classify_stream
from lstmzoo.io.atomic import csv_file
from lstmzoo.io.stream import Stream
from lstmzoo.viz.film import video_file
from lstmzoo.viz.overlay import Overlay


@dataclass(frozen=True)
class Outcome:
    """A summary of the labels of one video."""

    name: str  # what the video is called in the summary
    label: str  # the class with the highest mean probability over the video
    confidence: float  # that mean probability, in 0..1
    # share of the time at which each class was the most probable one; only classes that ever were
    shares: dict[str, float]
    frames: int  # how many frames were read
    seconds: float  # the length of the video
    speed: float  # frames per second of processing: decoding, classifying and writing
    # Ctrl-C or SIGTERM, which ended it early; None if it was read to its end
    ended_by: KeyboardInterrupt | None = None


def annotate(
    model: Any,
    stream: Stream,
    name: str,
    table: Path,
    annotated: Path | None,
    *,
    stride: int = 4,
    advance: Callable[[int], None] = lambda frames: None,
) -> Outcome:
    """Classify a stream; write the labels over time as CSV, and the annotated video.

    An interrupt (Ctrl-C, SIGTERM) ends it early, but in good order: what was seen so far is written.

    Args:
        model: from ``lstmzoo.load``.
        stream: an opened video file or camera.
        name: what the video is called in the summary.
        table: the CSV to write: frame (from 0), time_s, label, and the probability of every class.
        annotated: the video to write (.mp4 or .avi), or None for none.
        stride: frames from one prediction to the next.
        advance: called with 1 after every frame, for a progress bar.

    Raises:
        DataError: not one frame of it decodes, or the model's outputs are not finite; nothing is written then.
        KeyboardInterrupt: an interrupt before the first prediction; nothing is written then.
    """
    started, number, time_s = time.perf_counter(), -1, 0.0
    interrupt: KeyboardInterrupt | None = None
    until = before = 0.0  # where what was seen ends, and where the newest prediction's stretch began
    probabilities: np.ndarray | None = None
    mean, share = np.zeros(len(model.classes)), np.zeros(len(model.classes))
    overlay: Overlay | None = None
    with ExitStack() as stack:
        header = ["frame", "time_s", "label", *(f"p_{label}" for label in model.classes)]
        write_row = stack.enter_context(csv_file(table, header))
        film = stack.enter_context(video_file(annotated, stream.film_rate)) if annotated else None
        try:
            for number, ((image, time_s), prediction) in enumerate(classify_stream(model, stream, stride=stride)):
                if prediction is not None:
                    probabilities = prediction.probabilities
                    write_row(
                        [number, f"{prediction.time_s:.3f}", prediction.label, *map("{:.4f}".format, probabilities)]
                    )
                    # A prediction stands for the time since the one before.
                    until = time_s + 1 / stream.rate
                    mean += (until - before) * probabilities
                    share[probabilities.argmax()] += until - before
                    before = until
                if film is not None:
                    overlay = overlay or Overlay(model.classes, image.shape[:2], stream.rate, stream.total)
                    film.write(overlay.draw(image, number, probabilities, time_s), time_s)
                advance(1)
        except KeyboardInterrupt as error:
            if not until:
                raise
            interrupt = error
    mean, share = mean / until, share / until
    best, frames = int(mean.argmax()), number + 1
    return Outcome(
        name=name,
        label=model.classes[best],
        confidence=float(mean[best]),
        shares={model.classes[k]: float(share[k]) for k in np.argsort(-share, kind="stable") if share[k]},
        frames=frames,
        seconds=time_s + 1 / stream.rate,
        speed=frames / (time.perf_counter() - started),
        ended_by=interrupt,
    )
