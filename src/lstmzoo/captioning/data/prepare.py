"""Fetching the real data sets: Flickr8k and COCO by download, Flickr30k from files that one has asked for."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lstmzoo.captioning.data.karpathy import IMAGE_FOLDERS
from lstmzoo.captioning.data.layouts import is_simulated
from lstmzoo.errors import DataError, LstmzooError, unknown_choice
from lstmzoo.io.atomic import publish
from lstmzoo.io.download import extract_zip, fetch, open_url
from lstmzoo.io.wording import listed

CHECKSUMS: dict[str, str] = {}
"""SHA-256 of the published files, where one is known. None was published; they are recorded at the first download."""

FLICKR8K_URL = "https://github.com/jbrownlee/Datasets/releases/download/Flickr8k/"
COCO_URL = "https://s3.amazonaws.com/images.cocodataset.org/"
KARPATHY_URL = "https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip"
FLICKR30K_FORM = "https://shannon.cs.illinois.edu/DenotationGraph/"

MAX_IMAGES, MAX_BYTES = 100_000, 16 << 30


@dataclass(frozen=True)
class Archive:
    """A zip archive, and how to tell that it has been unpacked."""

    url: str  # its address
    holds: str  # a file or folder that comes from it
    count: int = 1  # how many files that folder has; 1 for a file
    keep: str = ""  # the file to take out of it; empty for everything

    @property
    def name(self) -> str:
        """Its file name."""
        return self.url.rpartition("/")[2]

    def unpacked(self, root: Path) -> bool:
        """Say whether its files are in `root`."""
        path = root / self.holds
        return path.is_file() if self.count == 1 else path.is_dir() and len(list(path.glob("*.jpg"))) >= self.count


ARCHIVES = {
    "flickr8k": (
        Archive(f"{FLICKR8K_URL}Flickr8k_text.zip", "Flickr8k.token.txt"),
        Archive(f"{FLICKR8K_URL}Flickr8k_Dataset.zip", "Flicker8k_Dataset", 8_091),
    ),
    "coco": (
        Archive(KARPATHY_URL, "dataset_coco.json", keep="dataset_coco.json"),
        Archive(f"{COCO_URL}zips/val2014.zip", "val2014", 40_504),
        Archive(f"{COCO_URL}zips/train2014.zip", "train2014", 82_783),
    ),
}

SIZES = {"flickr8k": "1.1 GB", "coco": "20 GB"}
TERMS = {
    "flickr8k": "Flickr8k is for non-commercial research and teaching; cite Hodosh, Young, Hockenmaier (JAIR 2013).",
    "flickr30k": "Flickr30k is for non-commercial research and teaching; cite Young et al. (TACL 2014).",
    "coco": "COCO's captions are under CC BY 4.0, its images under Flickr's terms; cite Chen et al. (2015).",
}


def prepare(
    root: str | Path,
    dataset: Literal["flickr8k", "coco", "flickr30k"] = "flickr8k",
    *,
    source: str | Path | None = None,
    opener: Callable[[str], Any] = open_url,
) -> Path:
    """Download, verify and unpack Flickr8k (1.1 GB) or COCO (20 GB), or link to a copy of Flickr30k.

    Archives are kept in ``root/downloads`` with their SHA-256. What is unpacked already is not fetched again, so that
    the command can be repeated after it broke off.

    Args:
        root: folder of the data set.
        dataset: flickr8k (1.1 GB), coco (2014 with Karpathy's splits, 20 GB), or flickr30k, which has to be asked for.
        source: a folder with the archives that were fetched by hand, nothing is downloaded then; for flickr30k, the
            folder with dataset_flickr30k.json or results_20130124.token, and the images.
        opener: opens an address; see `lstmzoo.io.download.fetch`.

    Raises:
        DataError: no connection, a broken download, a damaged or unsafe archive, a file missing in `source`, or a
            simulated data set in `root`.
        LstmzooError: an unknown data set.
    """
    root = Path(root)
    if dataset not in TERMS:
        raise LstmzooError(unknown_choice("data set", dataset, TERMS))
    print(TERMS[dataset])
    if is_simulated(root):
        raise DataError(f"{root} holds a simulated set; give another folder for the real one, e.g. root=data/{dataset}")
    if dataset == "flickr30k":
        return _link_flickr30k(root, None if source is None else Path(source))
    downloads = root / "downloads" if source is None else Path(source)
    needed = [archive for archive in ARCHIVES[dataset] if not archive.unpacked(root)]
    if source is not None:
        absent = [archive for archive in needed if not (downloads / archive.name).is_file()]
        if absent:
            raise DataError(
                f"{source} lacks {listed(one.name for one in absent)}; fetch {listed(one.url for one in absent)}"
            )
    for archive in needed:
        if source is None:
            checksum = CHECKSUMS.get(archive.name)
            fetch(archive.url, downloads / archive.name, sha256=checksum, opener=opener)
        _unpack(downloads / archive.name, root, archive.keep)
    return root


def _unpack(path: Path, root: Path, keep: str) -> None:
    """Unpack an archive; where one file of several is wanted, beside the data set first."""
    folder = root / ".unpacked" if keep else root
    extract_zip(path, folder, max_members=MAX_IMAGES, max_bytes=MAX_BYTES)
    shutil.rmtree(folder / "__MACOSX", ignore_errors=True)  # a Mac's notes on each file
    if keep:
        publish(folder / keep, root / keep)
        shutil.rmtree(folder)


def _link_flickr30k(root: Path, source: Path | None) -> Path:
    """Make a folder that points to the files; they stay where they are."""
    names = ("dataset_flickr30k.json", "results_20130124.token")
    captions = [path for name in names if source is not None and (path := source / name).is_file()]
    folders = [path for name in IMAGE_FOLDERS if source is not None and (path := source / name).is_dir()]
    if source is None or not captions or not folders:
        what = "name the folder of its files with source=FOLDER" if source is None else f"{source} lacks them"
        raise DataError(
            f"Flickr30k is handed out on request only ({FLICKR30K_FORM}). It takes {' or '.join(names)}, and the "
            f"images in a folder flickr30k-images: {what}"
        )
    root.mkdir(parents=True, exist_ok=True)
    for path in (captions[0], folders[0]):
        link = root / path.name
        if not link.exists():
            link.symlink_to(path.resolve())
    return root
