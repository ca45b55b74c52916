"""Freed memory is kept by the commands, where the C library is glibc: what is allocated next costs no page faults."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

FAULTS = """
import resource
import numpy
exec({first!r})
def allocate():  # four times 30 MiB: more than is kept by default, each less than any version maps by itself
    [numpy.ones(30 * 2**17) for _ in range(4)]
allocate()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    allocate()
print("faults", resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
KEEP = "from lstmzoo.io.allocator import keep_freed_memory; keep_freed_memory()"
WORDS = ["experiment=recall", "data.epoch_size=8", "data.test_size=8", "trainer.max_epochs=1", "output=run"]
TRAIN = f"from lstmzoo.cli import main; assert main(['train', *{WORDS}]) == 0"


def faults(folder: Path, first: str = "", **environment: str) -> int:
    """Page faults of allocating 120 MiB three times more, after some statements."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_", "LD_"))}
    command = [sys.executable, "-c", FAULTS.format(first=first)]
    ended = subprocess.run(command, cwd=folder, env=own | environment, capture_output=True, text=True, check=True)
    return int(ended.stdout.split()[-1])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
@pytest.mark.parametrize("first", [KEEP, pytest.param(TRAIN, marks=pytest.mark.slow)])
def test_freed_memory_is_kept(first: str, tmp_path: Path) -> None:
    usual = faults(tmp_path)
    if usual < 100:
        pytest.skip("this system does not count page faults")
    assert faults(tmp_path, first) < usual / 4
    assert faults(tmp_path, KEEP, MALLOC_TRIM_THRESHOLD_="131072") > usual / 2
