"""The annotated video: the original frame, beside it the class probabilities, beneath it the labels over time."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from lstmzoo.viz.style import class_colours

# Sizes in pixels at a frame height of 360; everything grows with the frame.
REFERENCE, PANEL, STRIP, MARGIN = 360, 250, 30, 16
MIN_WIDTH = 480  # smaller frames are enlarged to this, so that text is readable
MAX_HEIGHT = 1080  # ... but no taller than this
MAX_BARS = 8  # with more classes, the most probable ones are shown
SCROLL_S = 20.0  # seconds on the time line of a source whose length is not known

Colour = tuple[int, int, int]  # BGR, as OpenCV has it
BACKGROUND, TRACK, TEXT, FAINT = (28, 24, 22), (58, 52, 48), (245, 242, 240), (170, 160, 152)
FONT = cv2.FONT_HERSHEY_SIMPLEX


class Overlay:
    """Draws one annotated frame after the other; its memory does not grow with the video.

    Args:
        classes: the K class names.
        frame_size: (height, width) of the frames in pixels.
        rate: frames per second.
        total: how many frames are expected, or None: then the time line scrolls.
    """

    def __init__(
        self, classes: Sequence[str], frame_size: tuple[int, int], rate: float, total: int | None = None
    ) -> None:
        height, width = frame_size
        zoom = max(1, min(math.ceil(MIN_WIDTH / width), MAX_HEIGHT // height))
        self.image = (height * zoom, width * zoom)
        self.scale = max(self.image[0], 240) / REFERENCE
        self.classes, self.colours = list(classes), [_bgr(colour) for colour in class_colours(len(classes))]
        self.rate = rate
        panel, strip = self._px(PANEL), self._px(STRIP)
        # Codecs want even sides.
        self.width = (self.image[1] + panel + 1) // 2 * 2
        self.body = max(self.image[0], self._px(240))
        self.height = (self.body + strip + 1) // 2 * 2
        self.span = max(total or 0, 1) if total else max(round(rate * SCROLL_S), 1)
        self.line = np.full((self.width - 2 * self._px(MARGIN), 3), TRACK, np.uint8)
        self.column = 0

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the annotated frames, both even."""
        return self.width, self.height

    def draw(
        self,
        image: np.ndarray,
        frame: int,
        probabilities: np.ndarray | None,
        label: str = "",
        note: str = "",
        *,
        time_s: float | None = None,
    ) -> np.ndarray:
        """Annotate the next frame; frames are to come in order.

        Args:
            image: the frame as OpenCV reads it, (H, W, 3) uint8 BGR.
            frame: its number, from 0.
            probabilities: (K,) the newest class probabilities, or None while there are none.
            label: what is said where there are no probabilities.
            note: a short remark, beside the time.
            time_s: its time in seconds; None for frame / rate.

        Returns:
            (height, width, 3) uint8 BGR.
        """
        canvas = np.full((self.height, self.width, 3), BACKGROUND, np.uint8)
        height, width = self.image
        enlarged = image.shape[0] < height
        top = (self.body - height) // 2
        canvas[top : top + height, :width] = cv2.resize(
            image, (width, height), interpolation=cv2.INTER_CUBIC if enlarged else cv2.INTER_AREA
        )
        clock = _clock(frame / self.rate if time_s is None else time_s)
        self._draw_panel(canvas, probabilities, label or "...", f"{clock}   {note}".rstrip())
        self._draw_line(canvas, frame, probabilities)
        return canvas

    def _draw_panel(self, canvas: np.ndarray, probabilities: np.ndarray | None, label: str, remark: str) -> None:
        margin = self._px(MARGIN)
        left, right = self.image[1] + margin, self.width - margin
        best = None if probabilities is None else int(np.argmax(probabilities))
        title = label if best is None else self.classes[best]
        self._text(canvas, title, left, self._px(42), 0.82, TEXT, right - left, bold=True)
        self._text(canvas, remark, left, self._px(66), 0.46, FAINT, right - left)

        order = np.arange(len(self.classes))
        if len(order) > MAX_BARS and probabilities is not None:
            order = np.argsort(-probabilities, kind="stable")
        rows = order[:MAX_BARS]
        top, pitch = self._px(86), min((self.body - self._px(86 + 8)) / len(rows), self._px(46))
        bar = min(self._px(9), int(pitch * 0.3))
        for row, k in enumerate(rows):
            value = 0.0 if probabilities is None else float(probabilities[k])
            y = int(top + row * pitch + pitch * 0.5)
            strong = TEXT if k == best else FAINT
            self._text(canvas, self.classes[k], left, y, 0.46, strong, int((right - left) * 0.76))
            percent = f"{value:.0%}"
            wide = cv2.getTextSize(percent, FONT, 0.46 * self.scale, self._px(1))[0][0]
            self._text(canvas, percent, right - wide, y, 0.46, strong, wide + 1)
            y += self._px(6)
            cv2.rectangle(canvas, (left, y), (right, y + bar), TRACK, -1)
            if value > 0.005:
                cv2.rectangle(canvas, (left, y), (left + round(value * (right - left)), y + bar), self.colours[k], -1)

    def _draw_line(self, canvas: np.ndarray, frame: int, probabilities: np.ndarray | None) -> None:
        """Paint the columns of the time line up to this frame, in the colour of its label."""
        columns = len(self.line)
        end = (frame + 1) * columns // self.span
        colour = TRACK if probabilities is None else self.colours[int(np.argmax(probabilities))]
        fresh = min(end - self.column, columns)
        if end > columns and fresh > 0:  # longer than expected, or endless: the line moves to the left
            shift = min(end - max(self.column, columns), columns)
            self.line[: columns - shift] = self.line[shift:].copy()
        if fresh > 0:
            self.line[max(min(end, columns) - fresh, 0) : min(end, columns)] = colour
            self.column = end
        margin, tall = self._px(MARGIN), self._px(12)
        y = self.body + (self.height - self.body - tall) // 2
        canvas[y : y + tall, margin : margin + columns] = self.line
        cursor = margin + min(end, columns)
        cv2.line(canvas, (cursor, y - self._px(4)), (cursor, y + tall + self._px(3)), TEXT, max(1, self._px(2)))

    def _text(
        self,
        canvas: np.ndarray,
        text: str,
        x: int,
        y: int,
        size: float,
        colour: Colour,
        room: int,
        *,
        bold: bool = False,
    ) -> None:
        """Write text with its base line at y, smaller where it would not fit into the room."""
        size, thick = size * self.scale, max(1, self._px(2 if bold else 1))
        width = cv2.getTextSize(text, FONT, size, thick)[0][0]
        cv2.putText(canvas, text, (x, y), FONT, size * min(1.0, room / max(width, 1)), colour, thick, cv2.LINE_AA)

    def _px(self, size: float) -> int:
        return round(size * self.scale)


def _bgr(colour: str) -> Colour:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return blue, green, red


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"
