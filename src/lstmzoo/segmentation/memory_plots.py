"""A model's memory as one image of some frames, and as a video of all."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from lstmzoo.segmentation.memory_maps import MapRow, outline
from lstmzoo.segmentation.recording import Recording
from lstmzoo.segmentation.retention import stretches
from lstmzoo.viz.overlay import BACKGROUND, FAINT, FONT, TEXT, Colour
from lstmzoo.viz.style import INK, MUTED, OKABE_ITO, drawing, figure, save
from lstmzoo.viz.video_file import video_file

COLUMNS = 8
LEFT, RIGHT, TOP, GAP, HEAD, WIDE = 1.3, 0.8, 0.72, 0.06, 0.24, 1.45  # inches; the last is the width of a frame
TILE, LINE, ACROSS = 320, 26, 3  # video: least width of a map, height of a line of text (pixels), maps side by side


def choose_frames(occluded: np.ndarray) -> list[int]:
    """Choose frames evenly, and those before, within and after the first stretch in which the object is occluded.

    Args:
        occluded: (T,) bool.
    """
    total = len(occluded)
    chosen = set(np.linspace(0, total - 1, min(COLUMNS, total)).round().astype(int).tolist())
    first, last = next(stretches(occluded), (0, 0))
    special = {max(first - 1, 0), (first + last) // 2, min(last + 1, total - 1)} if last else set()
    for wanted in sorted(special - chosen):
        chosen.remove(min(chosen - special, key=lambda there: abs(there - wanted)))
        chosen.add(wanted)
    return sorted(chosen)


def memory_sheet(
    recording: Recording, rows: Sequence[MapRow], occluded: np.ndarray, path: str | Path, *, title: str, subtitle: str
) -> Path:
    """Draw some frames side by side, and beneath each what the memory held and the gates did."""
    chosen, size = choose_frames(occluded), recording.frames.shape[1:3]
    tall = WIDE * size[0] / size[1]
    width = LEFT + len(chosen) * (WIDE + GAP) + RIGHT
    height = TOP + HEAD + len(rows) * (tall + GAP) + 0.1
    with drawing():
        made = figure(width, height)
        made.set_layout_engine("none")
        made.text(0.12 / width, 1 - 0.14 / height, title, fontsize=13, fontweight="bold", va="top")
        made.text(0.12 / width, 1 - 0.42 / height, subtitle, fontsize=9, color=MUTED, va="top")
        for column, t in enumerate(chosen):
            x, y = LEFT + column * (WIDE + GAP) + WIDE / 2, height - TOP - HEAD + 0.05
            words = f"frame {recording.names[t]}" + (", occluded" if occluded[t] else "")
            colour = OKABE_ITO[3] if occluded[t] else INK
            made.text(x / width, y / height, words, ha="center", fontsize=8.5, color=colour)
        for number, row in enumerate(rows):
            y = height - TOP - HEAD - number * (tall + GAP) - tall
            for line, (text, weight, colour) in enumerate(((row.title, "bold", INK), (row.note, "normal", MUTED))):
                place = ((LEFT - 0.12) / width, (y + tall - 0.17 * line) / height)
                made.text(*place, text, ha="right", va="top", fontsize=9, fontweight=weight, color=colour)
            axes = made.add_axes((LEFT / width, y / height, (width - LEFT - RIGHT - GAP) / width, tall / height))
            axes.imshow(
                _side_by_side([_outlined(row, recording, t) for t in chosen]), aspect="auto", interpolation="nearest"
            )
            axes.axis("off")
            if row.maps.dtype != np.uint8:
                bar = made.add_axes(((width - RIGHT + 0.04) / width, y / height, 0.09 / width, tall / height))
                shade = ScalarMappable(Normalize(*row.limits), row.cmap)
                made.colorbar(shade, cax=bar, ticks=row.limits)
                bar.set_yticklabels(row.ends, fontsize=8)
                bar.tick_params(length=0)
                bar.spines[:].set_visible(False)
                lowest, highest = bar.get_yticklabels()
                lowest.set_verticalalignment("bottom")
                highest.set_verticalalignment("top")
        return save(made, path)


def memory_video(
    recording: Recording, rows: Sequence[MapRow], occluded: np.ndarray, path: str | Path, rate: float, *, title: str
) -> Path:
    """Write the same as a video of all frames, the rows as tiles."""
    height, width = recording.frames.shape[1:3]
    zoom = max(1, -(-TILE // width))
    tile = (height * zoom + LINE, width * zoom + 8)
    across = min(ACROSS, len(rows))
    down = -(-len(rows) // across)
    canvas_size = ((LINE + 8 + down * tile[0] + 9) // 2 * 2, (across * tile[1] + 9) // 2 * 2)
    with video_file(path, rate) as video:
        for t, name in enumerate(recording.names):
            canvas = np.full((*canvas_size, 3), BACKGROUND, np.uint8)
            _write(canvas, f"{title}, frame {name}", 8, LINE - 6, TEXT)
            if occluded[t]:
                _write(canvas, "occluded", canvas_size[1] - 70, LINE - 6, (0, 94, 213))  # BGR of vermilion
            for number, row in enumerate(rows):
                down_by, right_by = divmod(number, across)
                y, x = LINE + 8 + down_by * tile[0], 8 + right_by * tile[1]
                _write(canvas, _ascii(f"{row.title}: {row.note}"), x, y + LINE - 8, FAINT)
                image = cv2.cvtColor(_outlined(row, recording, t), cv2.COLOR_RGB2BGR)
                image = image.repeat(zoom, axis=0).repeat(zoom, axis=1)
                canvas[y + LINE : y + tile[0], x : x + width * zoom] = image
            video.write(canvas)
    return Path(path)


def _side_by_side(images: Sequence[np.ndarray]) -> np.ndarray:
    """Images (H, W, 3) with white between them: one image is drawn much faster than many."""
    height, width = images[0].shape[:2]
    gap = np.full((height, max(1, round(width * GAP / WIDE)), 3), 255, np.uint8)
    return np.concatenate([part for image in images for part in (gap, image)][1:], axis=1)


def _outlined(row: MapRow, recording: Recording, t: int) -> np.ndarray:
    """A map with the outline of what was found; in the frame itself the mask is painted already."""
    image = row.image(t, recording.frames.shape[1:3])
    return image if row.title == "frame" else outline(image, recording.found[t])


def _write(canvas: np.ndarray, text: str, x: int, y: int, colour: Colour) -> None:
    cv2.putText(canvas, text, (x, y), FONT, 0.5, colour, 1, cv2.LINE_AA)


def _ascii(text: str) -> str:
    """OpenCV's letters are few."""
    return text.encode("ascii", "ignore").decode()
