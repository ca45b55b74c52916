"""Figures of captions: contact sheets, and where a captioner looked at every word."""

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from lstmzoo.captioning.inference import CaptionTrace
from lstmzoo.viz.gate_plot import gate_traces
from lstmzoo.viz.style import INK, MUTED, drawing, figure, save

MOST, COLUMNS = 24, 4  # images on a sheet, and side by side
FULL = 4.0  # how many times the share of an even spread is shown fully bright
# The layout in inches: a column, the image in it, its greatest height, the margin, a line of text, a space beneath.
COLUMN, WIDE, TALL, MARGIN, LINE, SPACE = 2.5, 2.3, 2.6, 0.1, 0.16, 0.2
TEXT, NAME, HEADING = FontProperties(size=8.5), FontProperties(size=6.5), FontProperties(size=11, weight="bold")


def contact_sheet(
    images: Sequence[np.ndarray],
    captions: Sequence[Sequence[str]],
    path: str | Path,
    *,
    names: Sequence[str],
    references: Sequence[str] | None = None,
    title: str = "",
) -> Path:
    """Draw images with their captions.

    Args:
        images: uint8 (3, H, W) each, at most as many as fit on a page (`MOST`); shown with their proportions.
        captions: the sentences of each, the best first; several are numbered.
        path: the file to write.
        names: of the images, shown small.
        references: a person's caption of each, shown in grey.
        title: the heading.
    """
    columns = min(COLUMNS, len(images))
    width = COLUMN * columns
    with drawing():
        heading = _wrapped(title, width - 2 * MARGIN, HEADING)
        notes = references if references is not None else [""] * len(images)
        texts = [_text(*about) for about in zip(names, captions, notes, strict=True)]
        rows = [range(first, min(first + columns, len(images))) for first in range(0, len(images), columns)]
        heights = [max(_height(images[k]) for k in row) for row in rows]
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
                axes = made.add_axes(box, anchor="SW")  # images of a row stand on one line
                axes.imshow(images[k].transpose(1, 2, 0))
                axes.axis("off")
                for number, (line, font, colour) in enumerate(texts[k]):
                    _write(made, left, y + tall + 0.05 + LINE * number, line, font, colour)
            y += tall + text_height
        return save(made, path)


def _text(name: str, sentences: Sequence[str], reference: str) -> list[tuple[str, FontProperties, str]]:
    """The lines under an image, each with its font and colour."""
    numbered = [f"{number}. {said}" for number, said in enumerate(sentences, start=1)]
    said = [(text, INK) for text in (numbered if len(sentences) > 1 else sentences)]
    noted = [(reference, MUTED)] if reference else []
    lines = [(line, TEXT, colour) for text, colour in [*said, *noted] for line in _wrapped(text, WIDE, TEXT)]
    return [(_shortened(name, WIDE, NAME), NAME, MUTED), *lines]


def _height(image: np.ndarray) -> float:
    """How tall an image is shown, in inches."""
    return min(WIDE * image.shape[1] / image.shape[2], TALL)


def _write(made: Figure, x: float, y: float, text: str, font: FontProperties, colour: str) -> None:
    """Write a line; x and y in inches from the upper left corner."""
    width, height = made.get_size_inches()
    # Captions are not mathematics, whatever they cost ($5).
    made.text(x / width, 1 - y / height, text, va="top", fontproperties=font, color=colour, parse_math=False)


def _wrapped(text: str, width: float, font: FontProperties) -> list[str]:
    """Break a text into lines that are as long as fits into a width, in inches."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _wide(longer, font) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _shortened(name: str, width: float, font: FontProperties) -> str:
    """A name, without its beginning where it does not fit into a width, in inches."""
    end = name
    while _wide(name, font) > width:
        end = end[1:]
        name = f"…{end}"
    return name


def _wide(text: str, font: FontProperties) -> float:
    """How wide a text is, in inches."""
    renderer = _renderer()
    return float(renderer.get_text_width_height_descent(text, font, False)[0]) / renderer.dpi


@cache
def _renderer() -> Any:
    canvas = figure(1, 1).canvas
    assert isinstance(canvas, FigureCanvasAgg)
    return canvas.get_renderer()


def word_by_word(
    trace: CaptionTrace, image: np.ndarray, path: str | Path, *, title: str, subtitle: str, layer: int
) -> Path:
    """Draw where the captioner looked at every word, and what its gates did, over one axis of words.

    Raises:
        LstmzooError: there is no such layer.
    """
    curves = {"the word": trace.probabilities}
    if trace.attention is not None:
        curves["brightest region"] = trace.attention.max(axis=1)
    if trace.sentinel is not None:
        curves["sentinel β"] = trace.sentinel
    images, strip = looks(trace, image)
    return gate_traces(
        trace.trace,
        images,
        path,
        probabilities=np.stack(list(curves.values()), axis=1),
        classes=list(curves),
        measure="word",
        steps=trace.steps,
        strip=strip,
        layer=layer,
        title=title,
        subtitle=subtitle,
    )


def looks(trace: CaptionTrace, image: np.ndarray) -> tuple[np.ndarray, Sequence[str]]:
    """The image at every step, bright where the attention is, (T, H, W, 3) uint8; and the title of the strip.

    The region with the greatest attention is fully bright from `FULL` times the share of an even spread on; an even
    spread leaves the image dark. Without attention the image is shown once, before the sentence.
    """
    shown = np.ascontiguousarray(image.transpose(1, 2, 0))
    if trace.attention is None:
        blank = np.full_like(shown, 255)
        return np.stack([shown, *[blank] * (len(trace.steps) - 1)]), ("image",)
    side = math.isqrt(trace.attention.shape[1])  # encoders see a square
    grey = shown.mean(axis=2, keepdims=True) * 0.35
    images = []
    for weights in trace.attention:
        light = cv2.resize(weights.reshape(side, side), shown.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        light = np.clip(light / max(float(weights.max()), FULL / len(weights)), 0, 1)[:, :, None]
        images.append((light * shown + (1 - light) * grey).astype(np.uint8))
    return np.stack(images), ("image", "bright: where", "it looked")
