"""Lists of videos: train.txt, val.txt and test.txt, one path per line, as UCF-101 and others come with them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from lstmzoo.data.group_splits import SPLITS
from lstmzoo.data.wording import listed
from lstmzoo.errors import DataError, DataWarning, unknown_choice


def read_split_lists(folder: Path, root: Path, videos: Sequence[Path], classes: Sequence[str]) -> dict[Path, str]:
    """Read which video is in which split.

    A line is a path relative to `root`, ``<class>/<video>``, and may be followed by its label: the name of the class,
    or a number that stands for it. The class is always the folder; a label that says otherwise is an error. Blank
    lines and lines that start with ``#`` are skipped.

    Args:
        folder: folder of train.txt, and of val.txt and test.txt if there are such splits.
        root: folder of the videos.
        videos: the videos there are.
        classes: the classes there are.

    Returns:
        The split of each listed video. Videos in no list are named in a `DataWarning`.

    Raises:
        DataError: no train.txt, a file that is not there, an unknown label or one that contradicts the folder, or a
            video that is listed twice. The message names the list and the line.
    """
    if not (folder / "train.txt").is_file():
        raise DataError(f"no such list: {folder / 'train.txt'}; lists are train.txt, val.txt and test.txt in split_dir")
    known = {path.relative_to(root).as_posix(): path for path in videos}
    listed_at: dict[Path, str] = {}
    split_of: dict[Path, str] = {}
    meaning: dict[str, str] = {}
    for split in SPLITS:
        source = folder / f"{split}.txt"
        if not source.is_file():
            continue
        for number, line in enumerate(source.read_text(encoding="utf-8-sig").splitlines(), start=1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            place = f"{source}, line {number}"
            name, label = _path_and_label(text, known, place, root)
            path = known[name]
            _check_label(label, path.parent.name, classes, meaning, place)
            if path in listed_at:
                raise DataError(f"{place}: {name} is listed already in {listed_at[path]}; list it once")
            listed_at[path], split_of[path] = place, split
    unlisted = [name for name, path in known.items() if path not in split_of]
    if unlisted:
        message = (
            f"{len(unlisted)} video(s) are in none of the lists in {folder}, so they are not used: {listed(unlisted)}"
        )
        warnings.warn(message, DataWarning, stacklevel=3)
    return split_of


def _path_and_label(text: str, known: dict[str, Path], place: str, root: Path) -> tuple[str, str]:
    """Take a line apart; paths may hold blanks."""
    *path, label = text.rsplit(maxsplit=1)
    for name, rest in ((text, ""), ("".join(path), label)):
        name = name.removeprefix("./").replace("\\", "/")
        if name in known:
            return name, rest
    raise DataError(f"{place}: no such video in {root} (or not in one of its class folders): {text!r}")


def _check_label(label: str, folder: str, classes: Sequence[str], meaning: dict[str, str], place: str) -> None:
    """Check a label against the folder; `meaning` remembers which class a number stood for."""
    if not label:
        return
    if not label.isdigit():
        if label not in classes:
            raise DataError(f"{place}: {unknown_choice('label', label, classes)}")
        stands_for = label
    else:
        stands_for = meaning.setdefault(label, folder)
    if stands_for != folder:
        raise DataError(f"{place}: label {label!r} stands for class {stands_for!r}, but the video is in {folder!r}")
