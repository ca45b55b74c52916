"""Tiny videos whose frames can be told apart, and a tiny KTH made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

BITS = 10
SHADES = [20 * k for k in range(12)]


def numbered_frame(number: int, height: int = 48, width: int = 96) -> np.ndarray:
    """Draw a number as bars, black or white, between a white bar on the left and a black one on the right."""
    bits = [1, *(number >> bit & 1 for bit in range(BITS)), 0]
    bars = np.repeat(np.array(bits, np.uint8) * 235 + 10, width // len(bits))
    return np.repeat(np.tile(bars, (height, 1))[:, :, None], 3, axis=2)


def read_number(frame: np.ndarray) -> tuple[int, bool]:
    """Read the number of a frame (H, W) of any size; also say whether it is mirrored."""
    width = frame.shape[1]
    middles = ((np.arange(BITS + 2) + 0.5) * width / (BITS + 2)).astype(int)
    bits = (frame[frame.shape[0] // 2, middles] > 128).astype(int)
    mirrored = bool(bits[-1])
    bits = bits[::-1] if mirrored else bits
    assert (bits[0], bits[-1]) == (1, 0), bits
    return int(sum(bit << place for place, bit in enumerate(bits[1:-1]))), mirrored


def write_video(
    path: Path, frames: int = 20, *, start: int = 0, declared: int | None = None, fps: float = 25.0
) -> Path:
    """Write an MPEG-4 AVI of numbered frames; with `declared`, a header that promises another number of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"XVID"), fps, (96, 48))
    assert writer.isOpened()
    for number in range(start, start + frames):
        writer.write(numbered_frame(number))
    writer.release()
    if declared is not None:
        declare_frames(path, declared)
    return path


def encode(
    path: Path,
    codec: str,
    *,
    shades: list[int] = SHADES,
    times: list[float] | None = None,
    size: tuple[int, int] = (48, 64),
    pixels: str = "yuv420p",
    **options: str,
) -> Path:
    """Write plain frames of these shades, 25 per second, or at these times."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25, options=options)
        (stream.height, stream.width), stream.pix_fmt = size, pixels
        for k, shade in enumerate(shades):
            frame = av.VideoFrame.from_ndarray(np.full((*size, 3), shade, np.uint8), format="bgr24")
            if times is not None:
                frame.pts, frame.time_base = round(times[k] * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def declare_frames(path: Path, frames: int) -> None:
    """Change the number of frames in the headers of an AVI, as in files that were cut short."""
    content = bytearray(path.read_bytes())
    main, stream = content.index(b"avih") + 8, content.index(b"strh") + 8
    content[main + 16 : main + 20] = frames.to_bytes(4, "little")  # dwTotalFrames
    content[stream + 32 : stream + 36] = frames.to_bytes(4, "little")  # dwLength
    path.write_bytes(bytes(content))


KTH_HEADER = """
This database contains sequences of six classes of actions performed by
25 subjects in four different conditions.

Training:   person11, 12, 13, 14, 15, 16, 17, 18
Validation: person19, 20, 21, 23, 24, 25, 01, 04
Test:       person22, 02, 03, 05, 06, 07, 08, 09, 10


"""


def write_kth(
    root: Path, sequences: Mapping[str, Sequence[tuple[int, int]] | None], *, frames: int = 20, layout: str = "folders"
) -> Path:
    """Write a small KTH: 00sequences.txt and, for every name with ranges, a video (flat or in a folder per action)."""
    root.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, ranges in sequences.items():
        words = "*missing*" if ranges is None else "frames\t" + ", ".join(f"{a}-{b}" for a, b in ranges)
        lines.append(f"{name}\t\t{words}")
        if ranges is not None:
            folder = root / name.split("_")[1] if layout == "folders" else root
            write_video(folder / f"{name}_uncomp.avi", frames)
    (root / "00sequences.txt").write_bytes((KTH_HEADER + "\n".join(lines) + "\n").replace("\n", "\r\n").encode())
    return root
