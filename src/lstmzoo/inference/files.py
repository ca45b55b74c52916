"""Writing results so that a half-written file never stays behind under its final name."""

from __future__ import annotations

import csv
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lstmzoo.errors import LstmzooError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; move it there when the block ends well, remove it when not.

    Args:
        path: where the finished file shall be; missing folders are made.

    Yields:
        The temporary path, with the suffix of ``path``, from which some writers choose their format.

    Raises:
        LstmzooError: the folder cannot be made or written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}{path.suffix}")
    with making_folder(path.parent):
        try:
            yield temporary
            os.replace(temporary, path)
        except IsADirectoryError as error:
            raise LstmzooError(f"cannot write {path}: a folder of that name is in the way") from error
        finally:
            temporary.unlink(missing_ok=True)


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

    Args:
        path: where to.
        header: the column names.

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
        LstmzooError: the folder cannot be made or written, or a file is in the way.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise LstmzooError(f"cannot make the folder {path}: a file of that name is in the way")
    temporary, old = (path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}") for _ in range(2))
    with making_folder(path.parent):
        temporary.mkdir()
        try:
            yield temporary
            if path.exists():
                os.replace(path, old)
            os.replace(temporary, path)
        finally:
            if old.exists() and not path.exists():  # it could be moved away, but the new one not to its place
                os.replace(old, path)
            for folder in (temporary, old):
                shutil.rmtree(folder, ignore_errors=True)
