"""Finding videos in folders: files that are videos by their suffix, and folders of frames."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from lstmzoo.errors import DataError
from lstmzoo.io.split_names import split_of
from lstmzoo.io.video import is_frame_folder, is_video
from lstmzoo.io.wording import listed

DEPTH = 5
"""Folders inside each other that are looked into for the videos of lists."""


def visible_folders(root: Path) -> list[Path]:
    """List the folders of a folder by name, without hidden ones and those that begin with an underscore."""
    return sorted(child for child in root.iterdir() if child.name[0] not in "._" and child.is_dir())


_SUFFIX = re.compile(r"\.[A-Za-z0-9]{2,5}$")
_PART = re.compile(r"(.+)_[0-9]{6}_[0-9]{6}")  # Kinetics: the seconds of a part of a video


class Contents(NamedTuple):
    """What lies directly in a folder: videos, and whatever else is not hidden."""

    videos: list[Path]
    others: list[Path]


def look_into(folder: Path) -> Contents:
    """List what lies directly in a folder, by name; a folder of frames is a video."""
    visible = [path for path in sorted(folder.iterdir()) if path.name[0] != "."]
    videos = [path for path in visible if (is_video(path) and path.is_file()) or is_frame_folder(path)]
    return Contents(videos, [path for path in visible if path not in set(videos)])


def all_videos(root: Path, depth: int = DEPTH) -> Iterator[Path]:
    """Find the videos of a folder and of the folders in it."""
    yield from look_into(root).videos
    if depth > 1:
        for folder in visible_folders(root):
            if not is_frame_folder(folder):
                yield from all_videos(folder, depth - 1)


class VideoIndex:
    """Finds the videos that lists of other people name.

    Lists are written beside one copy of a data set. Here the same videos may lie in another folder, in a folder for
    each split, under names in other case, or in another format. So a video is also known by the last parts of its
    path, whatever the case and the suffix, as long as only one answers to them.

    Args:
        root: folder of the data set.
        videos: the videos there are in it.
    """

    def __init__(self, root: Path, videos: Iterable[Path]) -> None:
        self.root = root
        self.exact: dict[str, Path] = {}
        self._loose: dict[str, list[Path]] = {}
        self._parts: dict[str, list[Path]] = {}
        for path in videos:
            name = path.relative_to(root).as_posix()
            self.exact[name] = path
            parts = _without_suffix(name).casefold().split("/")
            for first in range(len(parts)):
                self._loose.setdefault("/".join(parts[first:]), []).append(path)
            if part := _PART.fullmatch(parts[-1]):
                self._parts.setdefault(part[1], []).append(path)
        self._in_one_folder = len({path.parent for path in self.exact.values()}) == 1

    def find(self, name: str, split: str | None = None) -> Path | None:
        """Find a video.

        Args:
            name: as in a list: a path in the data set, or an absolute one, perhaps on another machine.
            split: train, val or test; where several answer to the name, the one in the folder of the split is taken.

        Returns:
            The video, or None where there is none.

        Raises:
            DataError: several answer to the name.
        """
        found = self.candidates(name, split)
        if len(found) > 1:
            raise DataError(f"{name!r} may be any of {listed(found)}; write the path within {self.root}")
        return found[0] if found else None

    def candidates(self, name: str, split: str | None = None) -> list[Path]:
        """List the videos that answer to a name, or else the parts that were cut out of it; see `find`."""
        return self.whole(name, split) or self._parts.get(name.casefold(), [])

    def whole(self, name: str, split: str | None = None) -> list[Path]:
        """List the videos that answer to a name themselves."""
        name = name.replace("\\", "/").removeprefix("./")
        if name in self.exact:
            return [self.exact[name]]
        for candidate in self._shortened(name):
            for key in (candidate, _without_suffix(candidate)):
                found = self._loose.get(key.casefold(), [])
                if "/" not in candidate and candidate != name:
                    found = [path for path in found if self._in_no_class(path)]
                of_split = [path for path in found if split in map(split_of, path.relative_to(self.root).parts)]
                if found:
                    return of_split or found
        return []

    def _shortened(self, name: str) -> list[str]:
        """The name; of an absolute one all its ends, the longest first."""
        if not re.match(r"/|[A-Za-z]:/", name):
            return [name]
        parts = PurePosixPath(name).parts
        return ["/".join(parts[first:]) for first in range(1, len(parts))]

    def _in_no_class(self, path: Path) -> bool:
        """Tell whether a video lies in no folder that could be another class than the list means."""
        return self._in_one_folder or path.parent == self.root or split_of(path.parent.name) is not None


def has_suffix(name: str) -> bool:
    """Tell whether a name ends like that of a file, in a dot and two to five letters or digits."""
    return _SUFFIX.search(name) is not None


def _without_suffix(name: str) -> str:
    return _SUFFIX.sub("", name)
