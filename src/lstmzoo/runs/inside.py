"""What lies in a folder that may come from someone else must lie there: no links that lead out of it, no pipes."""

import os
import stat
from pathlib import Path

from lstmzoo.errors import LstmzooError, printable


def check_inside(path: Path, run: Path) -> None:
    """Check a file or folder before anything in it is written, deleted or opened.

    Raises:
        LstmzooError: the path, or something in it, is a link that leads out of the run folder, or neither a file nor a
            folder.
    """
    home = run.resolve()
    _check(path, home)
    for place, folders, files in os.walk(path):
        for name in (*folders, *files):
            _check(Path(place, name), home)


def _check(path: Path, home: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISLNK(mode):
        if not Path(os.path.realpath(path)).is_relative_to(home):
            raise LstmzooError(
                f"{printable(str(path))} is a link that leads out of the run folder; nothing outside of it is read or "
                "written. Put what it leads to in its place, or delete it"
            )
    elif not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise LstmzooError(f"{printable(str(path))} is neither a file nor a folder; delete it")
