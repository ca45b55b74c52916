"""Pictures of captions: contact sheets, and where a captioner looked while it spoke."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from lstmzoo.inference.captions import Spoken
from lstmzoo.inference.gate_plot import gate_traces
from lstmzoo.inference.style import INK, MUTED, drawing, figure, save

COLUMNS, LINE = 4, 30  # pictures side by side, letters per line beneath one
MOST = 24


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
        pictures: uint8 (3, H, W) each, at most as many as fit on a page (`MOST`).
        captions: the sentences of each, the best first.
        path: the picture to write.
        references: what a person said about each, shown in grey.
        title: the heading.

    Returns:
        The path.
    """
    texts = [[_wrapped(sentence) for sentence in several] for several in captions]
    notes = [_wrapped(text) for text in references] if references is not None else [""] * len(texts)
    lines = max(
        sum(t.count("\n") + 1 for t in several) + note.count("\n") + 1
        for several, note in zip(texts, notes, strict=True)
    )
    columns = min(COLUMNS, len(pictures))
    rows = -(-len(pictures) // columns)
    below = 0.16 * lines + 0.1  # inches of text
    width, height = 2.5 * columns, rows * (2.3 + below) + 0.4
    with drawing():
        made = figure(width, height)
        made.set_layout_engine("none")
        made.text(0.1 / width, 1 - 0.12 / height, title, va="top", fontsize=11, fontweight="bold")
        for number, picture in enumerate(pictures):
            row, column = divmod(number, columns)
            top = height - 0.4 - row * (2.3 + below)
            axes = made.add_axes(((column * 2.5 + 0.1) / width, (top - 2.2) / height, 2.3 / width, 2.2 / height))
            axes.imshow(picture.transpose(1, 2, 0), aspect="auto")
            axes.axis("off")
            y = top - 2.26
            for text, colour in [*((t, INK) for t in texts[number]), (notes[number], MUTED)]:
                made.text((column * 2.5 + 0.1) / width, y / height, text, va="top", fontsize=8.5, color=colour)
                y -= 0.16 * (text.count("\n") + 1)
        return save(made, path)


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
    return gate_traces(
        spoken.trace,
        np.stack(_looks(spoken, picture)),
        path,
        probabilities=np.stack(list(curves.values()), axis=1),
        classes=list(curves),
        measure="word",
        steps=spoken.steps,
        layer=layer,
        title=title,
        subtitle=subtitle,
    )


def _looks(spoken: Spoken, picture: np.ndarray) -> list[np.ndarray]:
    """The picture at every step, bright where the attention is; (H, W, 3) uint8 each."""
    image = np.ascontiguousarray(picture.transpose(1, 2, 0))
    if spoken.attention is None:
        return [image] * len(spoken.steps)
    side = int(np.sqrt(spoken.attention.shape[1]))
    if side * side != spoken.attention.shape[1]:
        return [image] * len(spoken.steps)
    grey = image.mean(axis=2, keepdims=True) * 0.35
    looks = []
    for weights in spoken.attention:
        light = cv2.resize(weights.reshape(side, side), image.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        light = np.clip(light / max(float(weights.max()), 1e-9), 0, 1)[:, :, None]
        looks.append((light * image + (1 - light) * grey).astype(np.uint8))
    return looks


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, LINE)) or " "
