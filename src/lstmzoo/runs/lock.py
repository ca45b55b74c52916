"""One run per folder: none is taken over by accident, and no two write into one at the same time."""

import errno
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lstmzoo.errors import LstmzooError
from lstmzoo.io.atomic import make_folder
from lstmzoo.runs.inside import check_inside

_NAME = ".lock"

FILES = ("config.yaml", "versions.json", "metrics.csv", "metrics.json", "curves.png")
WRITTEN = (_NAME, *FILES, "checkpoints", "eval_test", "tensorboard")
"""What training reads, writes and deletes in its folder."""


@contextmanager
def owned(folder: Path, *, new: bool) -> Iterator[None]:
    """Keep other runs out of a run folder.

    Args:
        folder: the run folder; made if it is not there.
        new: whether the run starts, rather than goes on; then nothing that was trained may lie there.

    Raises:
        LstmzooError: the folder holds a run already, another process trains in it, it cannot be written, or something
            in it leads out of it.
    """
    make_folder(folder)
    for name in WRITTEN:
        check_inside(folder / name, folder)
    path = folder / _NAME
    with os.fdopen(_open(path), "w") as file:
        if not _lock(file.fileno()):
            raise LstmzooError(f"another process trains in {folder}: wait for it, or start in another folder")
        try:
            if new and has_checkpoint(folder):
                raise LstmzooError(
                    f"{folder} holds a run already: go on with it (lstmzoo train resume={shlex.quote(str(folder))}), "
                    "or start in another folder (hydra.run.dir=...)"
                )
            for unfinished in folder.glob("checkpoints/.*.ckpt"):
                unfinished.unlink()  # left by a process that was killed
            yield
        finally:
            path.unlink(missing_ok=True)


def has_checkpoint(folder: Path) -> bool:
    """Whether there is anything in a run folder from which the run can go on."""
    return any(folder.glob("checkpoints/[!.]*.ckpt"))


def _open(path: Path) -> int:
    """Open a file, or make it; nothing is cut off, no link is followed, and no pipe is waited for."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        return os.open(path, flags, 0o666)
    except OSError as error:
        raise LstmzooError(f"cannot lock {path}: {error.strerror}; delete it where no other process trains") from error


def _lock(file: int) -> bool:
    """Lock a file for this process, not for those it starts; False: another one has it. Killing releases it."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EAGAIN)  # anything else: a file system without locks
    return True
