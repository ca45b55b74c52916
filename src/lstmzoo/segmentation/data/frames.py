"""The frames of a sequence: image files in the natural order of their names."""

from __future__ import annotations

from pathlib import Path

from lstmzoo.errors import DataError
from lstmzoo.io.images import IMAGE_SUFFIXES, list_images


def find_frames(folder: Path, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> dict[str, Path]:
    """Find the frames, or the masks, in a folder.

    Args:
        folder: where; it need not exist.
        suffixes: which files, in lower case.

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
