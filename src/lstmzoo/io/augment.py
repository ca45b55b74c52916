"""Random views of a training clip: mirrored, shifted, zoomed or in another light, the same for all its frames."""

from dataclasses import dataclass

import cv2
import numpy as np

from lstmzoo.errors import LstmzooError


@dataclass(frozen=True)
class Augment:
    """Show a clip as if another camera had stood elsewhere; all its frames change alike, and its timing stays."""

    flip: bool = True  # mirror half of the clips, left to right
    shift: float = 0.08  # largest shift in each direction, as a share of the frame
    zoom: float = 0.15  # strongest zoom in or out, as a share of the size (0.1: 0.9 to 1.1)
    light: float = 0.0  # strongest change of contrast, brightness and gamma, as a share
    noise: float = 0.0  # standard deviation of the strongest noise, in grey values

    def __post_init__(self) -> None:
        for name in ("shift", "zoom", "light"):
            if not 0 <= getattr(self, name) < 1:
                raise LstmzooError(f"{name} is a share, 0 or more and less than 1; not {getattr(self, name)!r}")
        if not 0 <= self.noise <= 255:
            raise LstmzooError(f"noise is in grey values, 0 to 255; not {self.noise!r}")

    def __call__(self, frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw a view and apply it to every frame.

        Args:
            frames: uint8 (T, H, W, C).
            rng: source of the randomness; four numbers are drawn, and more for light and noise.

        Returns:
            uint8 (T, H, W, C). Where a shift leaves a gap, the edge of the frame is repeated.
        """
        mirrored = self.flip and rng.random() < 0.5
        scale = 1 + self.zoom * rng.uniform(-1, 1)
        height, width = frames.shape[1:3]
        moved = self.shift * rng.uniform(-1, 1, 2) * (width, height)
        if self.light:
            frames = cv2.LUT(frames, self._tones(rng)).reshape(frames.shape)
        if self.noise:
            grain = rng.uniform(0, self.noise) * rng.standard_normal(frames.shape, np.float32)
            frames = (frames + grain).clip(0, 255).astype(np.uint8)
        if mirrored:
            frames = frames[:, :, ::-1]
        if not self.shift and not self.zoom:
            return frames
        centre = np.array([width - 1, height - 1]) / 2
        offset = centre * (1 - scale) + moved
        matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
        view = np.empty_like(frames, order="C")
        for source, target in zip(np.ascontiguousarray(frames), view, strict=True):
            warped = cv2.warpAffine(source, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
            target[:] = warped.reshape(target.shape)
        return view

    def _tones(self, rng: np.random.Generator) -> np.ndarray:
        """Draw the tone (256,) uint8 that each grey value becomes."""
        contrast, gamma = np.exp(self.light * rng.uniform(-1, 1, 2))
        tones = 255 * (np.arange(256) / 255) ** gamma
        tones = 128 + contrast * (tones - 128) + 128 * self.light * rng.uniform(-1, 1)
        return tones.clip(0, 255).astype(np.uint8)
