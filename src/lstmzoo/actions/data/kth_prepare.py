"""Fetching the real KTH: six archives and 00sequences.txt."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lstmzoo.actions.data.kth_files import (
    ACTIONS,
    SEQUENCES_FILE,
    SIMULATED_MARKER,
    find_videos,
    parse_name,
    parse_sequences,
)
from lstmzoo.errors import DataError
from lstmzoo.io.atomic import write_atomically
from lstmzoo.io.download import extract_zip, fetch, open_url
from lstmzoo.io.wording import listed

BASE_URL = "https://www.csc.kth.se/cvap/actions/"

CHECKSUMS: dict[str, str] = {}
"""SHA-256 of the published files, where one is known. None was published; they are recorded at the first download."""

ARCHIVES = {action: f"{action}.zip" for action in ACTIONS}


def prepare(root: str | Path, *, source: str | Path | None = None, opener: Callable[[str], Any] = open_url) -> Path:
    """Download, verify and unpack the real KTH (about 1.1 GB), into a folder per action.

    Archives are kept in ``root/downloads`` with their SHA-256. An action whose videos are all there is not fetched
    again, so that the command can be repeated after it broke off.

    Args:
        root: folder of the data set.
        source: a folder with the archives (and 00sequences.txt) that were fetched by hand; nothing is downloaded then.
        opener: opens an address; see `lstmzoo.io.download.fetch`.

    Raises:
        DataError: no connection, a broken download, a damaged or unsafe archive, a file missing in `source`, or a
            simulated data set in `root`.
    """
    print("KTH is free for non-commercial use; cite Schuldt, Laptev, Caputo (ICPR 2004).")
    root = Path(root)
    if (root / SIMULATED_MARKER).exists():
        raise DataError(f"{root} holds a simulated KTH; give another folder for the real one, e.g. root=data/kth")
    downloads = root / "downloads" if source is None else Path(source)
    if source is not None:
        _check_source(downloads, root)
    root.mkdir(parents=True, exist_ok=True)

    def obtain(name: str) -> Path:
        if source is None:
            fetch(BASE_URL + name, downloads / name, sha256=CHECKSUMS.get(name), opener=opener)
        return downloads / name

    if not (root / SEQUENCES_FILE).exists():
        obtained = obtain(SEQUENCES_FILE)
        parse_sequences(obtained)
        write_atomically(root / SEQUENCES_FILE, obtained.read_bytes())
    wanted = {name for name, ranges in parse_sequences(root / SEQUENCES_FILE).items() if ranges}
    for action, archive in ARCHIVES.items():
        needed = {name for name in wanted if parse_name(name).action == action}
        if needed - find_videos(root).paths.keys():
            extract_zip(obtain(archive), root / action)
    return root


def _check_source(source: Path, root: Path) -> None:
    """Name all files missing in a folder of downloads at once."""
    names = list(ARCHIVES.values())
    if not (root / SEQUENCES_FILE).exists():
        names.append(SEQUENCES_FILE)
    missing = [name for name in names if not (source / name).is_file()]
    if missing:
        raise DataError(f"{source} lacks {listed(missing, 7)}; fetch them from {BASE_URL} and put them there")
