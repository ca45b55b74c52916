"""Freed memory is kept, where the C library is glibc: what is allocated next costs no page faults."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy
from lstmzoo.cli import main
if sys.argv[1:]:
    main(sys.argv[1:])
def allocate():  # four times 30 MiB; more than it keeps by default, each less than any version maps by itself
    [numpy.ones(30 * 2**17) for _ in range(4)]
allocate()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    allocate()
print("faults", resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*command: str) -> int:
    """Page faults of allocating 120 MiB three times more, after a command of lstmzoo."""
    ended = subprocess.run([sys.executable, "-c", FAULTS, *command], capture_output=True, text=True, check=True)
    return int(ended.stdout.split()[-1])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_commands_keep_freed_memory() -> None:
    pages = 3 * 120 // 2  # of 2 MiB, the largest that are usual
    assert faults() >= pages
    assert faults("list", "tasks") < pages // 4
