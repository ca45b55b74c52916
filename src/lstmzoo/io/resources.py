"""How much of the machine this process uses."""

import sys
from pathlib import Path

import torch


def resident_bytes() -> int | None:
    """Return the memory that this process holds right now, or None where the system does not say (not Linux)."""
    return _status("VmRSS")


def peak_bytes() -> int | None:
    """Return the most memory that this process has ever held, or None where the system does not say (Windows)."""
    peak = _status("VmHWM")
    if peak is not None:
        return peak
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def peak_gpu_bytes(device: torch.device) -> int | None:
    """Return the most memory that torch has ever held in tensors on a GPU, or None for any other device."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def _status(field: str) -> int | None:
    """A line of Linux's account of this process, e.g. ``VmRSS:  123456 kB``, in bytes."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    found = [line.split() for line in lines if line.startswith(f"{field}:")]
    return int(found[0][1]) * 1024 if found else None
