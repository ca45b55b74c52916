"""Simulated sequences with a class for every pixel, in CamVid's layout."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from filelock import FileLock

from lstmzoo.errors import LstmzooError
from lstmzoo.io.atomic import write_atomically
from lstmzoo.io.progress import progress_bar
from lstmzoo.segmentation.data.class_table import TABLES
from lstmzoo.segmentation.data.label_layout import LABEL_FOLDERS, SPLITS
from lstmzoo.segmentation.data.layout import SIMULATED_MARKER
from lstmzoo.segmentation.data.masks import write_mask
from lstmzoo.synthetic.marked_folder import claim
from lstmzoo.synthetic.moving_shapes import KINDS, moving_shapes
from lstmzoo.synthetic.whole_numbers import check_whole

_MAKER, _VERSION, _LOCK = "lstmzoo.data.simulate.labels", 1, ".simulate.lock"
_LEAST_SIZE, _QUALITY = 48, 92


def simulate_labels(root: Path, numbers: Mapping[str, Any], *, dry_run: bool = False) -> None:
    """Write sequences of moving shapes, the class of every pixel, and classes.txt; what is there is kept.

    Args:
        root: folder of the data set; made if it is not there. A folder with anything else in it is refused.
        numbers: the sequences to train, validate and test on, frames of each, (height, width), and the seed, in this
            order, by the names under which they were given.
        dry_run: only check that it can be done.

    Raises:
        LstmzooError: a number out of its range.
        DataError: the folder holds something other than such a set of the same numbers.
    """
    *counts, frames, size, seed = numbers
    for name, least in {**dict.fromkeys([*counts, seed], 0), frames: 1}.items():
        check_whole(name, numbers[name], least)
    if not any(numbers[name] for name in counts):
        raise LstmzooError(f"{', '.join(f'{name}=0' for name in counts)}: at least one sequence is needed")
    sides = tuple(numbers[size])
    if len(sides) != 2 or any(type(side) is not int or side < _LEAST_SIZE for side in sides):
        raise LstmzooError(f"{size}={sides}: it is (height, width) in whole pixels, each {_LEAST_SIZE} or more")
    values = [list(value) if isinstance(value, tuple) else value for value in numbers.values()]
    mine = {"maker": _MAKER, "version": _VERSION, "numbers": values}
    if not dry_run or (root / SIMULATED_MARKER).is_file():
        claim(root, SIMULATED_MARKER, mine, "set of classes")
    if dry_run:
        return

    def paint(number: int, rng: np.random.Generator) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        return moving_shapes((sides[0], sides[1]), numbers[frames], rng)

    write_label_set(root, [numbers[name] for name in counts], numbers[seed], ("Ground", *KINDS), paint)


def write_label_set(
    root: Path,
    counts: Sequence[int],
    seed: int,
    classes: Sequence[str],
    paint: Callable[[int, np.random.Generator], Iterable[tuple[np.ndarray, np.ndarray]]],
) -> None:
    """Write frames and label images in CamVid's layout; a set that is complete is left as it is.

    Args:
        root: folder of the data set, claimed already.
        counts: sequences to train, validate and test on.
        seed: every seed gives other sequences.
        classes: names, in the order of their numbers.
        paint: paints the sequence of a number, from a source of randomness: frames, RGB, uint8 (H, W, 3), with the
            classes of their pixels, uint8 (H, W).
    """
    wanted = [(split, k) for split, count in zip(SPLITS, counts, strict=True) for k in range(count)]
    last = root / TABLES[0]  # is written when all the rest is there
    if last.is_file():
        return
    with FileLock(root / _LOCK), progress_bar("Simulating classes", len(wanted), "sequences") as advance:
        for split, number in wanted:
            rng = np.random.default_rng([seed, SPLITS.index(split), number])
            for t, (image, labels) in enumerate(paint(number, rng)):
                stem = f"{split}{number:03d}_{t:05d}"
                colours = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
                _, encoded = cv2.imencode(".jpg", colours, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
                (root / split).mkdir(exist_ok=True)
                write_atomically(root / split / f"{stem}.jpg", encoded.tobytes())
                write_mask(root / LABEL_FOLDERS[0].format(split) / f"{stem}.png", labels)
            advance(1)
        write_atomically(last, "\n".join(classes) + "\n")
