"""Files and folders that are there as a whole or not at all: the one way in which this package writes."""

import csv
import errno
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lstmzoo.errors import LstmzooError

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What the system says when a file cannot grow: the disk is full, or a quota or the largest file size is reached."""


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; move it there when the block ends well, remove it when not.

    What was there before stays until then, whatever ends the block: an error, Ctrl-C, or the end of the process.

    Args:
        path: where the finished file shall be; missing folders are made.

    Yields:
        The temporary path, with the suffix of ``path``, from which some writers choose their format.

    Raises:
        LstmzooError: the folder cannot be made or written, or there is no room for the file.
    """
    path = Path(path)
    stem = os.fsencode(path.stem)[:100].decode(errors="ignore")  # file systems count bytes
    temporary = path.with_name(f".{stem}-{uuid.uuid4().hex[:8]}{path.suffix[:20]}")
    with making_folder(path.parent):
        try:
            yield temporary
            publish(temporary, path)
        except OSError as error:
            if error.errno in NO_ROOM:
                raise no_room(path, error) from error
            raise
        finally:
            temporary.unlink(missing_ok=True)


def publish(unfinished: Path, path: Path) -> None:
    """Give a complete file its final name; it is on the disk before the name is.

    Raises:
        LstmzooError: a folder of that name is in the way.
        OSError: the disk is full, or writing is not allowed.
    """
    with open(unfinished, "rb") as file:
        os.fsync(file.fileno())
    try:
        os.replace(unfinished, path)
    except IsADirectoryError as error:
        raise LstmzooError(f"cannot write {path}: a folder of that name is in the way") from error


def write_atomically(path: Path, content: bytes | memoryview | str) -> None:
    """Write a file that appears only when it is complete; what was there before stays until then."""
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def no_room(path: Path, error: OSError) -> LstmzooError:
    """Word the error for a file that cannot be written because the disk is full."""
    return LstmzooError(f"cannot write {path}: {error.strerror or error}; make room there, or choose another place")


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, with a message that names it when that is not possible.

    Raises:
        LstmzooError: a file is in the way, or writing is not allowed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LstmzooError(f"cannot make the folder {folder}: {error.strerror}; choose another output") from error
    if not os.access(folder, os.W_OK):
        raise LstmzooError(f"cannot write into the folder {folder}: permission denied; choose another output")


@contextmanager
def making_folder(folder: Path) -> Iterator[None]:
    """Make a folder and its parents as `make_folder`; when the block fails, remove those made that are still empty."""
    made = [one for one in (folder, *folder.parents) if not os.path.exists(one)]
    try:
        make_folder(folder)
        yield
    except BaseException:
        for one in made:
            with suppress(OSError):  # others have put something there
                one.rmdir()
        raise


@contextmanager
def csv_file(path: str | Path, header: Sequence[str]) -> Iterator[Callable[[Iterable[Any]], Any]]:
    """Open a CSV table for writing line by line; it appears under its name when the block ends well.

    Yields:
        A function that writes one line, given its values.
    """
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        yield writer.writerow
        file.close()  # before it is moved to its place


@contextmanager
def replacing_folder(path: str | Path) -> Iterator[Path]:
    """Give a temporary folder beside ``path``; move it there when the block ends well, remove it when not.

    What an earlier run left under that name is replaced as a whole, so that nothing of it is mixed with the new.

    Args:
        path: where the finished folder shall be; missing parents are made.

    Yields:
        The temporary folder, empty.

    Raises:
        LstmzooError: the folder cannot be made or written, a file is in the way, or there is no room.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise LstmzooError(f"cannot make the folder {path}: a file of that name is in the way")
    temporary, old = (path.with_name(f".{path.name[:100]}-{uuid.uuid4().hex[:8]}") for _ in range(2))
    with making_folder(path.parent):
        temporary.mkdir()
        try:
            yield temporary
            if path.exists():
                os.replace(path, old)
            os.replace(temporary, path)
        except OSError as error:
            if error.errno in NO_ROOM:
                raise no_room(path, error) from error
            raise
        finally:
            if old.exists() and not path.exists():  # it could be moved away, but the new one not to its place
                os.replace(old, path)
            for folder in (temporary, old):
                shutil.rmtree(folder, ignore_errors=True)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write numbers and text as JSON."""
    text = json.dumps(content, indent=2, default=float)
    text = re.sub(r"\[[^\[\]{}]*\]", lambda found: " ".join(found[0].split()), text)  # a matrix row is a line
    write_atomically(path, text + "\n")
