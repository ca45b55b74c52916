"""The folder of a simulated set: marked as such, so that it is never mixed up with anything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lstmzoo.errors import DataError
from lstmzoo.io.atomic import write_atomically


def is_ours(root: Path, marker: str) -> bool:
    """Tell whether a folder is a simulated set, or may become one because nothing is in it."""
    return not root.is_dir() or not any(root.iterdir()) or (root / marker).is_file()


def claim(root: Path, marker: str, mine: dict[str, Any], what: str) -> None:
    """Mark a folder as a simulated set, or make sure that it is this one.

    Args:
        root: the folder; made if it is not there.
        marker: name of the file that marks it.
        mine: what tells the set from others: maker, version and seed.
        what: what the set is called, for messages.

    Raises:
        DataError: the folder holds another simulated set, or anything else.
    """
    path = root / marker
    if path.exists():
        found = read_marker(path)
        if found != mine:
            raise DataError(f"{root} holds another simulated set ({found}, asked for {mine}); give another folder")
        return
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise DataError(f"{root} is not an empty folder and not a simulated {what}; give a new or empty folder")
    root.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(mine) + "\n").encode())


def read_marker(path: Path) -> dict[str, Any]:
    """Read the file that marks a simulated set; nothing where it is damaged."""
    try:
        found = json.loads(path.read_text())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
