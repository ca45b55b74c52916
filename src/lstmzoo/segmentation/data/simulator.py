"""A simulated DAVIS in the layouts of 2016 and 2017: only the first frames tell objects from their distractors."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from filelock import FileLock

from lstmzoo.errors import LstmzooError
from lstmzoo.io.atomic import write_atomically
from lstmzoo.io.progress import progress_bar
from lstmzoo.segmentation.data.label_simulator import write_label_set
from lstmzoo.segmentation.data.layout import SIMULATED_MARKER as MARKER
from lstmzoo.segmentation.data.masks import write_mask
from lstmzoo.segmentation.data.photographs import Photographs
from lstmzoo.synthetic.collage import photograph_clip
from lstmzoo.synthetic.davis_course import MARKED_FRAMES, write_course
from lstmzoo.synthetic.davis_paint import CLASSES, Painting, paint
from lstmzoo.synthetic.marked_folder import claim
from lstmzoo.synthetic.whole_numbers import check_whole

SPLITS = ("train", "val", "test")
OCCLUSIONS_FILE = "occlusions.json"
_MAKER, _VERSION = "lstmzoo.data.simulate.davis", 2  # what sets of this version are marked with
_RESOLUTION = "480p"
_PARTIAL, _LOCK = ".partial", ".simulate.lock"
_QUALITY = 92
_LEAST_SIZE, _LEAST_FRAMES = 48, 10
_HALF, _GONE = 0.5, 0.05  # shares of an object that are visible

_Masked = tuple[np.ndarray, np.ndarray, np.ndarray | None]  # a frame, its mask, and the visible shares of its objects


def simulate_davis(
    root: Path,
    train: int,
    val: int,
    test: int,
    frames: int,
    size: Sequence[int],
    seed: int,
    occlusion: int = 0,
    photographs: Photographs | None = None,
    classes: bool = False,
) -> None:
    """Write sequences with masks: JPEG frames, palette PNGs, the lists of 2016 and of 2017, and occlusions.json.

    One to three objects wander among distractors that look exactly like them and belong to the background. The objects
    carry white badges in the first five frames; after that, only the past tells them from their distractors. In three
    of four sequences bars pass in front of everything and occlude it for some frames. A mask shows what is visible of
    its objects.

    Sequences that are already there are kept, so that a second call completes an interrupted one, and one that asks for
    more extends the set.

    Args:
        root: folder of the data set; made if it is not there. A folder with anything else in it is refused.
        train: sequences in the list ``train``; `val` and `test` likewise.
        val: see `train`.
        test: see `train`.
        frames: frames of each sequence, 10 or more and those of the occlusion.
        size: (height, width) in pixels, 48 or more; 480p is only the name of the folder.
        seed: every seed gives other sequences.
        occlusion: frames for which, in every sequence, one curtain instead of the bars occludes everything, starting
            with frame 8; meanwhile nothing moves. 0: bars.
        photographs: make the sequences of them instead, see `photograph_clip`; then occlusions are not noted.
        classes: write the same frames with the class of every pixel instead of masks, in CamVid's layout.

    Raises:
        LstmzooError: an option out of its range, or classes of photographs.
        DataError: the folder holds something other than a simulated set of the same seed, frames and size.
    """
    numbers = {"train": train, "val": val, "test": test, "frames": frames, "size": size, "seed": seed}
    check_numbers(numbers | {"occlusion": occlusion})
    counts = dict(zip(SPLITS, (train, val, test), strict=True))
    mine = {"maker": _MAKER, "version": _VERSION, "seed": seed, "frames": frames, "size": list(size)}
    mine |= {"occlusion": occlusion} if occlusion else {}
    mine |= {"photographs": photographs.digest} if photographs else {}
    shape = (size[0], size[1])

    def painted(number: int, rng: np.random.Generator) -> Iterator[Painting]:
        return paint(write_course(shape, frames, rng, occluded=number % 4 != 3, curtain=occlusion), rng)

    def masked(number: int, rng: np.random.Generator) -> Iterable[_Masked]:
        if photographs is None:
            return (painting[:3] for painting in painted(number, rng))
        return zip(*photograph_clip(photographs, shape, frames, rng), repeat(None))

    def labelled(number: int, rng: np.random.Generator) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        return ((painting.frame, painting.classes) for painting in painted(number, rng))

    if not classes:
        claim(root, MARKER, mine, "DAVIS")
        _write_masks(root, counts, seed, masked)
    elif photographs is None:
        claim(root, MARKER, mine | {"classes": list(counts.values())}, "set of classes")
        write_label_set(root, list(counts.values()), seed, CLASSES, labelled)
    else:
        raise LstmzooError(
            "classes=true: pieces of photographs are of no class; leave it out, or backgrounds, textures and objects"
        )


def _write_masks(
    root: Path, counts: dict[str, int], seed: int, masked: Callable[[int, np.random.Generator], Iterable[_Masked]]
) -> None:
    """Write the sequences that are not there yet, and the lists of all."""
    if not _missing(root, counts) and not _new_lists(root):
        return  # it may be read-only
    with FileLock(root / _LOCK):
        missing = _missing(root, counts)
        try:
            with progress_bar("Simulating DAVIS", len(missing), "sequences") as advance:
                for split, name in missing:
                    number = int(name.rpartition("-")[2])
                    _make(root, name, masked(number, np.random.default_rng([seed, SPLITS.index(split), number])))
                    advance(1)
        finally:
            shutil.rmtree(root / _PARTIAL, ignore_errors=True)
        for path, content in _new_lists(root).items():
            write_atomically(path, content)


def check_numbers(options: Mapping[str, Any]) -> None:
    """Refuse options of `simulate_davis` that are out of their range.

    Args:
        options: the seven of them by the names that they were given under, in the order of `simulate_davis`.

    Raises:
        LstmzooError: one of them is; the message names it and its range.
    """
    *counts, frames, size, seed, occlusion = options
    for name in (*counts, seed, occlusion):
        check_whole(name, options[name], 0)
    check_whole(frames, options[frames], _LEAST_FRAMES + options[occlusion])
    if not any(options[name] for name in counts):
        raise LstmzooError(f"{', '.join(f'{name}=0' for name in counts)}: at least one sequence is needed")
    sides = options[size]
    pair = isinstance(sides, tuple | list) and len(sides) == 2
    if not pair or any(type(side) is not int or side < _LEAST_SIZE for side in sides):
        raise LstmzooError(f"{size}={sides}: it is (height, width) in whole pixels, each {_LEAST_SIZE} or more")


def _missing(root: Path, counts: dict[str, int]) -> list[tuple[str, str]]:
    """The sequences that are not there, with their splits."""
    names = [(split, f"{split}-{number:03d}") for split, count in counts.items() for number in range(count)]
    return [(split, name) for split, name in names if not _frames_of(root, name).exists()]


def _frames_of(root: Path, name: str) -> Path:
    return root / "JPEGImages" / _RESOLUTION / name


def _make(root: Path, name: str, paintings: Iterable[_Masked]) -> None:
    """Make a sequence beside the set, and move it in when it is complete."""
    images, masks = root / _PARTIAL / "frames", root / _PARTIAL / "masks"
    shutil.rmtree(root / _PARTIAL, ignore_errors=True)  # left by a run that was killed
    images.mkdir(parents=True)
    visible = []
    for t, (frame, ids, shares) in enumerate(paintings):
        colours = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
        _, encoded = cv2.imencode(".jpg", colours, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        (images / f"{t:05d}.jpg").write_bytes(encoded.tobytes())
        write_mask(masks / f"{t:05d}.png", ids)
        visible += [] if shares is None else [shares]
    if visible:
        report = {**read_occlusions(root), name: _occlusions(np.stack(visible))}
        write_atomically(root / OCCLUSIONS_FILE, json.dumps(report, indent=1, sort_keys=True).encode())
    for source, kind in ((masks, "Annotations"), (images, "JPEGImages")):  # the frames last: they mark it complete
        target = root / kind / _RESOLUTION / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        source.rename(target)


def read_occlusions(root: str | os.PathLike[str]) -> dict[str, dict[str, Any]]:
    """Read when objects are occluded.

    Args:
        root: folder of a simulated set.

    Returns:
        For each sequence: ``"marked"``, the frames in which the objects carry their badges; ``"during"``, those in
        which less than half of some object is visible; ``"after"``, those in which half or more of every object is
        visible after some object was wholly occluded; ``"visible"``, the share of each object that is visible, frame
        by frame.
        Frames count from 0. Empty where there is no such file.
    """
    path = Path(root) / OCCLUSIONS_FILE
    return json.loads(path.read_text()) if path.exists() else {}


def _occlusions(visible: np.ndarray) -> dict[str, Any]:
    """Say when objects are occluded, from the share (T, K) of each that is visible."""
    occluded = (visible < _HALF).any(axis=1)  # (T,)
    gone_before = np.maximum.accumulate((visible < _GONE).any(axis=1))
    return {
        "marked": list(range(MARKED_FRAMES)),
        "during": np.flatnonzero(occluded).tolist(),
        "after": np.flatnonzero(gone_before & ~occluded).tolist(),
        "visible": {str(k + 1): [round(float(share), 3) for share in visible[:, k]] for k in range(visible.shape[1])},
    }


def _new_lists(root: Path) -> dict[Path, str]:
    """The lists that do not name everything that is there as they should: of 2017, and in the form of 2016."""
    lists = {}
    for split in SPLITS:
        names = sorted(path.name for path in _frames_of(root, "").glob(f"{split}-*"))
        if not names:
            continue
        pairs = [
            f"/JPEGImages/{_RESOLUTION}/{name}/{path.name} /Annotations/{_RESOLUTION}/{name}/{path.stem}.png"
            for name in names
            for path in sorted(_frames_of(root, name).iterdir())
        ]
        for folder, lines in (("2017", names), (_RESOLUTION, pairs)):
            lists[root / "ImageSets" / folder / f"{split}.txt"] = "\n".join(lines) + "\n"
    return {path: text for path, text in lists.items() if not path.is_file() or path.read_bytes() != text.encode()}
