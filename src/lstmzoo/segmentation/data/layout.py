"""The folders of DAVIS 2016 and 2017, of their unsupervised masks, and of your own data."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lstmzoo.errors import DataError, LstmzooError, unknown_choice
from lstmzoo.io.images import IMAGE_SUFFIXES, list_images, natural_key
from lstmzoo.io.wording import listed
from lstmzoo.segmentation.data.lists import SPLIT_UNIONS, SequenceList, find_list, read_list

RESOLUTIONS = ("480p", "1080p", "Full-Resolution")
"""Names of the folders by resolution: 1080p is that of 2016, Full-Resolution that of 2017."""

SIMULATED_MARKER = "simulated.json"
"""File that the simulator leaves in the folders it makes."""


@dataclass(frozen=True)
class MaskedVideo:
    """The files of one sequence."""

    name: str
    frames: tuple[Path, ...]  # its frames, in order
    masks: tuple[Path | None, ...]  # the mask of each frame; None where it is not annotated


@dataclass(frozen=True)
class Layout:
    """Where things are."""

    root: Path  # folder of the data set
    frames: Path  # the folder with a folder of frames for each sequence
    masks: Path  # the folder with a folder of masks for each sequence; it need not exist


def find_frames(folder: Path, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> dict[str, Path]:
    """Find the frames, or the masks, in a folder.

    Returns:
        The files in natural order, by name without suffix, which frames and masks have in common.

    Raises:
        DataError: two files of one name.
    """
    found: dict[str, Path] = {}
    for path in list_images(folder, suffixes) if folder.is_dir() else []:
        if path.stem in found:
            raise DataError(
                f"{path} and {found[path.stem].name} have the same name and would give masks of one name; delete one"
            )
        found[path.stem] = path
    return found


def find_layout(root: str | os.PathLike[str], resolution: str = "480p", *, unsupervised: bool = False) -> Layout:
    """Find the folders of frames and masks.

    They are ``JPEGImages/480p`` and ``Annotations/480p`` (or another resolution), or, in your own data,
    ``JPEGImages`` and ``Annotations`` themselves.

    Args:
        root: folder of the data set.
        resolution: one of `RESOLUTIONS`.
        unsupervised: take the masks of the unsupervised track, ``Annotations_unsupervised``, of all salient objects.

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


def find_lists(layout: Layout, split: str, *, year: int | None = None, resolution: str = "480p") -> list[SequenceList]:
    """Find the lists that make up a split: one, or those of which it is the union.

    Args:
        layout: the folders.
        split: the name of a list, trainval (train and val, where there is no list of that name), or all: every folder
            of frames.
        year: take the lists of that year; None takes those that are there, 2017 before 2016.
        resolution: the folder of lists of 2016.

    Raises:
        DataError: no such list, or one that names nothing.
        LstmzooError: an unknown year, or a year for split=all.
    """
    if split == "all":
        if year is not None:
            raise LstmzooError(f"split=all is every sequence that is there, not those of a list: leave year={year} out")
        return [_everything(layout)]
    parts = [split] if find_list(layout.root, split, year, resolution) else SPLIT_UNIONS.get(split, [split])
    found = [find_list(layout.root, part, year, resolution) for part in parts]
    lists = [read_list(*place) for place in found if place is not None]
    if len(lists) < len(parts):
        raise DataError(_no_list(layout.root, split, year))
    return lists


def find_sequences(layout: Layout, lists: Iterable[SequenceList]) -> list[MaskedVideo]:
    """Find the files of all sequences of some lists, in their order.

    Raises:
        DataError: an unknown sequence in a list, or a missing frame or mask.
    """
    return [find_sequence(layout, sequences, name) for sequences in lists for name in sequences.lines]


