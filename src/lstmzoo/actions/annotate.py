"""The results of one video: a table of labels over time, and an annotated video."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lstmzoo.actions.presence import DECIMALS, LEAST_PRESENCE, NOBODY
from lstmzoo.actions.sliding_window import Prediction, classify_stream
from lstmzoo.io.atomic import csv_file
from lstmzoo.io.video_stream import Stream
from lstmzoo.viz.overlay import Overlay
from lstmzoo.viz.video_file import video_file


@dataclass(frozen=True)
class Outcome:
    """A summary of the labels of one video."""

    name: str  # what the video is called in the summary
    label: str  # the class with the highest mean probability over the time in which somebody is there, or "nobody"
    confidence: float  # that mean probability, in 0..1; of "nobody", the mean absence
    # share of the time with each label; only labels that ever were
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
    least_presence: float = LEAST_PRESENCE,
    advance: Callable[[int], None] = lambda frames: None,
) -> Outcome:
    """Classify a stream; write the labels over time as CSV, and the annotated video.

    An interrupt (Ctrl-C, SIGTERM) ends it early but cleanly: what was seen so far is written.

    Args:
        model: from ``lstmzoo.load``.
        stream: an opened video file or camera.
        name: what the video is called in the summary.
        table: the CSV to write: frame (from 0), time_s, label, presence, and the probability of every class, whose
            cells are empty where nobody is there.
        annotated: the video to write (.mp4 or .avi), or None for none.
        stride: frames from one prediction to the next.
        least_presence: where somebody is seen in a smaller share of a clip's frames, the label is "nobody".
        advance: called with 1 after every frame, for a progress bar.

    Raises:
        DataError: not one frame of it decodes, or the model's outputs are not finite; nothing is written then.
        KeyboardInterrupt: an interrupt before the first prediction; nothing is written then.
    """
    started, number, time_s = time.perf_counter(), -1, 0.0
    interrupt: KeyboardInterrupt | None = None
    until = before = 0.0  # where what was seen ends, and where the newest prediction's stretch began
    newest: Prediction | None = None
    labels = [*model.classes, NOBODY]
    mean, share, absence = np.zeros(len(model.classes)), np.zeros(len(labels)), 0.0
    overlay: Overlay | None = None
    with ExitStack() as stack:
        header = ["frame", "time_s", "label", "presence", *(f"p_{label}" for label in model.classes)]
        write_row = stack.enter_context(csv_file(table, header))
        video = stack.enter_context(video_file(annotated, stream.output_rate)) if annotated else None
        predictions = classify_stream(model, stream, stride=stride, least_presence=least_presence)
        try:
            for number, ((image, time_s), prediction) in enumerate(predictions):
                if prediction is not None:
                    newest = prediction
                    label = prediction.label
                    score = f"{prediction.presence:.{DECIMALS}f}"
                    shown = ["" if label == NOBODY else f"{p:.4f}" for p in prediction.probabilities]
                    write_row([number, f"{prediction.time_s:.3f}", label, score, *shown])
                    # A prediction stands for the time since the one before.
                    until = time_s + 1 / stream.rate
                    span, before = until - before, until
                    share[-1 if label == NOBODY else prediction.probabilities.argmax()] += span
                    absence += span * (1 - prediction.presence)
                    if label != NOBODY:
                        mean += span * prediction.probabilities
                if video is not None:
                    overlay = overlay or Overlay(model.classes, image.shape[:2], stream.rate, stream.total)
                    video.write(overlay.draw(image, number, *_shown(newest), time_s=time_s), time_s)
                advance(1)
        except KeyboardInterrupt as error:
            if not until:
                raise
            interrupt = error
    frames, best = number + 1, int(mean.argmax())
    there = until - share[-1]  # seconds in which somebody was
    mean, share = mean / max(there, 1e-9), share / until
    return Outcome(
        name=name,
        label=model.classes[best] if there > 0 else NOBODY,
        confidence=float(mean[best]) if there > 0 else absence / until,
        shares={labels[k]: float(share[k]) for k in np.argsort(-share, kind="stable") if share[k]},
        frames=frames,
        seconds=time_s + 1 / stream.rate,
        speed=frames / (time.perf_counter() - started),
        ended_by=interrupt,
    )


def _shown(newest: Prediction | None) -> tuple[np.ndarray | None, str, str]:
    """What the video says of a prediction: the probabilities, a label in place of a class, and a note."""
    if newest is None:
        return None, "", ""
    nobody = newest.label == NOBODY
    return (None if nobody else newest.probabilities), NOBODY * nobody, f"presence {newest.presence:g}"
