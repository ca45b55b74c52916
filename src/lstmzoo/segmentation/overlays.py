"""Masks painted over the frames they belong to."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from lstmzoo.segmentation.data.masks import VOID, davis_palette
from lstmzoo.viz.overlay import MIN_WIDTH
from lstmzoo.viz.style import drawing, figure, save

OPACITY = 0.5
WIDTH, GAP, LINE = 2.6, 0.08, 0.24  # inches: of a frame, between frames, of a line of text
PAIRS = 2  # side by side


def overlay_masks(frame: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Paint objects in the colours of DAVIS, with a bright outline around each; void is white.

    Args:
        frame: uint8 (H, W, 3) RGB.
        ids: uint8 (H, W), 0 background, 1 … 254 objects, 255 void.

    Returns:
        uint8 (H, W, 3).
    """
    colours = davis_palette()
    colours[VOID] = 255
    painted = ids > 0
    blend = frame.copy()
    blend[painted] = ((1 - OPACITY) * frame[painted] + OPACITY * colours[ids[painted]]).astype(np.uint8)
    thickness = max(1, round(min(ids.shape) / 240))
    for number in np.unique(ids[painted & (ids != VOID)]).tolist():
        outlines, _ = cv2.findContours((ids == number).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        bright = (255 * colours[number].astype(float) / max(1, colours[number].max())).astype(int).tolist()
        cv2.drawContours(blend, outlines, -1, bright, thickness)
    return blend


def enlarged(image: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Enlarge a frame (H, W, 3) and its mask (H, W) by a whole number if they are too small to be seen."""
    height, width = ids.shape
    zoom = max(1, -(-MIN_WIDTH // width))
    if zoom == 1:
        return image, ids
    size = (width * zoom, height * zoom)
    return cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), cv2.resize(
        ids, size, interpolation=cv2.INTER_NEAREST
    )


def video_frame(image: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Paint a frame for a video: BGR as a codec wants it, with even sides and not too small to be seen."""
    image, ids = enlarged(image, ids)
    painted = cv2.cvtColor(overlay_masks(image, ids), cv2.COLOR_RGB2BGR)
    height, width = ids.shape
    return cv2.copyMakeBorder(painted, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)


def frames_sheet(
    frames: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    captions: Sequence[str],
    path: str | Path,
    *,
    title: str = "",
    paint: Callable[[np.ndarray, np.ndarray], np.ndarray] = overlay_masks,
    legend: Mapping[str, Sequence[int]] | None = None,
) -> Path:
    """Draw frames twice, with their true and with their predicted masks.

    Args:
        frames: image uint8 (H, W, 3), truth and prediction uint8 (H, W) of each.
        captions: a line about each.
        path: the image to write.
        title: the heading.
        paint: paints a mask over an image.
        legend: what colours (RGB in 0..255) mean, at the bottom.
    """
    columns = min(PAIRS, len(frames))
    rows = -(-len(frames) // columns)
    tallest = max(frame.shape[0] / frame.shape[1] for frame, _, _ in frames) * WIDTH
    pair, step = 2 * (WIDTH + GAP) + 2 * GAP, tallest + LINE + GAP
    width, height = columns * pair, rows * step + 0.4
    per_line = max(1, int(width / 1.3))
    bottom = 0.22 * -(-len(legend or ()) // per_line)  # inches
    height += bottom
    with drawing():
        made = figure(width, height)
        made.set_layout_engine("none")
        made.text(GAP / width, 1 - 0.1 / height, title, va="top", fontsize=11, fontweight="bold")
        for number, ((frame, *masks), caption) in enumerate(zip(frames, captions, strict=True)):
            row, column = divmod(number, columns)
            left, top = column * pair + GAP, height - 0.4 - row * step
            made.text(left / width, (top - 0.04) / height, caption, va="top", fontsize=9)
            tall = frame.shape[0] / frame.shape[1] * WIDTH
            for place, ids in enumerate(masks):
                box = (left + place * (WIDTH + GAP), top - LINE - tall, WIDTH, tall)
                axes = made.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height))
                axes.imshow(paint(frame, ids), aspect="auto")
                axes.axis("off")
        for number, (name, colour) in enumerate((legend or {}).items()):
            row, column = divmod(number, per_line)
            x, y = (GAP + 1.3 * column) / width, (bottom - 0.22 * row - 0.1) / height
            made.text(x, y, "■", color=[value / 255 for value in colour], va="center", fontsize=12)
            made.text(x + 0.16 / width, y, name, va="center", fontsize=9)
        return save(made, path)
