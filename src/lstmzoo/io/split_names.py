"""What people call the splits of their data sets: in the names of folders, of lists and of files."""

from __future__ import annotations

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validate": "val",
    "validation": "val",
    "dev": "val",
    "devel": "val",
    "development": "val",
    "eval": "val",
    "evaluation": "val",
    "test": "test",
    "testing": "test",
}
"""Names that stand for a split, in lower case."""


def split_of(name: str) -> str | None:
    """Say which split a name stands for; None where it stands for none."""
    return SPLIT_NAMES.get(name.casefold())
