"""Untrained segmenters as checkpoints, and videos for them, for the tests of predict and inspect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

import lstmzoo
from lstmzoo.models.checkpoint import checkpoint_metadata

SIZE = (32, 40)  # the network pads the width to 48
HEIGHT, WIDTH = 45, 61  # both odd


def save_checkpoint(path: Path, name: str, protocol: str = "unsupervised", **arguments: Any) -> Path:
    """The checkpoint of a segmenter as training would begin with it, but that it marks about half of the pixels."""
    torch.manual_seed(0)
    model: Any = lstmzoo.create_model(name, decoder_channels=8, **arguments)
    with torch.no_grad():
        model.decoder.head.weight *= 20
        model.decoder.head.bias.zero_()
    metadata = checkpoint_metadata(
        name,
        model.model_args,
        [],
        {"size": list(SIZE)},
        config={"task": {"name": "segmentation", "protocol": protocol}},
    )
    weights = {f"model.{key}": value for key, value in model.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": weights, "lstmzoo": metadata}, path)
    return path


def picture(number: int) -> np.ndarray:
    """A blue square that moves to the right over a grey slope; RGB uint8."""
    frame = np.tile(np.linspace(40, 200, WIDTH).astype(np.uint8)[None, :, None], (HEIGHT, 1, 3))
    frame[10:30, 5 + 2 * number : 20 + 2 * number] = (20, 60, 230)
    return frame


def mask(number: int) -> np.ndarray:
    """The square is object 3, a strip at the bottom object 7, the last column void."""
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[10:30, 5 + 2 * number : 20 + 2 * number] = 3
    ids[40:] = 7
    ids[:, -1] = 255
    return ids


def write_frames(folder: Path, count: int = 6, suffix: str = ".png", names: str = "{:05d}") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.fromarray(picture(number)).save(folder / f"{names.format(number)}{suffix}")
    return folder


def write_mask(path: Path, ids: np.ndarray) -> Path:
    """A palette PNG, written by Pillow alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(ids)
    image.putpalette([value for number in range(256) for value in (number, 0, 255 - number)])
    image.save(path)
    return path


def write_film(path: Path, count: int = 6) -> Path:
    """The same as a video; its sides are even."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"XVID"), 12.5, (WIDTH - 1, HEIGHT - 1))
    assert writer.isOpened()
    for number in range(count):
        writer.write(np.ascontiguousarray(picture(number)[:-1, :-1, ::-1]))
    writer.release()
    return path


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.mode == "P"
        return np.asarray(image)


def decode(path: Path) -> tuple[np.ndarray, float]:
    """The frames of a video, RGB, and its rate."""
    capture, frames = cv2.VideoCapture(str(path)), []
    while (got := capture.read())[0]:
        frames.append(got[1][:, :, ::-1])
    return np.stack(frames), capture.get(cv2.CAP_PROP_FPS)
