"""What tells a list of images from another, so that features of others are not taken for theirs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lstmzoo.errors import DataError

SAMPLE = 1024
"""Bytes that are read at three places of a compressed image to tell whether it has changed."""

COMPRESSED = frozenset({".jpg", ".jpeg", ".png", ".webp"})


def states(paths: Sequence[Path]) -> list[tuple[str, int, bytes]]:
    """What tells a list of images from another: name, size and sample of each."""
    absolute = [os.path.abspath(path) for path in paths]
    base = os.path.commonpath([os.path.dirname(path) for path in absolute]) if absolute else ""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        samples = list(pool.map(_sample, absolute))
    return [(os.path.relpath(path, base), *sample) for path, sample in zip(absolute, samples, strict=True)]


def _sample(path: str) -> tuple[int, bytes]:
    """The size of a file in bytes, and a digest of its beginning, middle and end, or of all of it.

    In a compressed image a change anywhere moves what follows it (in PNG it changes the checksum at the end); in
    others, such as BMP, nothing but the place itself may change.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            parts = []
            if os.path.splitext(path)[1].lower() in COMPRESSED:
                for start in (0, size // 2, max(size - SAMPLE, 0)):
                    file.seek(start)
                    parts.append(file.read(SAMPLE))
            else:
                parts.append(file.read())
    except OSError as error:
        raise DataError(f"cannot read the image {path} ({error.strerror or error})") from error
    return size, hashlib.blake2b(b"".join(parts), digest_size=8).digest()


def digest(facts: Iterable[Any]) -> str:
    """Return a short name of facts: 16 hexadecimal digits."""
    return hashlib.blake2b(repr(list(facts)).encode(), digest_size=8).hexdigest()
