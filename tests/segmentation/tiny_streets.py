"""Tiny sequences with a class for every pixel, in CamVid's layout, written with Pillow alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (36, 48)
CLASSES = ("Sky", "Road", "Car")
COLOURS = ((128, 128, 128), (128, 64, 128), (64, 0, 128))
FRAMES = {"train": ("0001TP", range(30, 270, 30)), "val": ("Seq05VD_f", range(60, 180, 30))}


def labels(number: int) -> np.ndarray:
    """Sky above, road below, a car that moves to the right; class 3, which is void, in the last column."""
    ids = np.zeros(SIZE, np.uint8)
    ids[SIZE[0] // 2 :] = 1
    left = number // 30 * 2
    ids[20:30, left : left + 14] = 2
    ids[:, -1] = 3
    return ids


def frame(number: int) -> np.ndarray:
    """What the labels show, in plain colours."""
    looks = np.array([(90, 150, 230), (90, 90, 90), (220, 40, 30), (0, 0, 0)], np.uint8)
    return looks[labels(number)]


def write_streets(
    root: Path,
    splits: Mapping[str, tuple[str, Sequence[int]]] | None = None,
    *,
    labelled: Callable[[int], bool] = lambda number: True,
    coloured: bool = False,
) -> Path:
    """Write frames, label images (numbers, or colours as in CamVid's own release) and the list of the classes."""
    for split, (name, numbers) in (splits or FRAMES).items():
        for number in numbers:
            stem = f"{name}{number:05d}" if name.endswith("_f") else f"{name}_{number:06d}"
            save(root / split / f"{stem}.png", frame(number))
            if labelled(number) and coloured:
                looks = np.array([*COLOURS, (0, 0, 0)], np.uint8)
                save(root / f"{split}annot" / f"{stem}_L.png", looks[labels(number)])
            elif labelled(number):
                save(root / f"{split}annot" / f"{stem}.png", labels(number))
    if coloured:
        lines = [f"{r} {g} {b}\t\t{name}" for (r, g, b), name in zip(COLOURS, CLASSES, strict=True)]
        (root / "label_colors.txt").write_text("\n".join([*lines, "0 0 0\t\tVoid"]) + "\n")
    else:
        (root / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    return root


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
