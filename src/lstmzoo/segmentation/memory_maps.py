"""What a model's memory holds, as images: one row of maps for each state and each gate."""

from dataclasses import dataclass

import cv2
import matplotlib
import numpy as np

from lstmzoo.segmentation.overlays import overlay_masks
from lstmzoo.segmentation.recording import Recording
from lstmzoo.viz.gate_plot import GATE_ENDS, GATE_NAMES

LEAST_RANGE = 0.02  # of a gate, from the darkest to the brightest colour
SAMPLES = 20_000  # cells that the main directions are computed from


@dataclass(frozen=True)
class MapRow:
    """One thing over T frames."""

    title: str  # what it is
    note: str  # the same in a symbol, or how it was made
    maps: np.ndarray  # (T, h, w) numbers, or (T, h, w, 3) uint8 colours
    cmap: str = "viridis"  # matplotlib's name of the colours of numbers
    limits: tuple[float, float] = (0.0, 1.0)  # the numbers at the ends of the colours
    ends: tuple[str, str] = ("0", "1")  # what these ends mean
    stride: int = 1  # pixels of the network's frame per cell

    def image(self, t: int, size: tuple[int, int]) -> np.ndarray:
        """Return the map of a frame as colours, uint8 (H, W, 3), where frames are (H, W); each cell a rectangle."""
        values = self.maps[t]
        if values.dtype != np.uint8:
            low, high = self.limits
            share = np.clip((values.astype(np.float64) - low) / (high - low), 0, 1)
            values = (255 * matplotlib.colormaps[self.cmap](share)[..., :3]).astype(np.uint8)
        if self.stride > 1:
            values = values.repeat(self.stride, axis=0).repeat(self.stride, axis=1)
        return np.ascontiguousarray(values[: size[0], : size[1]])


def map_rows(recording: Recording) -> list[MapRow]:
    """Turn a recording into rows: frames with the mask, the probability, the states, and the gates.

    Returns:
        The rows, top to bottom; of a network without memory only the first two.
    """
    painted = [
        overlay_masks(frame, mask * np.uint8(recording.number))
        for frame, mask in zip(recording.frames, recording.found, strict=True)
    ]
    rows = [
        MapRow("frame", "with its mask", np.stack(painted)),
        MapRow("probability", "of the object", recording.probabilities, "magma"),
    ]
    if recording.layer is None or recording.memory is None:
        return rows
    stride = recording.layer.stride
    for name, values in recording.states.items():
        high = max(float(np.quantile(values, 0.995)), 1e-6)
        kind = {"h": "output", "c": "memory"}.get(name, "state")
        rows.append(MapRow(kind, f"mean |{name}|", values, "magma", (0.0, high), ("0", f"{high:.2g}"), stride))
    colours = main_directions(recording.memory)
    rows.append(MapRow(f"{recording.layer.carrier} in colours", "3 main directions", colours, stride=stride))
    for name, values in recording.gates.items():
        limits = _limits(values)
        ends = (f"{limits[0]:.2f}", f"{limits[1]:.2f}")
        if name in recording.signed:
            rows.append(MapRow("candidate", f"mean |{name}|", values, limits=limits, ends=ends, stride=stride))
        else:
            note = f"mean {name}; {GATE_ENDS[name][1]}s" if name in GATE_ENDS else f"mean {name}"
            rows.append(MapRow(GATE_NAMES.get(name, "gate"), note, values, limits=limits, ends=ends, stride=stride))
    return rows


def _limits(values: np.ndarray) -> tuple[float, float]:
    """The range that holds 98% of the values; never so narrow that the colours show what is nothing."""
    low, high = (float(one) for one in np.quantile(values, [0.01, 0.99]))
    short = max(LEAST_RANGE - (high - low), 0.0)
    return low - short / 2, high + short / 2


def main_directions(memory: np.ndarray) -> np.ndarray:
    """Show many channels as colours: their first three principal components are red, green and blue.

    What differs between the places of a frame is shown; the mean over the frame is taken off first.

    Args:
        memory: (T, C, h, w).

    Returns:
        uint8 (T, h, w, 3); of every component the middle 98% of its values fill the range.
    """
    cells = memory.astype(np.float32).transpose(0, 2, 3, 1)  # (T, h, w, C)
    cells = cells - cells.mean((1, 2), keepdims=True)
    flat = cells.reshape(-1, cells.shape[-1])
    sample = flat[:: max(1, len(flat) // SAMPLES)]
    _, directions = np.linalg.eigh(sample.T @ sample)  # ascending
    main = directions[:, ::-1][:, :3]
    main = main * np.where(main.sum(0) < 0, -1, 1)  # the sign of a direction is arbitrary
    components = cells @ main  # (T, h, w, 3)
    low, high = np.quantile(components, [0.01, 0.99], axis=(0, 1, 2))
    return (255 * np.clip((components - low) / np.maximum(high - low, 1e-9), 0, 1)).astype(np.uint8)


def outline(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Draw a white line around a mask, bool (H, W), into an image, uint8 (H, W, 3)."""
    lines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(image.copy(), lines, -1, (255, 255, 255), max(1, round(mask.shape[1] / 200)))
