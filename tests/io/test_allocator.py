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
numpy.ones(2**24)  # 128 MiB
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    numpy.ones(2**24)
print("faults", resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*command: str) -> int:
    """Page faults of allocating 128 MiB three times more, after a command of lstmzoo."""
    ended = subprocess.run([sys.executable, "-c", FAULTS, *command], capture_output=True, text=True, check=True)
    return int(ended.stdout.split()[-1])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_commands_keep_freed_memory() -> None:
    pages = 3 * 2**27 // 2**21  # of 2 MiB, the largest that are usual
    assert faults() >= pages
    assert faults("list", "tasks") < pages // 4
