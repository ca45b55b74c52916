"""Which file a name in a list of captions means."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path, PurePath

from lstmzoo.errors import DataError
from lstmzoo.io.images import is_image, list_images
from lstmzoo.io.wording import listed


class ImageNames:
    """The image files of a folder, by what they are called.

    Args:
        folder: the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stems: dict[str, dict[str, list[str]]] = {}

    def find(self, name: str) -> str | None:
        """Return the name of the file that is meant.

        Args:
            name: as it stands in the captions: with the suffix of an image, of another file that is there, or without.

        Returns:
            The file's name, below the folder; that of an image need not be there. None where no file can be meant.

        Raises:
            DataError: several files of that name differ by their suffixes only.
        """
        if is_image(name) or (name and os.path.isfile(self.folder / name)):
            return name
        parent, _, stem = name.rpartition("/")
        found = self._in(parent).get(stem, [])
        if len(found) > 1:
            raise DataError(f"{name!r} may be {listed(found)} in {self.folder}; write the suffix, too")
        return (PurePath(parent) / found[0]).as_posix() if found else None

    def _in(self, parent: str) -> dict[str, list[str]]:
        if parent not in self._stems:
            stems: defaultdict[str, list[str]] = defaultdict(list)
            for path in list_images(self.folder / parent) if os.path.isdir(self.folder / parent) else ():
                stems[path.stem].append(path.name)
            self._stems[parent] = dict(stems)
        return self._stems[parent]
