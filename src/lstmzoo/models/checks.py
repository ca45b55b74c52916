"""Checks of models' arguments."""

from __future__ import annotations

from lstmzoo.errors import LstmzooError


def check_sizes(**sizes: int) -> None:
    """Raise `LstmzooError` for a size that is no whole number of at least 1."""
    for name, size in sizes.items():
        if type(size) is not int or size < 1:
            raise LstmzooError(f"{name} must be a whole number of at least 1, got {size!r}")
