"""Fixtures that several test files share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tiny_data import write_kth


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real data sets; tests that need it are skipped where it is not."""
    named = os.environ.get("LSTMZOO_REAL_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not a folder; name one with LSTMZOO_REAL_DATA")
    return folder


@pytest.fixture(scope="session")
def failing() -> Path:
    """Folder of small files on which readers have failed; tests that need it are skipped where it is not."""
    named = os.environ.get("LSTMZOO_FAILING")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "failing"
    if not folder.is_dir():
        pytest.skip(f"no failing files: {folder} is not a folder; name one with LSTMZOO_FAILING")
    return folder


@pytest.fixture
def make_kth(tmp_path: Path) -> Callable[..., Path]:
    """Make a small KTH in ``tmp_path / "kth"``; see `tiny_data.write_kth`."""

    def make(sequences: dict[str, Any], **options: Any) -> Path:
        return write_kth(tmp_path / "kth", sequences, **options)

    return make
