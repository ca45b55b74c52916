"""What is seen of a training clip: one window and mirroring for frames and masks alike, and colours frame by frame."""

from dataclasses import dataclass

import cv2
import numpy as np

_GREY = np.full((3, 3), 1 / 3)  # every channel becomes the mean of all three


@dataclass(frozen=True)
class View:
    """A window of the frame, perhaps mirrored, brought to a size."""

    window: tuple[int, int, int, int]  # rows and columns that are seen: (top, left, height, width) in pixels
    mirrored: bool  # left and right change places
    size: tuple[int, int]  # (H, W) in pixels of what comes out

    def frame(self, frame: np.ndarray) -> np.ndarray:
        """Return the view (H, W, 3) of a frame (H₀, W₀, 3), averaged where it shrinks, else interpolated."""
        shrinks = self.window[2] >= self.size[0] and self.window[3] >= self.size[1]
        return self._apply(frame, cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)

    def mask(self, ids: np.ndarray) -> np.ndarray:
        """Return the view (H, W) of a mask (H₀, W₀): the number of the nearest pixel."""
        return self._apply(ids, cv2.INTER_NEAREST_EXACT)  # NEAREST would shift it by half a pixel

    def _apply(self, image: np.ndarray, interpolation: int) -> np.ndarray:
        top, left, height, width = self.window
        seen = image[top : top + height, left : left + width]
        seen = cv2.resize(seen, self.size[::-1], interpolation=interpolation)
        return np.ascontiguousarray(seen[:, ::-1]) if self.mirrored else seen


def whole(frame_size: tuple[int, int], size: tuple[int, int], *, mirrored: bool = False) -> View:
    """Return the view of the whole frame of (H₀, W₀) pixels, squeezed to `size`."""
    return View((0, 0, *frame_size), mirrored, size)


def random_view(
    frame_size: tuple[int, int],
    size: tuple[int, int],
    scale: tuple[float, float],
    *,
    mirrored: bool,
    rng: np.random.Generator,
) -> View:
    """Draw a window anywhere in the frame, with the proportions of the frame.

    Args:
        frame_size: (H₀, W₀) of the frames, in pixels.
        size: (H, W) of the view, in pixels.
        scale: least and greatest share of the frame's area that is seen.
        mirrored: left and right change places.
        rng: source of the randomness; three numbers are drawn.
    """
    share = np.sqrt(rng.uniform(*scale))
    height, width = (max(round(share * extent), 1) for extent in frame_size)
    top, left = (int(rng.integers(room + 1)) for room in (frame_size[0] - height, frame_size[1] - width))
    return View((top, left, height, width), mirrored, size)


def jitter_colours(frame: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Change brightness, contrast and saturation, each by up to `strength` as a share.

    x′ = c (s x + (1 − s) grey(x)) + b,  c, s in 1 ± strength, b in ± 128 strength

    Args:
        frame: uint8 (H, W, 3).
        strength: 0 or more; 0 changes nothing.
        rng: source of the randomness; three numbers are drawn.

    Returns:
        uint8 (H, W, 3).
    """
    brightness, contrast, saturation = strength * rng.uniform(-1, 1, 3)
    mix = (1 + contrast) * ((1 + saturation) * np.eye(3) - saturation * _GREY)  # (3, 3)
    shift = 128 * (brightness - contrast)  # contrast turns about the middle grey
    return cv2.transform(frame, np.column_stack([mix, np.full(3, shift)]))
