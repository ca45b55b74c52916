"""Whether a data set with a class for every pixel is complete, and how common its classes are."""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lstmzoo.errors import DataError
from lstmzoo.io.images import read_rgb
from lstmzoo.io.progress import progress_bar
from lstmzoo.io.report import Report, Table
from lstmzoo.io.wording import listed
from lstmzoo.segmentation.data.class_table import ClassTable, read_labels, read_table
from lstmzoo.segmentation.data.label_layout import find_splits, find_videos_of
from lstmzoo.segmentation.data.masks import VOID


@dataclass(frozen=True)
class LabelReport(Report):
    """What `check` found."""

    root: str
    classes: list[str]
    frames: dict[str, int]  # by split, those that can be used
    labels: dict[str, int]  # likewise, those with a label image
    sequences: dict[str, list[str]]  # names, by split
    shares: dict[str, dict[str, float]]  # of every class, and of void, in the pixels of a split
    problems: list[str]  # files that cannot be used
    published: dict[str, int]  # labelled frames by split; empty for your own data

    @property
    def complete(self) -> bool:
        """Whether all files can be used, some to train on, and nothing of a published split is missing."""
        short = any(self.labels.get(split, 0) < number for split, number in self.published.items())
        return not self.problems and not short and self.labels.get("train", 0) > 0

    def table(self) -> Table:
        heads = ["split", "sequences", "frames", "labelled", *(["published"] if self.published else []), "void"]
        rows: list[list[object]] = []
        for split in dict.fromkeys([*self.frames, *self.published]):
            row: list[object] = [split, len(self.sequences.get(split, ())), self.frames.get(split, 0)]
            row += [self.labels.get(split, 0), *([self.published.get(split)] if self.published else [])]
            rows.append([*row, f"{self.shares.get(split, {}).get('void', 0):.1%}"])
        return Table(f"Frames in {self.root}", heads, rows)

    def remarks(self) -> Iterator[str]:
        for split, shares in self.shares.items():
            found = (f"{name} {shares[name]:.1%}" for name in self.classes)
            yield f"Classes in {split}, of what is not void: {listed(found, len(self.classes))}"
            if absent := [name for name in self.classes if not shares[name]]:
                yield f"Never seen in {split}: {listed(absent)}"
        yield from (f"Sequences of {split}: {listed(names)}" for split, names in self.sequences.items())
        yield from (f"Cannot be used: {problem}" for problem in self.problems)
        if not self.labels.get("train"):
            yield "There is nothing to train on: label images are trainannot/<frame>.png, named as the frames in train"
        missing = [
            f"{number - self.labels.get(split, 0)} of {split}"
            for split, number in self.published.items()
            if self.labels.get(split, 0) < number
        ]
        if missing:
            yield f"Label images that are missing: {listed(missing)}"
        yield "Complete." if self.complete else "Not complete. Correct or fetch what is named above."


def check(root: Path, table: Path | None, published: Mapping[str, int]) -> LabelReport:
    """Decode everything once; see `LabelFolder.check`."""
    names = find_splits(root) or ["all"]  # where there are none, looking for all says so
    videos = {split: find_videos_of(root, split) for split in names}
    classes = read_table(root, None if table is None else Path(table))
    files = [
        (split, frame, label)
        for split, found in videos.items()
        for video in found
        for frame, label in zip(video.frames, video.masks, strict=True)
    ]
    pixels = {split: np.zeros(VOID + 1, np.int64) for split in videos}
    frames, labels = dict.fromkeys(videos, 0), dict.fromkeys(videos, 0)
    problems = []
    with ThreadPoolExecutor(os.cpu_count()) as pool, progress_bar("Decoding frames", len(files), "frames") as advance:
        counted = pool.map(lambda file: _count(file[1], file[2], classes), files)
        for (split, _, label), found in zip(files, counted, strict=True):
            advance(1)
            if isinstance(found, str):
                problems.append(found)
                continue
            frames[split] += 1
            labels[split] += label is not None
            pixels[split] += found
    return LabelReport(
        root=str(root),
        classes=list(classes.names),
        frames=frames,
        labels=labels,
        sequences={split: [video.name for video in found] for split, found in videos.items()},
        shares={split: _shares(classes, one) for split, one in pixels.items() if one.any()},
        problems=problems,
        published=dict(published),
    )


def _count(frame: Path, label: Path | None, table: ClassTable) -> np.ndarray | str:
    """The pixels of every class in a label image, or why it cannot be used."""
    try:
        size = read_rgb(frame).shape[:2]
        if label is None:
            return np.zeros(VOID + 1, np.int64)
        return np.bincount(read_labels(label, table, size).ravel(), minlength=VOID + 1)
    except DataError as error:
        return str(error)


def _shares(table: ClassTable, pixels: np.ndarray) -> dict[str, float]:
    labelled = max(int(pixels[:VOID].sum()), 1)
    shares = {name: float(pixels[number] / labelled) for number, name in enumerate(table.names)}
    return {**shares, "void": float(pixels[VOID] / pixels.sum())}
