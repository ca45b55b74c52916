"""Frames of a video that is run through to and fro, where it is shorter than what is made of it."""

import numpy as np


def to_and_fro(positions: np.ndarray, frames: int) -> np.ndarray:
    """Turn back at the last frame, and at the first."""
    period = max(2 * (frames - 1), 1)
    turned = positions % period
    return np.minimum(turned, period - turned)
