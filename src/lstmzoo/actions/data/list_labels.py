"""What the labels in lists mean: names of classes, or numbers that stand for them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lstmzoo.actions.data.class_names import is_number, plain
from lstmzoo.actions.data.split_lists import Entry
from lstmzoo.errors import DataError, unknown_choice
from lstmzoo.io.split_names import split_of


def name_classes(entries: Sequence[Entry], root: Path, table: Mapping[str, str] | None) -> tuple[list[str], list[str]]:
    """Find the class of every entry.

    With a table, a label is a number or a name in it. Without one, a label is the name of the class, or a number that
    stands for the folder in which its videos lie; where they lie in no folders of classes, the number is the name.
    An entry without a label is of the class of its folder. Upper and lower case do not matter.

    Returns:
        All class names in the order of their labels, and the name of each entry.

    Raises:
        DataError: a label that is unknown, missing, or contradicts the folder; the message names list and line.
    """
    folders = [_class_folder(entry, root) for entry in entries]
    if table is not None:
        names = [_by_table(entry, folder, table) for entry, folder in zip(entries, folders, strict=True)]
        return list(table.values()), names
    if len({folder for folder in folders if folder is not None}) < 2:  # whatever they are, they are not the classes
        folders = [None if entry.label else folder for entry, folder in zip(entries, folders, strict=True)]
    known = {folder.casefold(): folder for folder in folders if folder is not None}
    labels = {entry.label.casefold() for entry in entries if not is_number(entry.label)}
    named_by_folders = bool(known.keys() & labels) or (known and "" in labels)
    meaning = _meaning(entries, folders)
    names = []
    for entry, folder in zip(entries, folders, strict=True):
        if is_number(entry.label):
            name = meaning.get(plain(entry.label), plain(entry.label))
        elif entry.label:
            name = known.get(entry.label.casefold(), entry.label)
            if named_by_folders and name not in known.values():
                raise DataError(f"{entry.place}: {unknown_choice('label', entry.label, known.values())}")
        else:
            name = _folder_of(entry, folder)
        _check_folder(entry, folder, name, known)
        names.append(name)
    return sorted(set(names), key=lambda name: (int(name) if is_number(name) else -1, name)), names


def _class_folder(entry: Entry, root: Path) -> str | None:
    """The folder that may name the class: neither the data set's own nor that of a split."""
    assert entry.path is not None
    folder = entry.path.parent
    return None if folder == root or split_of(folder.name) else folder.name


def _folder_of(entry: Entry, folder: str | None) -> str:
    if folder is None:
        raise DataError(f"{entry.place}: {entry.text!r} has no label and no folder of a class; add its label")
    return folder


def _by_table(entry: Entry, folder: str | None, table: Mapping[str, str]) -> str:
    known = {name.casefold(): name for name in table.values()}
    label = entry.label or _folder_of(entry, folder)
    name = table.get(plain(label)) if is_number(label) else None
    name = name or known.get(label.casefold())
    if name is None:
        choices = [f"{number} {name}" for number, name in table.items()]
        raise DataError(f"{entry.place}: {unknown_choice('label', label, choices)}")
    _check_folder(entry, folder, name, known)
    return name


def _meaning(entries: Sequence[Entry], folders: Sequence[str | None]) -> dict[str, str]:
    """The folder that each number stands for.

    Raises:
        DataError: a number stands for several.
    """
    meaning: dict[str, str] = {}
    for entry, folder in zip(entries, folders, strict=True):
        if folder is None or not is_number(entry.label):
            continue
        stands_for = meaning.setdefault(plain(entry.label), folder)
        if stands_for != folder:
            raise DataError(
                f"{entry.place}: label {entry.label!r} stands for class {stands_for!r}, but the video is in "
                f"{folder!r}; correct the list, or say with data.class_file=... what the numbers mean"
            )
    return meaning


def _check_folder(entry: Entry, folder: str | None, name: str, known: Mapping[str, str]) -> None:
    """Refuse a label that contradicts a folder which is called like a class."""
    meant = known.get(folder.casefold()) if folder is not None else None
    if meant is not None and meant != name:
        raise DataError(
            f"{entry.place}: label {entry.label!r} stands for class {name!r}, but the video is in {folder!r}"
        )
