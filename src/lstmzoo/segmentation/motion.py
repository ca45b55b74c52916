"""What moves otherwise than the camera makes everything move."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

STRIDE = 4
"""Motion is found for cells of so many pixels."""

WIDEST = 428
"""Flow is looked for in frames whose longer side has at most so many pixels: larger ones are slower, not better."""

SMALLEST = 24
"""Fewest pixels of a side that the search for flow can do with."""

ROUNDS = 10
NOISE = 0.02
"""Percent of the width within which cells are taken to move as the camera makes them."""


def moving(video: Tensor) -> Iterator[np.ndarray]:
    """Find what moves by itself in every frame of a video but the first.

    The speeds of a frame's cells that the camera does not explain are split in two by a threshold.

    Source: Otsu 1979, "A threshold selection method from gray-level histograms".

    Args:
        video: (T, 3, H, W), uint8 or floating in 0..1.

    Yields:
        T − 1 masks, bool, of cells of `STRIDE` pixels.
    """
    cells = -(-video.shape[-2] // STRIDE), -(-video.shape[-1] // STRIDE)
    for before, now in pairwise(_grey(frame) for frame in video):
        yield _fast(np.linalg.norm(residual_motion(now, before, cells), axis=2))


def _grey(frame: Tensor) -> np.ndarray:
    """A frame (3, H, W), uint8 or floating in 0..1 → uint8 (H', W'), no side longer than `WIDEST`."""
    colours = frame.float() * (1 if frame.dtype == torch.uint8 else 255)
    luma = (colours * colours.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0)[None, None]
    shrink = WIDEST / max(luma.shape[-2:])
    if shrink < 1:
        luma = F.interpolate(luma, scale_factor=shrink, mode="bilinear", antialias=True)
    return luma[0, 0].round().clamp(0, 255).byte().cpu().numpy()


def residual_motion(now: np.ndarray, before: np.ndarray, cells: tuple[int, int]) -> np.ndarray:
    """What remains of the motion between two grey frames without the camera's.

    With f the optical flow of a cell at (x, y), in percent of the frame's width, the motion that a camera gives a scene
    is taken to be a quadratic in x and y for each component, fitted by iteratively reweighted least squares:

        r = f − B(x, y) C        C = argmin Σ ρ(‖f − B C‖)        ρ(e) = e² / (e² + s²), s the median of e

    Source: flow: Kroeger et al. 2016, "Fast optical flow using dense inverse search" (OpenCV's); a parametric motion of
    the background fitted robustly: Black & Anandan 1996, "The robust estimation of multiple motions".

    Args:
        now: uint8 (H, W).
        before: uint8 (H, W).
        cells: rows and columns.

    Returns:
        (*cells, 2), to the right and down, of where things were in the frame before.
    """
    f = cv2.resize(_flow(now, before), cells[::-1], interpolation=cv2.INTER_AREA).reshape(-1, 2)
    basis = _quadratics(cells)
    weight = np.ones((len(f), 1), np.float32)
    for _ in range(ROUNDS):
        weighted = (basis * weight).T
        rest = f - basis @ np.linalg.lstsq(weighted @ basis, weighted @ f, rcond=None)[0]
        error = np.linalg.norm(rest, axis=1, keepdims=True)
        weight = (1 + (error / (np.median(error) + NOISE)) ** 2) ** -2.0
    return rest.reshape(*cells, 2)


def _flow(now: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Where every pixel of a frame was in the frame before, (H, W, 2), in percent of the width."""
    height, width = now.shape
    missing = max(0, SMALLEST - height), max(0, SMALLEST - width)
    if any(missing):
        now, before = (np.pad(x, [(0, some) for some in missing], mode="edge") for x in (now, before))
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    nothing = np.empty(0, np.float32)  # to start from
    return search.calc(now, before, nothing)[:height, :width] * (100 / width)


@lru_cache(maxsize=8)
def _quadratics(cells: tuple[int, int]) -> np.ndarray:
    """1, x, y, x², xy and y² of every cell, (cells, 6), with x in −1..1 from left to right."""
    height, width = cells
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = 2 * x / width - 1, (2 * y - height) / width
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).reshape(-1, 6)


def _fast(speed: np.ndarray) -> np.ndarray:
    """Which cells are fast, bool (h, w); none where nothing moves."""
    speed = np.sqrt(cv2.GaussianBlur(speed.astype(np.float32), (0, 0), 0.7))
    most = speed.max()
    if most < np.sqrt(NOISE):
        return np.zeros(speed.shape, bool)
    levels = (speed * (255 / most)).astype(np.uint8)
    threshold, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_OTSU)
    return levels > threshold