def find_sequence(layout: Layout, sequences: SequenceList, name: str) -> MaskedVideo:
    """Find the files of a sequence.

    Raises:
        DataError: no such sequence, or a missing frame or mask.
    """
    line, files = sequences.lines[name]
    place = f"{sequences.path}, line {line}"
    if files:
        return _by_files(layout.root, name, files, place)
    if not (layout.frames / name).is_dir():
        names = [path.name for path in layout.frames.iterdir() if path.is_dir()]
        raise DataError(f"{place}: {unknown_choice('sequence', name, names)}. {layout.frames} has no such folder")
    video = _by_folder(layout, name)
    if sequences.year is not None:
        _check_published(layout, video, place, sequences.path)
    return video


def remedy(root: Path) -> str:
    """Say how to get a data set."""
    return (
        f"Download DAVIS with `lstmzoo data prepare davis root={root}`, or make a simulated set with "
        f"`lstmzoo data simulate davis root={root}`; for your own data see data/README.md"
    )


def _everything(layout: Layout) -> SequenceList:
    names = [
        path.name for path in sorted(layout.frames.iterdir(), key=natural_key) if path.is_dir() and path.name[0] != "."
    ]
    if not names:
        raise DataError(f"{layout.frames} has no folders; it takes one folder of frames for each sequence")
    return SequenceList(layout.frames, None, {name: (0, []) for name in names})


def _no_list(root: Path, split: str, year: int | None) -> str:
    there = sorted({path.stem for path in (root / "ImageSets").rglob("*.txt")})
    of_year = "" if year is None else f" of year {year}"
    return (
        f"{root / 'ImageSets'} has no list{of_year} for it: {unknown_choice('split', split, [*there, 'all'])}; take "
        f"one of these, or write ImageSets/{split}.txt with the name of a sequence a line"
    )


def _by_files(root: Path, name: str, files: list[tuple[str, str | None]], place: str) -> MaskedVideo:
    """A sequence whose frames and masks a list of 2016 names one by one."""
    frames = tuple(root / frame for frame, _ in files)
    masks = tuple(None if mask is None else root / mask for _, mask in files)
    missing = [path for path in (*frames, *masks) if path is not None and not path.is_file()]
    if missing:
        raise DataError(
            f"{place}: {listed(missing, 3)} not found, of {len(files)} frames of {name}; fetch what is missing, or "
            "take it out of the list"
        )
    return MaskedVideo(name, frames, masks)


def _by_folder(layout: Layout, name: str) -> MaskedVideo:
    """A sequence whose frames and masks are what lies in its folders; they belong together by name."""
    frames = find_frames(layout.frames / name)
    if not frames:
        raise DataError(f"{layout.frames / name} holds no frames ({', '.join(IMAGE_SUFFIXES)})")
    masks = find_frames(layout.masks / name, (".png",))
    _check_suffixes(layout.masks / name, frames, masks)
    alone = [masks[stem] for stem in masks if stem not in frames]
    if alone:
        raise DataError(
            f"{listed(alone, 3)}: a mask without its frame; fetch {layout.frames / name / alone[0].stem}.jpg, or "
            "delete the mask"
        )
    return MaskedVideo(name, tuple(frames.values()), tuple(masks.get(stem) for stem in frames))


def _check_suffixes(folder: Path, frames: dict[str, Path], masks: dict[str, Path]) -> None:
    """Refuse masks that would be overlooked because they are no PNGs."""
    images = list_images(folder) if folder.is_dir() else []
    others = [path for path in images if path.stem in frames.keys() - masks.keys()]
    if others:
        raise DataError(
            f"{folder} holds {len(others)} masks that are no PNGs, e.g. {others[0].name}; write masks as PNGs, and not "
            "from JPEGs, which change the numbers of objects"
        )


def _check_published(layout: Layout, video: MaskedVideo, place: str, path: Path) -> None:
    """Refuse holes in the published sets: their frames are numbered without gaps, and all or only the first have masks.

    Less than half of the frames with masks is taken for a partly annotated set of your own.
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
