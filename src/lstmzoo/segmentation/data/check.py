"""Whether a copy of DAVIS, or your own data in its layout, is complete: what was found against what was published."""

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lstmzoo.errors import DataError
from lstmzoo.io.images import natural_key, read_rgb
from lstmzoo.io.progress import progress_bar
from lstmzoo.io.report import Report, Table
from lstmzoo.io.wording import listed
from lstmzoo.segmentation.data.inspection import LEAST_MASKS, check_files
from lstmzoo.segmentation.data.layout import (
    SIMULATED_MARKER,
    Layout,
    MaskedVideo,
    find_layout,
    find_lists,
    find_sequence,
)
from lstmzoo.segmentation.data.lists import YEARS, SequenceList, find_list
from lstmzoo.segmentation.data.mask_findings import MaskFindings
from lstmzoo.segmentation.data.masks import check_size, decode_mask

LISTS = ("train", "val", "test", "test-dev", "test-challenge")


class Published(NamedTuple):
    """Numbers of a split as it was published; None where that is not known."""

    sequences: int
    frames: int
    objects: int | None = None


PUBLISHED: dict[tuple[int | None, str], Published] = {
    (2016, "train"): Published(30, 2079),
    (2016, "val"): Published(20, 1376),
    (2017, "train"): Published(60, 4209, 144),
    (2017, "val"): Published(30, 1999, 61),
    (2017, "test-dev"): Published(30, 2086, 89),
}


@dataclass(frozen=True)
class MaskCount:
    """Numbers of one split."""

    sequences: int  # sequences that can be used
    sequences_listed: int  # sequences that the list names
    sequences_published: int | None  # sequences of the real set; None where that is not known
    frames: int  # frames of the usable sequences
    frames_published: int | None  # frames of the real set; None where that is not known
    masks: int  # masks of the usable sequences
    objects: int  # their objects, counted in each sequence
    objects_published: int | None  # objects of the real set; None where that is not known


@dataclass(frozen=True)
class MaskReport(Report):
    """What `check` found."""

    root: str
    simulated: bool  # the folder was made by `lstmzoo data simulate davis`
    # numbers of each list, e.g. of ``"2017 train"``; of ``"all"`` where there are no lists
    splits: dict[str, MaskCount]
    problems: dict[str, str]  # why a sequence cannot be used, by its name
    sizes: dict[str, int]  # how many sequences have frames of a size, e.g. ``{"854x480": 48}``
    empty_masks: dict[str, int]  # masks without any object, by sequence
    void: list[str]  # sequences with void pixels
    unlisted: list[str]  # folders of frames that no list names
    jumping: dict[str, list[int]]  # the numbers of the objects, by sequence, where they are others than 1, 2, …
    faults: list[str]  # what can be read, but not used as it was meant
    remedy: str  # what to do if something is missing; empty otherwise

    @property
    def complete(self) -> bool:
        """Whether every sequence that is listed can be used."""
        return not self.problems and not self.faults

    def table(self) -> Table:
        heads = ["sequences\nlisted", "sequences\nfound", "frames\nfound", "masks\nfound", "objects\nfound"]
        rows: list[list[object]] = [
            [split, count.sequences_listed, count.sequences, count.frames, count.masks, count.objects]
            for split, count in self.splits.items()
        ]
        if not self.simulated:
            heads.append("published: sequences,\nframes, objects")
            for row, count in zip(rows, self.splits.values(), strict=True):
                published = (count.sequences_published, count.frames_published, count.objects_published)
                row.append(", ".join(str(number) for number in published if number is not None))
        return Table(f"Sequences in {self.root}", ["split", *heads], rows)

    def remarks(self) -> Iterator[str]:
        if self.simulated:
            yield "This is a simulated DAVIS. The published numbers do not apply."
        else:
            yield from (
                f"{split} is not the published list: {count.sequences_listed} sequences instead of "
                f"{count.sequences_published}."
                for split, count in self.splits.items()
                if count.sequences_published not in (None, count.sequences_listed)
            )
        yield f"Sizes: {listed(f'{size} ({number} sequences)' for size, number in self.sizes.items())}"
        if self.empty_masks:
            yield f"Masks without an object: {sum(self.empty_masks.values())}, in {listed(self.empty_masks)}"
        if self.void:
            yield f"With void pixels: {listed(self.void)}"
        if self.unlisted:
            yield f"In no list: {listed(self.unlisted)}"
        if self.jumping:
            numbers = (f"{name} ({listed(numbers)})" for name, numbers in self.jumping.items())
            yield f"Object numbers other than 1, 2, …: {listed(numbers)}"
        yield from (f"Cannot be used: {name}: {problem}" for name, problem in self.problems.items())
        yield from (f"{fault}." for fault in self.faults)
        yield "Complete." if self.complete else f"Not complete. {self.remedy}.".removesuffix(" .")


class _Contents(NamedTuple):
    """What decoding a sequence showed."""

    size: str
    frames: int
    masks: MaskFindings


