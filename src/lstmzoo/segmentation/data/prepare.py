"""Fetching the real DAVIS: of 2016, of 2017 with its test sets, and the masks of the unsupervised track."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstmzoo.errors import DataError, LstmzooError, unknown_choice
from lstmzoo.io.atomic import publish
from lstmzoo.io.download import MANIFEST, digest_of, extract_zip, fetch, open_url
from lstmzoo.segmentation.data.layout import SIMULATED_MARKER, find_layout, find_lists, find_sequences

URL_2016 = "https://graphics.ethz.ch/Downloads/Data/Davis/"
URL_2017 = "https://data.vision.ee.ethz.ch/csergi/share/davis/"
TERMS = "DAVIS is under CC BY-NC 4.0; cite Perazzi et al. (CVPR 2016) and, for 2017, Pont-Tuset et al. (2017)."
_TOP = "DAVIS"  # the folder in which all archives have everything
_MAX_FILES = 50_000


@dataclass(frozen=True)
class Archive:
    """A zip archive as it was published."""

    url: str  # its address; ``{resolution}`` stands for 480p or Full-Resolution
    year: int  # the year of its lists
    splits: tuple[str, ...]
    unsupervised: bool = False  # its masks are those of the unsupervised track
    md5: str = ""  # as published, in hexadecimal; empty where none was. SHA-256 are recorded at the first download

    def name(self, resolution: str) -> str:
        """Its file name."""
        return self.url.rpartition("/")[2].format(resolution=resolution)


ARCHIVES = {
    "2016": Archive(f"{URL_2016}DAVIS-data.zip", 2016, ("train", "val"), md5="0cb3cf9c5617209fa3cc4794e52a2ffa"),
    "2017": Archive(f"{URL_2017}DAVIS-2017-trainval-{{resolution}}.zip", 2017, ("train", "val")),
    "2017-test-dev": Archive(f"{URL_2017}DAVIS-2017-test-dev-{{resolution}}.zip", 2017, ("test-dev",)),
    "2017-test-challenge": Archive(
        f"{URL_2017}DAVIS-2017-test-challenge-{{resolution}}.zip", 2017, ("test-challenge",)
    ),
    "2017-unsupervised": Archive(
        f"{URL_2017}DAVIS-2017-Unsupervised-trainval-{{resolution}}.zip", 2017, ("train", "val"), unsupervised=True
    ),
}


def prepare(
    root: str | Path,
    dataset: str = "2017",
    resolution: str = "480p",
    *,
    source: Path | None = None,
    opener: Callable[[str], Any] = open_url,
) -> None:
    """Download, verify and unpack DAVIS. The sets of 2017 may share a folder; that of 2016 needs its own.

    The archive is kept in ``root/downloads`` with its SHA-256. What is there already is not fetched again, so that the
    command can be repeated after it broke off.

    Args:
        root: folder of the data set.
        dataset: 2016 (1.9 GB, both resolutions), 2017 (train and val), 2017-test-dev, 2017-test-challenge or
            2017-unsupervised.
        resolution: 480p or, of the sets of 2017, Full-Resolution.
        source: a folder with the archive, downloaded by hand; then nothing is downloaded.
        opener: opens an address; see `lstmzoo.io.download.fetch`.

    Raises:
        DataError: no connection, a damaged, incomplete or unsafe archive, a file missing in `source`, or a simulated
            data set or one of another year in `root`.
        LstmzooError: an unknown data set or resolution.
    """
    print(TERMS)
    root = Path(root)
    if dataset not in ARCHIVES:
        raise LstmzooError(unknown_choice("data set", dataset, ARCHIVES))
    resolutions = ("480p", "1080p") if dataset == "2016" else ("480p", "Full-Resolution")
    if resolution not in resolutions:
        raise LstmzooError(f"DAVIS {dataset}: {unknown_choice('resolution', resolution, resolutions)}")
    if (root / SIMULATED_MARKER).exists():
        raise DataError(f"{root} holds a simulated set; give another folder for the real one, e.g. root=data/davis")
    archive = ARCHIVES[dataset]
    _check_year(root, archive.year)
    if _lacking(root, archive, resolution):
        path = (source or root / "downloads") / archive.name(resolution)
        url = archive.url.format(resolution=resolution)
        if source is None:
            fetch(url, path, opener=opener)
        elif not path.is_file():
            raise DataError(f"{source} lacks {path.name}; fetch it from {url} and put it there")
        _check_md5(path, archive.md5)
        _unpack(path, root)
        if lacking := _lacking(root, archive, resolution):
            raise DataError(
                f"{path} is not complete: {lacking}. Delete it and {path.with_name(MANIFEST)}, then fetch it again "
                "with the same command"
            )


def _check_year(root: Path, year: int) -> None:
    """Refuse a folder that holds the other year: sequences of both have the same names, but not the same masks."""
    lists = {2016: ("480p", "1080p"), 2017: ("2017",)}
    for other in lists.keys() - {year}:
        if any((root / "ImageSets" / name).is_dir() for name in lists[other]):
            raise DataError(
                f"{root} holds DAVIS {other}, which has other masks under the same names as {year}; give another "
                f"folder, e.g. root={root.with_name(f'davis{year}')}"
            )


def _lacking(root: Path, archive: Archive, resolution: str) -> str:
    """Say what the archive's lists name and the folder has not; nothing where all is there."""
    try:
        layout = find_layout(root, resolution, unsupervised=archive.unsupervised)
        for split in archive.splits:
            find_sequences(layout, find_lists(layout, split, year=archive.year, resolution=resolution))
    except DataError as error:
        return str(error)
    return ""


def _check_md5(path: Path, expected: str) -> None:
    if expected and (found := digest_of(path, "md5")) != expected:
        raise DataError(
            f"{path} is not the published file: its MD5 is {found}, it should be {expected}; delete it and run the "
            "command again"
        )


def _unpack(path: Path, root: Path) -> None:
    """Unpack beside the data set, then move every file in; lists go after the images that they name."""
    folder = root / ".unpacked"
    extract_zip(path, folder, max_members=_MAX_FILES)
    top = folder / _TOP if (folder / _TOP).is_dir() else folder
    files = [file for file in top.rglob("*") if file.is_file()]
    for file in sorted(files, key=lambda one: ("ImageSets" in one.parts, one)):
        target = root / file.relative_to(top)
        target.parent.mkdir(parents=True, exist_ok=True)
        publish(file, target)
    shutil.rmtree(folder)
