"""How the memory of this process is allocated."""

import ctypes
import os

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # numbers of mallopt in malloc.h
MOST = 2**31 - 1  # bytes, the largest int
MOST_MAPPED = 2**25  # of the threshold of mapping, in older versions of glibc


def keep_freed_memory() -> None:
    """Have glibc keep freed memory, up to 2 GiB, for what is allocated next, in place of returning it to the system.

    Every training step, and every frame of a video, allocates the same large tensors as the one before. By default each
    is mapped anew, and the system clears it page by page before it is written to, a fifth of the time of a training
    step on the CPU (docs/performance.md). Other C libraries are left as they are, and so is glibc where the environment
    says how it shall allocate.

    Source: GNU C library manual, "Malloc Tunable Parameters".
    """
    if any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not on macOS, nor on Windows
        return
    if mallopt(MMAP_THRESHOLD, MOST) or mallopt(MMAP_THRESHOLD, MOST_MAPPED):
        mallopt(TRIM_THRESHOLD, MOST)
