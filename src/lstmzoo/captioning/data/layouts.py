"""Which of the five layouts a folder has, and reading it."""

import os
from collections.abc import Callable
from pathlib import Path

from lstmzoo.captioning.data import coco, flickr, karpathy
from lstmzoo.captioning.data.records import CaptionFiles
from lstmzoo.captioning.data.split_files import LIST_NAMES
from lstmzoo.errors import DataError, LstmzooError, unknown_choice
from lstmzoo.io.wording import listed

LAYOUTS = ("karpathy", "coco", "flickr8k", "flickr30k", "csv")
"""The layouts, in the order in which ``auto`` looks for them: files with splits before files without."""

SIMULATED_MARKER = "simulated.json"
"""File that the simulator leaves in the folders it makes."""


def is_simulated(root: str | os.PathLike[str]) -> bool:
    """Tell whether a folder was made by the simulator."""
    return (Path(root) / SIMULATED_MARKER).exists()


def read_captions(
    root: str | os.PathLike[str],
    layout: str = "auto",
    *,
    image_dir: str | os.PathLike[str] | None = None,
    split_dir: str | os.PathLike[str] | None = None,
) -> CaptionFiles:
    """Read the captions of a data set.

    Args:
        root: folder of the data set, or the file with its captions.
        layout: one of `LAYOUTS`, or ``auto`` for the first of them that is there.
        image_dir: folder of the images, where it is not found beside the captions.
        split_dir: folder of the split lists (layouts flickr8k, flickr30k and csv), where they lie elsewhere.

    Raises:
        DataError: no captions there, several files that could be meant, or a file that cannot be read.
        LstmzooError: an unknown layout.
    """
    root = Path(root)
    check_layout(layout)
    found = {name: files for name in LAYOUTS if (files := _FINDERS[name](root))}
    chosen = next(iter(found), None) if layout == "auto" else layout
    if chosen not in found:
        raise DataError(_nothing(root, layout, list(found)))
    files = found[chosen]
    images = None if image_dir is None else Path(image_dir)
    if chosen == "coco":
        read = coco.read(files, images)
        if root.is_dir():
            coco.note_others(root, files, read.issues)
        return read
    if len(files) > 1:
        raise DataError(f"{root} holds {listed(files)}; name the one that is meant: data.root=FILE")
    if chosen == "karpathy":
        return karpathy.read(files[0], images)
    return flickr.read(files[0], chosen, images, None if split_dir is None else Path(split_dir))


def check_layout(layout: str) -> None:
    """Raise `LstmzooError` where there is no such layout."""
    if layout not in ("auto", *LAYOUTS):
        raise LstmzooError(unknown_choice("layout", layout, ("auto", *LAYOUTS)))


def _how_to_get_one(root: Path) -> str:
    return (
        f"Download Flickr8k with `lstmzoo data prepare captions root={root}`, "
        f"or make a simulated set with `lstmzoo data simulate captions root={root}`"
    )


def _nothing(root: Path, layout: str, found: list[str]) -> str:
    if not root.exists():
        return f"{root} does not exist. {_how_to_get_one(root)}"
    if found:
        return f"{root} has the layout {listed(found)}, not {layout!r}; leave the layout out or name that one"
    return (
        f"{root} holds no captions: no dataset_*.json (Karpathy), captions_train2014.json (COCO), Flickr8k.token.txt, "
        f"results_20130124.token (Flickr30k), captions.txt or captions.csv. "
        f"{_other_files(root)}{_how_to_get_one(root)}"
    )


def _other_files(root: Path) -> str:
    """Name a file that may be meant although it is called otherwise."""
    others = _files(root, lambda path: path.suffix.lower() in (".json", *flickr.CSV_SUFFIXES))
    return (
        f"Name a file that is called otherwise as data.root=FILE, e.g. data.root={others[0]}. "
        if root.is_dir() and others
        else ""
    )


def _files(root: Path, fits: Callable[[Path], bool]) -> list[Path]:
    """The files of a folder that fit, or the file itself."""
    if root.is_file():
        return [root] if fits(root) else []
    return [path for path in sorted(root.iterdir()) if path.is_file() and fits(path)] if root.is_dir() else []


def _karpathy(root: Path) -> list[Path]:
    if root.is_file():
        return [root] if root.suffix == ".json" and not _is_coco(root) else []
    return _files(root, lambda path: path.name.startswith("dataset") and path.suffix == ".json")


def _coco(root: Path) -> list[Path]:
    if root.is_file():
        return [root] if root.suffix == ".json" and _is_coco(root) else []
    return coco.find(root)


def _is_coco(path: Path) -> bool:
    """Whether a JSON file that was named, whatever it is called, has COCO's form."""
    return path.name.startswith("captions_") or b'"annotations"' in path.read_bytes()


def _flickr8k(root: Path) -> list[Path]:
    token = _files(root, lambda path: path.name in flickr.TOKEN_FILES["flickr8k"])
    return token or (_csv(root) if _has_flickr8k_lists(root) else [])


def _flickr30k(root: Path) -> list[Path]:
    return _files(root, lambda path: path.name in flickr.TOKEN_FILES["flickr30k"])


def _csv(root: Path) -> list[Path]:
    return _files(root, lambda path: path.name in flickr.CSV_FILES or _is_named_csv(root))


def _is_named_csv(root: Path) -> bool:
    """Whether it is a csv file itself that was named, whatever it is called."""
    return root.is_file() and root.suffix.lower() in flickr.CSV_SUFFIXES


def _has_flickr8k_lists(root: Path) -> bool:
    """Whether the split lists are those of Flickr8k, which tell its csv from any other."""
    folder = root.parent if root.is_file() else root
    return any((folder / name).is_file() for name in LIST_NAMES.values())


_FINDERS: dict[str, Callable[[Path], list[Path]]] = {
    "karpathy": _karpathy,
    "coco": _coco,
    "flickr8k": _flickr8k,
    "flickr30k": _flickr30k,
    "csv": _csv,
}
