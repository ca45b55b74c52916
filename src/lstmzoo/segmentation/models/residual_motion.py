"""What moves otherwise than the camera makes everything move: optical flow, less a model of the camera's motion."""

from functools import lru_cache

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

CHANNELS = 3
STRIDE = 4
"""Motion is given for cells of so many pixels, as the finest of the encoder's maps."""

WIDEST = 428
"""Flow is looked for in frames whose longer side has at most so many pixels: larger ones are slower, not better."""

SMALLEST = 24
"""Fewest pixels of a side that the search for flow can do with."""

ROUNDS = 10
NOISE = 0.02
"""Percent of the width within which cells are taken to move as the camera makes them."""


def grey(video: Tensor) -> Tensor:
    """Frames (B, T, 3, H, W), uint8 or floating in 0..1 → uint8 (B, T, H', W'), no side longer than `WIDEST`."""
    frames = video.float() * (1 if video.dtype == torch.uint8 else 255)
    luma = (frames * frames.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(2)
    shrink = WIDEST / max(luma.shape[-2:])
    if shrink < 1:
        luma = F.interpolate(luma, scale_factor=shrink, mode="bilinear", antialias=True)
    return luma.round().clamp(0, 255).to(torch.uint8)


def residual_motion(now: Tensor, before: Tensor, size: tuple[int, int]) -> Tensor:
    """Find what moves by itself between pairs of grey frames.

    With f the optical flow of a cell at (x, y), in percent of the frame's width, the motion that a camera gives a scene
    is taken to be a quadratic in x and y for each component, fitted by iteratively reweighted least squares:

        r = f − B(x, y) C        C = argmin Σ ρ(‖f − B C‖)        ρ(e) = e² / (e² + s²), s the median of e

    Source: flow: Kroeger et al. 2016, "Fast optical flow using dense inverse search" (OpenCV's); a parametric motion of
    the background fitted robustly: Black & Anandan 1996, "The robust estimation of multiple motions".

    Args:
        now: uint8 (N, H, W).
        before: the frames before them, (N, H, W).
        size: rows and columns of the cells.

    Returns:
        (N, 3, *size): r to the right and down, and log(1 + ‖r‖ / s).
    """
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    pairs = zip(now.cpu().numpy(), before.cpu().numpy(), strict=True)
    found = [_residual(_flow(search, *pair), size) for pair in pairs]
    return torch.from_numpy(np.stack(found)).to(now.device) if found else torch.zeros(0, CHANNELS, *size)


def _flow(search: cv2.DISOpticalFlow, now: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Where every pixel of a frame was in the frame before, (H, W, 2), in percent of the width."""
    height, width = now.shape
    missing = max(0, SMALLEST - height), max(0, SMALLEST - width)
    if any(missing):
        now, before = (np.pad(x, [(0, some) for some in missing], mode="edge") for x in (now, before))
    nothing = np.empty(0, np.float32)  # to start from
    return search.calc(now, before, nothing)[:height, :width] * (100 / width)


def _residual(flow: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Less the motion of the camera, cell by cell: (3, *size)."""
    f = cv2.resize(flow, size[::-1], interpolation=cv2.INTER_AREA).reshape(-1, 2)
    basis = _quadratics(size)
    weight = np.ones((len(f), 1), np.float32)
    for _ in range(ROUNDS):
        weighted = (basis * weight).T
        camera = np.linalg.lstsq(weighted @ basis, weighted @ f, rcond=None)[0]
        rest = f - basis @ camera
        error = np.linalg.norm(rest, axis=1, keepdims=True)
        scale = np.median(error) + NOISE
        weight = (1 + (error / scale) ** 2) ** -2.0
    return np.concatenate([rest, np.log1p(error / scale)], axis=1).T.reshape(CHANNELS, *size).astype(np.float32)


@lru_cache(maxsize=8)
def _quadratics(size: tuple[int, int]) -> np.ndarray:
    """1, x, y, x², xy and y² of every cell, (cells, 6), with x in −1..1 from left to right."""
    height, width = size
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = 2 * x / width - 1, (2 * y - height) / width
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).reshape(-1, 6)
