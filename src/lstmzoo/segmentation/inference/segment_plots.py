"""Pictures of masks over their frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from lstmzoo.segmentation.inference.mask_overlay import overlay_masks

from lstmzoo.viz.style import drawing, figure, save

WIDTH, GAP, LINE = 2.6, 0.08, 0.24  # inches: of a frame, between frames, of a line of text
PAIRS = 2  # side by side


def frames_sheet(
    pictures: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    captions: Sequence[str],
    path: str | Path,
    *,
    title: str = "",
) -> Path:
    """Draw frames twice, with their true and with their predicted masks.

    Args:
        pictures: frame uint8 (H, W, 3), truth and prediction uint8 (H, W) of each.
        captions: a line about each.
        path: the picture to write.
        title: the heading.

    Returns:
        The path.
    """
    columns = min(PAIRS, len(pictures))
    rows = -(-len(pictures) // columns)
    tallest = max(frame.shape[0] / frame.shape[1] for frame, _, _ in pictures) * WIDTH
    pair, step = 2 * (WIDTH + GAP) + 2 * GAP, tallest + LINE + GAP
    width, height = columns * pair, rows * step + 0.4
    with drawing():
        made = figure(width, height)
        made.set_layout_engine("none")
        made.text(GAP / width, 1 - 0.1 / height, title, va="top", fontsize=11, fontweight="bold")
        for number, ((frame, *masks), caption) in enumerate(zip(pictures, captions, strict=True)):
            row, column = divmod(number, columns)
            left, top = column * pair + GAP, height - 0.4 - row * step
            made.text(left / width, (top - 0.04) / height, caption, va="top", fontsize=9)
            tall = frame.shape[0] / frame.shape[1] * WIDTH
            for place, ids in enumerate(masks):
                box = (left + place * (WIDTH + GAP), top - LINE - tall, WIDTH, tall)
                axes = made.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height))
                axes.imshow(overlay_masks(frame, ids), aspect="auto")
                axes.axis("off")
        return save(made, path)
