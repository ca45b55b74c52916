"""Pictures of captions: contact sheets, and where a captioner looked while it spoke."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from lstmzoo.inference.captions import Spoken
from lstmzoo.inference.gate_plot import gate_traces
from lstmzoo.inference.style import INK, MUTED, drawing, figure, save

MOST, COLUMNS = 24, 4  # pictures on a sheet, and side by side
# The layout in inches: a column, the picture in it, its greatest height, the margin, a line of text, a space beneath.
COLUMN, WIDE, TALL, MARGIN, LINE, SPACE = 2.5, 2.3, 2.6, 0.1, 0.16, 0.2
TEXT, HEADING = FontProperties(size=8.5), FontProperties(size=11, weight="bold")


def contact_sheet(
    pictures: Sequence[np.ndarray],
    captions: Sequence[Sequence[str]],
    path: str | Path,
    *,
    references: Sequence[str] | None = None,
    title: str = "",
) -> Path:
    """Draw pictures with what was said about them.

    Args:
        pictures: uint8 (3, H, W) each, at most as many as fit on a page (`MOST`); shown with their proportions.
        captions: the sentences of each, the best first.
        path: the picture to write.
        references: what a person said about each, shown in grey.
        title: the heading.

    Returns:
        The path.
    """
    columns = min(COLUMNS, len(pictures))
    width = COLUMN * columns
    with drawing():
        heading = _wrapped(title, width - 2 * MARGIN, HEADING)
        notes = references if references is not None else [""] * len(pictures)
        texts = [
            [(line, colour) for said, colour in _coloured(several, note) for line in _wrapped(said, WIDE, TEXT)]
            for several, note in zip(captions, notes, strict=True)
        ]
        rows = [range(first, min(first + columns, len(pictures))) for first in range(0, len(pictures), columns)]
        heights = [max(_height(pictures[k]) for k in row) for row in rows]
        below = [LINE * max(len(texts[k]) for k in row) + SPACE for row in rows]
        y = MARGIN + 0.2 * len(heading)  # downwards, in inches
        height = y + sum(heights) + sum(below)
        made = figure(width, height)
        made.set_layout_engine("none")
        for number, line in enumerate(heading):
            _write(made, MARGIN, MARGIN + 0.2 * number, line, HEADING, INK)
        for row, tall, text_height in zip(rows, heights, below, strict=True):
            for column, k in enumerate(row):
                left = COLUMN * column + MARGIN
                box = (left / width, 1 - (y + tall) / height, WIDE / width, tall / height)
                axes = made.add_axes(box, anchor="SW")  # pictures of a row stand on one line
                axes.imshow(pictures[k].transpose(1, 2, 0))
                axes.axis("off")
                for number, (line, colour) in enumerate(texts[k]):
                    _write(made, left, y + tall + 0.05 + LINE * number, line, TEXT, colour)
            y += tall + text_height
        return save(made, path)


def _coloured(sentences: Sequence[str], reference: str) -> list[tuple[str, str]]:
    """The sentences about a picture, each with its colour."""
    return [*((sentence, INK) for sentence in sentences), *([(reference, MUTED)] if reference else [])]


def _height(picture: np.ndarray) -> float:
    """How tall a picture is shown, in inches."""
    return min(WIDE * picture.shape[1] / picture.shape[2], TALL)


def _write(made: Figure, x: float, y: float, text: str, font: FontProperties, colour: str) -> None:
    """Write a line; x and y in inches from the upper left corner."""
    width, height = made.get_size_inches()
    # Captions are no mathematics, whatever they cost ($5).
    made.text(x / width, 1 - y / height, text, va="top", fontproperties=font, color=colour, parse_math=False)


def _wrapped(text: str, width: float, font: FontProperties) -> list[str]:
    """Break a text into lines that are as long as fits into a width, in inches."""
    canvas = figure(1, 1).canvas
    assert isinstance(canvas, FigureCanvasAgg)
    renderer = canvas.get_renderer()
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and renderer.get_text_width_height_descent(longer, font, False)[0] > width * renderer.dpi:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def word_by_word(
    spoken: Spoken, picture: np.ndarray, path: str | Path, *, title: str, subtitle: str, layer: int
) -> Path:
    """Draw where the captioner looked at every word, and what its gates did, over one axis of words.

    Args:
        spoken: from `replay`.
        picture: uint8 (3, H, W).
        path: the picture to write.
        title: the heading.
        subtitle: a line beneath it.
        layer: which recurrent layer's gates; -1 is the last.

    Returns:
        The path.

    Raises:
        LstmzooError: there is no such layer.
    """
    curves = {"the word": spoken.probabilities}
    if spoken.unseen is not None:
        curves["sentinel β"] = spoken.unseen
    looks, strip = _looks(spoken, picture)
    return gate_traces(
        spoken.trace,
        looks,
        path,
        probabilities=np.stack(list(curves.values()), axis=1),
        classes=list(curves),
        measure="word",
        steps=spoken.steps,
        strip=strip,
        layer=layer,
        title=title,
        subtitle=subtitle,
    )


def _looks(spoken: Spoken, picture: np.ndarray) -> tuple[np.ndarray, Sequence[str]]:
    """The picture at every step, bright where the attention is, (T, H, W, 3) uint8; and what these pictures are.

    Where no attention is known the picture is there once, before the sentence.
    """
    image = np.ascontiguousarray(picture.transpose(1, 2, 0))
    if spoken.attention is None:
        blank = np.full_like(image, 255)
        return np.stack([image, *[blank] * (len(spoken.steps) - 1)]), ("picture",)
    side = math.isqrt(spoken.attention.shape[1])  # encoders see a square
    grey = image.mean(axis=2, keepdims=True) * 0.35
    looks = []
    for weights in spoken.attention:
        light = cv2.resize(weights.reshape(side, side), image.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        light = np.clip(light / max(float(weights.max()), 1e-9), 0, 1)[:, :, None]
        looks.append((light * image + (1 - light) * grey).astype(np.uint8))
    return np.stack(looks), ("picture", "bright: where", "it looked")
