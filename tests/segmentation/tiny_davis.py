"""Tiny sequences with masks, in the layouts of DAVIS, written with Pillow alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (12, 20)
PALETTE = bytes(768)  # all black: colours play no part; with fewer of them, Pillow would write fewer bits


def frame(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A plain grey frame whose value tells its number."""
    return np.full((*size, 3), 10 + 8 * number, np.uint8)


def ids(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Objects 1 and 2, of which the first moves to the right; a strip of void at the bottom."""
    mask = np.zeros(size, np.uint8)
    mask[2:6, number % size[1] : number % size[1] + 4] = 1
    mask[7:9, 3:9] = 2
    mask[-1] = 255
    return mask


def save_frame(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, quality=95)


def save_palette(path: Path, mask: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(mask)
    image.putpalette(PALETTE)
    image.save(path)


def save_grey(path: Path, mask: np.ndarray) -> None:
    """As DAVIS 2016 does: black, and white for the object."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(((mask == 1) * 255).astype(np.uint8)).save(path)


def write_davis(
    root: Path,
    splits: Mapping[str, Sequence[str]],
    *,
    frames: int = 6,
    year: int | None = 2017,
    resolution: str = "480p",
    annotated: Callable[[int], bool] = lambda number: True,
) -> Path:
    """Write sequences and lists: of 2016 with path pairs, of 2017 with names, of no year in ImageSets itself."""
    save = save_grey if year == 2016 else save_palette
    for split, names in splits.items():
        lines = []
        for name in names:
            for number in range(frames):
                picture = root / "JPEGImages" / resolution / name / f"{number:05d}.jpg"
                mask = root / "Annotations" / resolution / name / f"{number:05d}.png"
                save_frame(picture, frame(number))
                if annotated(number):
                    save(mask, ids(number))
                if year == 2016:
                    lines.append(f"/{picture.relative_to(root)} /{mask.relative_to(root)}")
            lines += [name] if year != 2016 else []
        folder = root / "ImageSets" / {2016: resolution, 2017: "2017"}.get(year or 0, "")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return root
