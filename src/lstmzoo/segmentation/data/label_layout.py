"""CamVid's layout, as SegNet's authors handed it on: a folder of frames and one of label images for every split."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from lstmzoo.errors import DataError, unknown_choice
from lstmzoo.io.images import IMAGE_SUFFIXES, read_header
from lstmzoo.io.wording import listed
from lstmzoo.segmentation.data.class_table import ClassTable, check_label_kind
from lstmzoo.segmentation.data.layout import MaskedVideo, find_frames

SPLITS = ("train", "val", "test")
LABEL_FOLDERS = ("{}annot", "{}_labels")
"""The folders of label images that may stand beside a folder of frames."""

LABEL_ENDING = "_L"
"""What the names of label images may have more than those of their frames."""

MOST_STEPS = 4
"""A gap of more than so many times the usual step between frames cuts a sequence in two."""

_NAME = re.compile(r"(.*?)(?:[_-][A-Za-z]?)?(\d+)")


def find_splits(root: Path) -> list[str]:
    """Name the splits that have a folder of frames."""
    return [split for split in SPLITS if (root / split).is_dir()]


def find_videos_of(root: Path, split: str) -> list[MaskedVideo]:
    """Find the sequences of a split.

    Args:
        root: folder of the data set.
        split: train, val or test; several joined by ``+``; or all.

    Raises:
        DataError: no such folder, or a label image without a frame.
    """
    there = find_splits(root)
    if not there:
        raise DataError(
            f"{root} has no folder {', '.join(SPLITS)} with frames (label images are in trainannot and so on); see "
            "data/README.md"
        )
    wanted = there if split == "all" else split.split("+")
    for one in wanted:
        if one not in there:
            raise DataError(f"{root} has no folder {one}: {unknown_choice('split', one, [*there, 'all'])}")
    found = [(one, video) for one in wanted for video in _videos(root, one)]
    if len(wanted) == 1:
        return [video for _, video in found]
    return [replace(video, name=f"{one}_{video.name}") for one, video in found]  # splits share names


def check_label_files(video: MaskedVideo, table: ClassTable) -> None:
    """Make sure, by their headers, that frames and label images are whole and of one size.

    Raises:
        DataError: the first file that cannot be used.
    """
    size = read_header(video.frames[0]).size
    for frame, label in zip(video.frames, video.masks, strict=True):
        for path in (frame, label):
            if path is None:
                continue
            header = read_header(path)
            if header.size != size:
                raise DataError(
                    f"{path} is {header.size[1]}×{header.size[0]} pixels, but {video.frames[0]} {size[1]}×{size[0]}; "
                    f"all frames and label images of a sequence ({video.name}) have one size"
                )
            if path is label:
                check_label_kind(path, header.mode, header.format, table)


def name_of_sequence(stem: str) -> tuple[str, int]:
    """Return the sequence and the number that the name of a frame tells: ``0001TP_006690`` → ``("0001TP", 6690)``."""
    match = _NAME.fullmatch(stem)
    return (match[1], int(match[2])) if match else (stem, 0)


def _videos(root: Path, split: str) -> list[MaskedVideo]:
    frames = find_frames(root / split)
    if not frames:
        raise DataError(f"{root / split} holds no frames ({', '.join(IMAGE_SUFFIXES)}); they lie there side by side")
    folders = [root / name.format(split) for name in LABEL_FOLDERS]
    folder = next((one for one in folders if one.is_dir()), folders[0])
    labels = {stem.removesuffix(LABEL_ENDING): path for stem, path in find_frames(folder).items()}
    if alone := [path for stem, path in labels.items() if stem not in frames]:
        raise DataError(
            f"{listed(alone, 3)}: a label image without its frame in {root / split}; fetch the frame, or delete it"
        )
    found: dict[str, list[tuple[int, str]]] = {}
    for stem in frames:
        name, number = name_of_sequence(stem)
        found.setdefault(name or split, []).append((number, stem))
    videos = []
    for name, numbered in found.items():
        pieces = _pieces(sorted(numbered))
        for piece in pieces:
            stems = [stem for _, stem in piece]
            named = name if len(pieces) == 1 else stems[0]
            files = tuple(frames[stem] for stem in stems)
            videos.append(MaskedVideo(named, files, tuple(labels.get(stem) for stem in stems)))
    return videos


def _pieces(numbered: list[tuple[int, str]]) -> list[list[tuple[int, str]]]:
    """Cut a sequence where frames are missing for long."""
    steps = np.diff([number for number, _ in numbered])
    if not len(steps):
        return [numbered]
    cuts = np.flatnonzero(steps > MOST_STEPS * max(float(np.median(steps)), 1.0)) + 1
    edges = [0, *cuts.tolist(), len(numbered)]
    return [numbered[first:last] for first, last in pairwise(edges)]