def check(root: str | Path, resolution: str = "480p", unsupervised: bool = False) -> MaskReport:
    """Decode every frame and mask once, and count sequences, frames, masks and objects.

    Damage in the middle of a JPEG may go unnoticed: there is no checksum in one, and its decoder guesses what is lost.

    Args:
        root: folder of the data set.
        resolution: of the files: 480p, 1080p (2016) or Full-Resolution (2017).
        unsupervised: look at the masks of the unsupervised track (2017).

    Raises:
        DataError: no data set there, or a list that cannot be read.
        LstmzooError: an unknown resolution.
    """
    root = Path(root)
    layout = find_layout(root, resolution, unsupervised=unsupervised)
    lists = dict(_lists(layout, resolution))
    wanted = {name: sequences for sequences in lists.values() for name in sequences.lines}
    contents: dict[str, _Contents] = {}
    problems: dict[str, str] = {}
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        progress_bar("Decoding sequences", len(wanted), "sequences") as advance,
    ):
        for name, found in zip(wanted, pool.map(lambda one: _look(layout, *one), wanted.items()), strict=True):
            if isinstance(found, _Contents):
                contents[name] = found
            else:
                problems[name] = found
            advance(1)
    folders = [path.name for path in layout.frames.iterdir() if path.is_dir() and path.name[0] != "."]
    simulated = (root / SIMULATED_MARKER).exists()
    own = not simulated and all(sequences.year is None for sequences in lists.values())
    return MaskReport(
        root=str(root),
        simulated=simulated,
        splits={
            title: _count(
                sequences, contents, None if simulated else PUBLISHED.get((sequences.year, sequences.path.stem))
            )
            for title, sequences in lists.items()
        },
        problems=problems,
        sizes=dict(Counter(one.size for one in contents.values()).most_common()),
        empty_masks={name: one.masks.empty for name, one in contents.items() if one.masks.empty},
        void=[name for name, one in contents.items() if one.masks.void],
        unlisted=sorted(set(folders) - wanted.keys(), key=natural_key),
        jumping={name: sorted(one.masks.numbers) for name, one in contents.items() if one.masks.jumping},
        faults=list(_faults(lists, contents)),
        remedy=_remedy(root, simulated, own) if problems else "",
    )


def _remedy(root: Path, simulated: bool, own: bool) -> str:
    if own:  # nothing of it can be fetched, and what can does not belong there
        return "Replace what is damaged or missing, or take its sequence out of the lists"
    return f"Delete what is damaged, then run `lstmzoo data {'simulate' if simulated else 'prepare'} davis root={root}`"


def _lists(layout: Layout, resolution: str) -> Iterator[tuple[str, SequenceList]]:
    """All lists that are there, by title; where there is none, one of everything."""
    titles = 0
    for year in (*YEARS, None):
        for split in LISTS:
            place = find_list(layout.root, split, year, resolution)
            if place is not None and place[1] == year:
                titles += 1
                yield f"{year or ''} {split}".strip(), find_lists(layout, split, year=year, resolution=resolution)[0]
    if not titles:
        yield "all", find_lists(layout, "all")[0]


def _look(layout: Layout, name: str, sequences: SequenceList) -> _Contents | str:
    """Decode a sequence, or say why it cannot be used."""
    try:
        video = find_sequence(layout, sequences, name)
        check_files(video)
        return _decode(video)
    except DataError as error:
        return str(error)


def _decode(video: MaskedVideo) -> _Contents:
    findings = MaskFindings()
    for frame, path in zip(video.frames, video.masks, strict=True):
        size = read_rgb(frame).shape[:2]
        if path is not None:
            mask = decode_mask(path)
            check_size(path, mask.ids, size)
            findings.add(path, mask)
    return _Contents(f"{size[1]}x{size[0]}", len(video.frames), findings)


def _faults(lists: dict[str, SequenceList], contents: dict[str, _Contents]) -> Iterator[str]:
    """Say what keeps a set from being trained on and scored, although it can be read."""
    yield from (f"{name}: {fault}" for name, one in contents.items() for fault in one.masks.faults())
    if contents and not any(one.masks.masks for one in contents.values()):
        yield (
            "No frame has a mask, so nothing can be trained on or scored; masks are "
            "Annotations/<sequence>/<frame>.png, named as the frames are"
        )
        return
    for title, sequences in lists.items():
        found = {name: contents[name].masks for name in sequences.lines if name in contents}
        blind = [name for name, masks in found.items() if not masks.numbers]
        if blind and sequences.path.stem == "train":
            yield f"No mask of {listed(blind)} shows an object, so nothing can be learnt: take it out of {title}"
        few = [name for name, masks in found.items() if masks.masks < LEAST_MASKS]
        if few and sequences.path.stem in ("val", "test"):
            yield f"{listed(few)}: fewer than {LEAST_MASKS} masks cannot be scored; take it out of {title}"


def _count(sequences: SequenceList, contents: dict[str, _Contents], published: Published | None) -> MaskCount:
    usable = [contents[name] for name in sequences.lines if name in contents]
    return MaskCount(
        sequences=len(usable),
        sequences_listed=len(sequences.lines),
        sequences_published=published and published.sequences,
        frames=sum(one.frames for one in usable),
        frames_published=published and published.frames,
        masks=sum(one.masks.masks for one in usable),
        objects=sum(len(one.masks.numbers) for one in usable),
        objects_published=published and published.objects,
    )
