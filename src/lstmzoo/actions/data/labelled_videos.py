"""The videos of a folder and their classes, given by the folders they are in or by lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lstmzoo.actions.data.class_names import read_class_table
from lstmzoo.actions.data.list_labels import name_classes
from lstmzoo.actions.data.split_lists import Entry, ListFile, find_lists, read_lists
from lstmzoo.errors import DataError, LstmzooError, unknown_choice
from lstmzoo.io.images import is_image
from lstmzoo.io.split_names import split_of
from lstmzoo.io.video import VIDEO_SUFFIXES
from lstmzoo.io.video_files import VideoIndex, all_videos, look_into, visible_folders
from lstmzoo.io.wording import counted, listed


class FoundVideo(NamedTuple):
    """A video, the name of its class, and its split where folders or lists define it."""

    path: Path
    name: str
    split: str | None = None


@dataclass(frozen=True)
class Labelled:
    """The videos of a folder."""

    classes: list[str]  # class names, in the order of their labels
    videos: list[FoundVideo]  # the videos of these classes
    problems: list[str]  # what was left out or is missing, in words
    missing: int = 0  # how many videos of lists are not there


def by_folders(root: Path, classes: Sequence[str] | None) -> Labelled:
    """Find ``root/<class>/<video>``, of the classes named, in this order, or of all that are not hidden.

    Raises:
        DataError: no class folders, or one without videos.
        LstmzooError: a class that is not there.
    """
    folders = {folder.name: folder for folder in visible_folders(root)}
    loose = [path for path in look_into(root).videos if path.is_file()]
    if not folders:
        raise DataError(
            f"{root} holds no class folders and {counted(len(loose), 'video')}; videos belong in "
            f"{root}/<class>/<video>.avi, or name a list of their classes: data.label_file=..."
        )
    problems = [f"{root}: videos in no class folder, left out: {listed(path.name for path in loose)}"] if loose else []
    names = _chosen(root, list(folders), classes)
    videos = []
    for name in names:
        contents = look_into(folders[name])
        if not contents.videos:
            raise DataError(_no_videos(folders[name], contents.others))
        videos += [FoundVideo(path, name) for path in contents.videos]
        problems += _left_out(folders[name], contents.others)
    return Labelled(names, videos, problems)


def has_split_folders(root: Path) -> bool:
    """Whether all folders in a folder are splits: train, val, test or the like."""
    splits = [split_of(folder.name) for folder in visible_folders(root)]
    return "train" in splits and None not in splits


def by_split_folders(root: Path, classes: Sequence[str] | None) -> Labelled:
    """Find ``root/<split>/<class>/<video>``; see `by_folders`."""
    videos, problems = [], []
    names: set[str] = set()
    for top in visible_folders(root):
        split = split_of(top.name)
        if split is None:
            problems.append(f"{top} is not a split (train, val or test), left out")
            continue
        loose = [path for path in look_into(top).videos if path.is_file()]
        if loose:
            problems.append(
                f"{top}: {counted(len(loose), 'video')} in no class folder, left out; where a list says their "
                "classes, name its folder: data.split_dir=..."
            )
        for folder in visible_folders(top):
            contents = look_into(folder)
            names |= {folder.name} if contents.videos else set()
            videos += [FoundVideo(path, folder.name, split) for path in contents.videos]
            problems += _left_out(folder, contents.others)
    if not names:
        raise DataError(
            f"{root} holds no videos in {root}/<split>/<class>/<video>.avi with splits train, val and test; "
            f"{listed(problems, 2)}"
        )
    chosen = _chosen(root, sorted(names), classes)
    return Labelled(chosen, [video for video in videos if video.name in chosen], problems)


class Lists(NamedTuple):
    """Lists that came with the videos; see `lstmzoo.data.VideoFolder`."""

    split_dir: Path | None
    label_file: Path | None
    class_file: Path | None
    fold: int

    def read(self, index: VideoIndex) -> tuple[list[list[Entry]], list[list[Entry]], list[str]]:
        """Read them: the lists of labels, those of the splits (or the same), and what was assumed, in words."""
        told_by, assumed = read_lists([ListFile(self.label_file)] if self.label_file else [], index)
        if self.split_dir is None:
            return told_by, told_by, assumed
        lists, more = read_lists(find_lists(self.split_dir, self.fold), index)
        return told_by, lists, [*assumed, *more]


def by_lists(root: Path, source: Lists, classes: Sequence[str] | None) -> Labelled:
    """Find the videos that lists name, anywhere in `root`.

    Raises:
        DataError: a list that is not there or broken, none of its videos there, a video that is listed twice, or a
            label that is unknown or contradicts the folder.
        LstmzooError: a class that is not there.
    """
    index = VideoIndex(root, all_videos(root))
    told_by, lists, assumed = source.read(index)
    missing = [problem for entries in lists for problem in _missing(entries, root)]
    there = _once([entry for entries in lists for entry in entries])
    where = source.split_dir or source.label_file or root
    if not there:
        raise DataError(
            f"no video of the lists in {where} is in {root}, which holds "
            f"{counted(len(index.exact), 'video')}: {listed(index.exact, 3)}; name the folder of the videos with "
            f"data.root=..., and let the lists name the paths in it; {listed(missing, 2)}"
        )
    problems = [*assumed, *missing]
    told = {entry.path: entry.label for entries in told_by for entry in entries}
    there = [entry._replace(label=entry.label or told.get(entry.path, "")) for entry in there]
    table = None if source.class_file is None else read_class_table(source.class_file)
    known, names = name_classes(there, root, table)
    used = {entry.path for entry in there}
    unlisted = [name for name, path in index.exact.items() if path not in used]
    if unlisted:
        problems.append(f"{counted(len(unlisted), 'video')} in none of the lists, so not used: {listed(unlisted)}")
    chosen = _chosen(where, known, classes)
    videos = [
        FoundVideo(entry.path, name, entry.split)
        for entry, name in zip(there, names, strict=True)
        if entry.path is not None and name in chosen
    ]
    return Labelled(chosen, sorted(videos), problems, sum(entry.path is None for of in lists for entry in of))


def _chosen(where: Path, names: list[str], classes: Sequence[str] | None) -> list[str]:
    for name in classes or ():
        if name not in names:
            raise LstmzooError(f"{where}: {unknown_choice('class', name, names)}")
    return names if classes is None else list(classes)


def _missing(entries: Sequence[Entry], root: Path) -> list[str]:
    """Name the videos of a list that are not there."""
    missing = [entry for entry in entries if entry.path is None]
    if not missing:
        return []
    first = missing[0]
    return [
        f"{first.place}: no such video in {root}: {first.text!r}; {len(missing)} of the "
        f"{counted(len(entries), 'video')} of this list left out"
    ]


def _once(entries: Sequence[Entry]) -> list[Entry]:
    """Keep the entries whose videos are there; refuse a video that is listed in two places."""
    seen: dict[Path, Entry] = {}
    for entry in entries:
        if entry.path is None:
            continue
        before = seen.setdefault(entry.path, entry)
        if (before.split, before.label) != (entry.split, entry.label):
            raise DataError(f"{entry.place}: {entry.text} is listed already in {before.place}; list it once")
    return list(seen.values())


def _left_out(folder: Path, others: Sequence[Path]) -> list[str]:
    """Describe what in a class folder is not used."""
    deep = [path for path in others if _holds_videos(path)]
    rest = [path.name for path in others if path not in deep]
    unused = [f"{folder}: not videos, left out: {listed(rest)}"] if rest else []
    return [*unused, f"{_deeper(folder, deep)}; they are left out"] if deep else unused


def _no_videos(folder: Path, others: Sequence[Path]) -> str:
    deep = [path for path in others if _holds_videos(path)]
    if deep:
        return _deeper(folder, deep)
    if any(is_image(path) for path in others):
        return f"class folder {folder} holds images; a video is a folder of frames: {folder}/<video>/00001.jpg"
    return (
        f"class folder {folder} holds no videos (files ending in {', '.join(sorted(VIDEO_SUFFIXES))}, or folders of "
        "frames); add some, remove the folder, or name the classes to use: data.classes=[...]"
    )


def _holds_videos(path: Path) -> bool:
    return path.is_dir() and any(all_videos(path))


def _deeper(folder: Path, deep: Sequence[Path]) -> str:
    return (
        f"subfolders of class folder {folder} hold videos, e.g. {next(all_videos(deep[0]))}, but a video belongs "
        f"directly in {folder}; move them up, or name a list that says the class of each: data.label_file=..."
    )
