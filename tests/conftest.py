"""Fixtures that several test files share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tiny_data import write_kth

os.environ.setdefault("TRITON_INTERPRET", "1")  # before triton is imported: its kernels then run on the CPU, in Python


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """Ctrl-C interrupts in every test: a shell's background jobs ignore it, and so do trainings after one."""
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, usual)


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
