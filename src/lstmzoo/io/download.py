"""Fetching files over https and unpacking archives, without trusting either.

A file is what it should be when its SHA-256 is known in advance, or is the one recorded when it was first fetched:
``sha256.json`` beside the file remembers that.
"""

import hashlib
import json
import os
import stat
import urllib.error
import urllib.request
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO, Any

from lstmzoo.errors import DataError
from lstmzoo.io.atomic import NO_ROOM, replacing, write_atomically
from lstmzoo.io.progress import progress_bar
from lstmzoo.io.wording import listed

MANIFEST = "sha256.json"

CHUNK = 1 << 20
TIMEOUT = 30.0

MAX_MEMBERS = 10_000
MAX_BYTES = 8 << 30
MAX_RATIO = 200  # bytes unpacked per byte packed, of an archive as a whole
MAX_NAME, MAX_PATH = 255, 4000
"""Bytes of a file name and of a whole path that the usual file systems take."""


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https only."""

    def redirect_request(self, request: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str) -> Any:
        _require_https(newurl)
        return super().redirect_request(request, fp, code, msg, headers, newurl)


def _require_https(url: str) -> None:
    if not url.lower().startswith("https://"):
        raise DataError(f"{url} is not an https address; nothing is fetched without encryption")


def open_url(url: str) -> Any:
    """Open an https address for reading; redirects must be https, too."""
    request = urllib.request.Request(url, headers={"User-Agent": "lstmzoo"})
    return urllib.request.build_opener(_HttpsOnly).open(request, timeout=TIMEOUT)


def fetch(
    url: str,
    path: str | os.PathLike[str],
    *,
    sha256: str | None = None,
    opener: Callable[[str], Any] = open_url,
) -> Path:
    """Download a file unless it is there already, and verify it either way.

    Args:
        url: https address.
        path: where the file goes. It appears there only when it is complete and verified.
        sha256: what the file must have, in hexadecimal; None where it is not known: then it is recorded in
            ``sha256.json`` beside the file and demanded from then on.
        opener: opens an address and returns a response with ``read`` and ``headers``.

    Raises:
        DataError: not https, no connection, an incomplete download, or a file that is not the expected one.
    """
    path = Path(path)
    _require_https(url)
    if path.exists():
        verify(path, sha256=sha256)
        return path
    with replacing(path) as unfinished:
        _download(url, unfinished, path.name, opener)
        verify(unfinished, sha256=sha256, name=path.name, source=url)
    return path


def _download(url: str, target: Path, name: str, opener: Callable[[str], Any]) -> None:
    try:
        with opener(url) as response, target.open("wb") as stream:
            length = response.headers.get("Content-Length")
            total = int(length) if length and length.isdigit() else None
            received = 0
            with progress_bar(name, total, "MB", scale=1e6) as advance:
                while chunk := response.read(CHUNK):
                    stream.write(chunk)
                    received += len(chunk)
                    advance(len(chunk))
    except urllib.error.HTTPError as error:
        raise DataError(f"{url} answers {error.code} ({error.reason}); fetch the file by hand from its site") from error
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        reason = getattr(error, "reason", None) or error
        raise DataError(f"cannot download {url} ({reason}); is this machine online?") from error
    if total is not None and received != total:
        raise DataError(f"the download of {url} broke off: {received} of {total} bytes; run the command again")


def verify(path: Path, *, sha256: str | None = None, name: str | None = None, source: str = "") -> None:
    """Check a file against its known or recorded SHA-256; record it where there is none.

    Args:
        path: the file.
        sha256: what it must have, in hexadecimal, or None.
        name: the name under which it is recorded; by default that of `path`.
        source: where it came from, for the record.

    Raises:
        DataError: the file is not the expected one.
    """
    name = name or path.name
    manifest = path.with_name(MANIFEST)
    records = _read_manifest(manifest)
    found = digest_of(path)
    expected = sha256 or records.get(name, {}).get("sha256", found)
    if found != expected.lower():
        raise DataError(
            f"{path.with_name(name)} is not the expected file: its SHA-256 is {found}, it should be {expected}; "
            "delete it and run the command again"
        )
    if name not in records:
        records[name] = {"sha256": found, "bytes": path.stat().st_size, "source": source}
        write_atomically(manifest, json.dumps(records, indent=2, sort_keys=True) + "\n")


def _read_manifest(manifest: Path) -> dict[str, dict[str, Any]]:
    if not manifest.exists():
        return {}
    try:
        return dict(json.loads(manifest.read_text()))
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{manifest} is damaged ({error}); delete it, and the files are recorded again") from error


def digest_of(path: Path, algorithm: str = "sha256") -> str:
    """Return the SHA-256 of a file, or another digest, in hexadecimal."""
    digest = hashlib.new(algorithm, usedforsecurity=algorithm == "sha256")
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def extract_zip(
    archive: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    max_members: int = MAX_MEMBERS,
    max_bytes: int = MAX_BYTES,
) -> list[Path]:
    """Unpack a zip archive into a folder, and nowhere else.

    Nothing is written unless the whole list of members is acceptable. Files that are there already with the same
    content are left alone; each other file appears only when it is complete.

    Args:
        archive: the archive.
        folder: where its members go; created if need be.
        max_members: most members accepted.
        max_bytes: most bytes accepted, unpacked, of all members together.

    Returns:
        The files, in the order of the archive.

    Raises:
        DataError: not a zip archive, damaged, encrypted, too large, or with members that are links, lie outside, or
            have names that no folder can hold.
        LstmzooError: the disk is full.
    """
    archive, folder = Path(archive), Path(folder)
    try:
        with zipfile.ZipFile(archive) as packed:
            places = [(info, _target(archive, info, folder)) for info in packed.infolist()]
            members = [info for info, _ in places if not info.is_dir()]
            targets = [target for info, target in places if not info.is_dir()]
            _check_extent(archive, members, max_members, max_bytes)
            _check_names(archive, targets, [target for info, target in places if info.is_dir()])
            folder.mkdir(parents=True, exist_ok=True)
            with progress_bar(f"Unpacking {archive.name}", len(members), "files") as advance:
                for info, target in zip(members, targets, strict=True):
                    if not _is_unpacked(info, target):
                        _unpack(packed, info, target, folder, archive)
                    advance(1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        raise DataError(f"{archive} is not a zip archive that can be unpacked ({error}); fetch it again") from error
    return targets


def _target(archive: Path, info: zipfile.ZipInfo, folder: Path) -> Path:
    """Say where a member goes; refuse what would lie outside, links, devices and encrypted members."""
    # The name as it stands in the archive: zipfile itself cuts names at a NUL and turns backslashes on Windows.
    name = info.orig_filename
    parts = PurePosixPath(name).parts
    if not (parts or name == "./") or name.startswith("/") or ".." in parts or any(sign in name for sign in "\\:\0"):
        raise DataError(f"{archive} holds a member that would be written outside the folder: {name!r}; do not use it")
    target = folder.joinpath(*parts)
    if max(map(len, map(os.fsencode, target.parts))) > MAX_NAME or len(os.fsencode(target)) > MAX_PATH:
        raise DataError(f"{archive} holds a member with too long a name for a file: {name[:80]!r}...; do not use it")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFDIR if info.is_dir() else stat.S_IFREG):
        raise DataError(f"{archive} holds a member that is a link or a device: {name!r}; do not use it")
    if info.flag_bits & 0x1:
        raise DataError(f"{archive} is encrypted (member {name!r})")
    return target


def _check_extent(archive: Path, members: list[zipfile.ZipInfo], max_members: int, max_bytes: int) -> None:
    unpacked = sum(info.file_size for info in members)
    packed = max(archive.stat().st_size, 1)
    if len(members) > max_members:
        raise DataError(f"{archive} holds {len(members)} files, more than {max_members}")
    if unpacked > max_bytes:
        raise DataError(f"{archive} unpacks to {unpacked} bytes, more than {max_bytes}")
    if unpacked > MAX_RATIO * packed:
        raise DataError(f"{archive} unpacks to {unpacked / packed:.0f} times its size, more than {MAX_RATIO} times")


def _check_names(archive: Path, files: list[Path], folders: list[Path]) -> None:
    """Refuse files of the same name, whatever the case, and files that should be folders of others, too."""
    times = Counter(str(file).lower() for file in files)
    twice = sorted(name for name, count in times.items() if count > 1)
    if twice:
        raise DataError(f"{archive} holds files under the same name: {listed(twice)}")
    needed = [*folders, *(folder for path in (*files, *folders) for folder in path.parents)]
    both = sorted(times.keys() & {str(folder).lower() for folder in needed})
    if both:
        raise DataError(f"{archive} holds members that are both a file and a folder: {listed(both)}; do not use it")


def _is_unpacked(info: zipfile.ZipInfo, target: Path) -> bool:
    if target.is_symlink() or not target.is_file() or target.stat().st_size != info.file_size:
        return False
    crc = 0
    with target.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            crc = zlib.crc32(chunk, crc)
    return crc == info.CRC


def _unpack(packed: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, folder: Path, archive: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"{target.parent} is a link that leads out of {folder}; remove it")
    with replacing(target) as unfinished, packed.open(info) as source, unfinished.open("wb") as stream:
        _copy(source, stream, info, archive)
        stream.close()  # before it is moved to its place


def _copy(source: IO[bytes], stream: IO[bytes], info: zipfile.ZipInfo, archive: Path) -> None:
    """Copy a member; what it declares was accepted, so more than that is not written."""
    written = 0
    while chunk := source.read(CHUNK):
        written += len(chunk)
        if written > info.file_size:
            raise DataError(
                f"{archive}: member {info.filename!r} is larger than the {info.file_size} bytes it declares"
            )
        stream.write(chunk)
