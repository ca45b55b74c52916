"""The folders of DAVIS 2016 and 2017, of their unsupervised masks, and of one's own data."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lstmzoo.data.davis.frames import FRAME_SUFFIXES
from lstmzoo.data.davis.lists import SPLIT_UNIONS, SequenceList, find_list, read_list
from lstmzoo.data.wording import listed
from lstmzoo.errors import DataError, LstmzooError, unknown_choice

RESOLUTIONS = ("480p", "1080p", "Full-Resolution")
"""Names of the folders by resolution: 1080p is that of 2016, Full-Resolution that of 2017."""

SIMULATED_MARKER = "simulated.json"
"""File that the simulator leaves in the folders it makes."""


@dataclass(frozen=True)
class MaskedVideo:
    """The files of one sequence.

    Attributes:
        name: the sequence.
        frames: its frames, in order.
        masks: the mask of each frame; None where it is not annotated.
    """

    name: str
    frames: tuple[Path, ...]
    masks: tuple[Path | None, ...]


@dataclass(frozen=True)
class Layout:
    """Where things are.

    Attributes:
        root: folder of the data set.
        frames: the folder with a folder of frames for each sequence.
        masks: the folder with a folder of masks for each sequence; it need not exist.
    """

    root: Path
    frames: Path
    masks: Path


def find_layout(root: str | os.PathLike[str], resolution: str = "480p", *, unsupervised: bool = False) -> Layout:
    """Find the folders of frames and masks.

    They are ``JPEGImages/480p`` and ``Annotations/480p`` (or another resolution), or, in one's own data,
    ``JPEGImages`` and ``Annotations`` themselves.

    Args:
        root: folder of the data set.
        resolution: one of `RESOLUTIONS`.
        unsupervised: take the masks of the unsupervised track, ``Annotations_unsupervised``, of all salient objects.

    Returns:
        The folders.

    Raises:
        DataError: no such folder, or not in this resolution.
        LstmzooError: an unknown resolution.
    """
    root = Path(root)
    if resolution not in RESOLUTIONS:
        raise LstmzooError(unknown_choice("resolution", resolution, RESOLUTIONS))
    if not root.is_dir():
        raise DataError(f"{root} is not a folder. {remedy(root)}")
    frames = root / "JPEGImages"
    if not frames.is_dir():
        raise DataError(f"{root} has no folder JPEGImages with a folder of frames for each sequence. {remedy(root)}")
    masks = root / ("Annotations_unsupervised" if unsupervised else "Annotations")
    if unsupervised and not masks.is_dir():
        raise DataError(
            f"{root} has no folder {masks.name}, which the unsupervised track needs; it is a download apart"
        )
    there = [name for name in RESOLUTIONS if (frames / name).is_dir()]
    if there and resolution not in there:
        raise DataError(f"{frames} has no {resolution}; it has {listed(there)}: give resolution={there[0]}")
    return Layout(root, frames / resolution, masks / resolution) if there else Layout(root, frames, masks)


def find_sequences(
    layout: Layout, split: str, *, year: int | None = None, resolution: str = "480p"
) -> tuple[list[MaskedVideo], int | None]:
    """Find the files of the sequences of a split.

    Args:
        layout: the folders.
        split: the name of a list, trainval (train and val, where there is no list of that name), or all: every folder
            of frames.
        year: take the lists of that year; None takes those that are there, 2017 before 2016.
        resolution: the folder of lists of 2016.

    Returns:
        The sequences in the order of the list, and the year whose list it is (None: not of any year).

    Raises:
        DataError: no such list, an unknown sequence in it, or a missing frame or mask.
    """
    if split == "all":
        if year is not None:
            raise LstmzooError(f"split=all is every sequence that is there, not those of a list: leave year={year} out")
        names = [path.name for path in sorted(layout.frames.iterdir()) if path.is_dir() and path.name[0] != "."]
        if not names:
            raise DataError(f"{layout.frames} has no folders; it takes one folder of frames for each sequence")
        return [_by_folder(layout, name) for name in names], None
    lists = _lists(layout, split, year, resolution)
    sequences = [video for one in lists for video in _of_list(layout, one)]
    return sequences, lists[0].year


def remedy(root: Path) -> str:
    """Say how to get a data set."""
    return (
        f"Download DAVIS with `lstmzoo data prepare davis root={root}`, or make a simulated set with "
        f"`lstmzoo data simulate davis root={root}`; for one's own data see data/README.md"
    )


def _lists(layout: Layout, split: str, year: int | None, resolution: str) -> list[SequenceList]:
    """The list of a split, or those of which it is the union."""
    found = find_list(layout.root, split, year, resolution)
    if found is not None:
        return [read_list(*found)]
    parts = [find_list(layout.root, part, year, resolution) for part in SPLIT_UNIONS.get(split, ())]
    if parts and all(parts):
        return [read_list(*part) for part in parts if part is not None]
    there = sorted({path.stem for path in (layout.root / "ImageSets").rglob("*.txt")})
    of_year = "" if year is None else f" of year {year}"
    raise DataError(
        f"{layout.root / 'ImageSets'} has no list{of_year} for {unknown_choice('split', split, [*there, 'all'])}; "
        f"write ImageSets/{split}.txt with the name of a sequence a line, or take split=all"
    )


def _of_list(layout: Layout, sequences: SequenceList) -> list[MaskedVideo]:
    if not sequences.lines:
        raise DataError(f"{sequences.path} names no sequence")
    videos = []
    for name, (line, files) in sequences.lines.items():
        place = f"{sequences.path}, line {line}"
        if files:
            videos.append(_by_files(layout.root, name, files, place))
            continue
        if not (layout.frames / name).is_dir():
            names = [path.name for path in layout.frames.iterdir() if path.is_dir()]
            raise DataError(f"{place}: {unknown_choice('sequence', name, names)}. {layout.frames} has no such folder")
        video = _by_folder(layout, name)
        if sequences.year is not None:
            _check_published(layout, video, place, sequences.path)
        videos.append(video)
    return videos


def _by_files(root: Path, name: str, files: list[tuple[str, str | None]], place: str) -> MaskedVideo:
    """A sequence whose frames and masks a list of 2016 names one by one."""
    frames = tuple(root / frame.lstrip("/") for frame, _ in files)
    masks = tuple(None if mask is None else root / mask.lstrip("/") for _, mask in files)
    missing = [path for path in (*frames, *masks) if path is not None and not path.is_file()]
    if missing:
        raise DataError(
            f"{place}: {listed(missing, 3)} not found, of {len(files)} frames of {name}; fetch what is missing, or "
            "take it out of the list"
        )
    return MaskedVideo(name, frames, masks)


def _by_folder(layout: Layout, name: str) -> MaskedVideo:
    """A sequence whose frames and masks are what lies in its folders; they belong together by name."""
    frames = _pictures(layout.frames / name, FRAME_SUFFIXES)
    if not frames:
        raise DataError(f"{layout.frames / name} holds no frames ({', '.join(sorted(FRAME_SUFFIXES))})")
    masks = _pictures(layout.masks / name, frozenset({".png"}))
    alone = [masks[stem] for stem in masks if stem not in frames]
    if alone:
        raise DataError(
            f"{listed(alone, 3)}: a mask without its frame; fetch {layout.frames / name / alone[0].stem}.jpg, or "
            "delete the mask"
        )
    return MaskedVideo(name, tuple(frames.values()), tuple(masks.get(stem) for stem in frames))


def _pictures(folder: Path, suffixes: frozenset[str]) -> dict[str, Path]:
    """The pictures of a folder in the order of their names, by name without suffix."""
    if not folder.is_dir():
        return {}
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in suffixes and path.name[0] != ".":
            if path.stem in found:
                raise DataError(f"{path} and {found[path.stem].name} have the same name; delete one of them")
            found[path.stem] = path
    return found


def _check_published(layout: Layout, video: MaskedVideo, place: str, path: Path) -> None:
    """Refuse holes in the published sets: their frames are numbered without gaps, and all or only the first have masks.

    Less than half of the frames with masks is taken for a partly annotated set of one's own.
    """
    stems = [frame.stem for frame in video.frames]
    if all(stem.isdecimal() for stem in stems):
        numbers = {int(stem) for stem in stems}
        gaps = sorted(set(range(min(numbers), max(numbers))) - numbers)
        if gaps and len(gaps) < len(stems):
            frame = layout.frames / video.name / f"{gaps[0]:0{len(stems[0])}d}{video.frames[0].suffix}"
            raise DataError(f"{frame} is missing ({len(gaps)} of {len(gaps) + len(stems)} frames); fetch it again")
    without = [frame.stem for frame, mask in zip(video.frames, video.masks, strict=True) if mask is None]
    scored = path.stem in ("train", "val", *SPLIT_UNIONS)
    if without and (len(without) < len(stems) / 2 or (scored and len(without) == len(stems))):
        raise DataError(
            f"{place}: {layout.masks / video.name / without[0]}.png is missing ({len(without)} of {len(stems)} masks); "
            f"fetch it again, or, if the set is partly annotated, list its sequences in ImageSets/{path.name}"
        )
