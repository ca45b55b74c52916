"""Compiles C code with the system's compiler, once per machine, and loads it."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

log = logging.getLogger(__name__)

FLAGS = ["-O3", "-std=gnu11", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-w"]
# The first that compiles and loads is taken: for this very processor and with threads, then with less.
TARGETS = [["-march=native", "-fopenmp"], ["-march=native", "-fopenmp-simd"], ["-mcpu=native", "-fopenmp-simd"], []]
TIMEOUT = 120  # seconds


class BuildError(Exception):
    """There is no compiler, or it failed."""


def load(source: str) -> ctypes.CDLL:
    """Compile C code, unless that was done before, and load it.

    The library lies in ``$LSTMZOO_CACHE``, else in the user's cache folder, under a name that tells code, compiler and
    processor; it is put there in one move, so that processes which start together don't disturb each other.

    Raises:
        BuildError: if there is no compiler or it failed; once it has failed, it is not tried again in this process.
    """
    compiler = _compiler()
    key = hashlib.sha256("\0".join([source, *FLAGS, str(TARGETS), compiler, _stamp(compiler), _processor()]).encode())
    path = _cache_folder() / f"{key.hexdigest()[:32]}.so"
    if path.exists():
        try:
            return ctypes.CDLL(str(path))
        except OSError as error:  # damaged: made anew below
            log.debug("%s can't be loaded: %s", path, error)
    return _build(source, compiler, path)


def _build(source: str, compiler: str, path: Path) -> ctypes.CDLL:
    failure = ""
    with tempfile.TemporaryDirectory(prefix="build-", dir=path.parent) as folder:
        code, library = Path(folder, "cell.c"), Path(folder, "cell.so")
        code.write_text(source, encoding="utf-8")
        for target in TARGETS:
            compiled = [compiler, *FLAGS, *target, "-c", "cell.c", "-o", "cell.o"]
            # Linked without -fopenmp: its functions are found in the OpenMP library that torch has loaded already.
            linked = [compiler, "-shared", *_LINK, "cell.o", "-o", "cell.so", "-lm"]
            try:
                for command in (compiled, linked):
                    subprocess.run(command, cwd=folder, capture_output=True, check=True, text=True, timeout=TIMEOUT)
                loaded = ctypes.CDLL(str(library))
            except subprocess.CalledProcessError as error:
                failure = error.stderr
                continue
            except (OSError, subprocess.TimeoutExpired) as error:
                failure = str(error)
                continue
            os.replace(library, path)
            return loaded
    raise BuildError(f"{compiler} failed: {failure[-2000:]}")


_LINK = ["-undefined", "dynamic_lookup"] if platform.system() == "Darwin" else []


@functools.cache
def _compiler() -> str:
    for name in filter(None, (os.environ.get("CC"), "cc", "gcc", "clang")):
        path = shutil.which(name)
        if path is not None:
            return path
    raise BuildError("no C compiler (cc, gcc or clang) was found")


def _stamp(compiler: str) -> str:
    """What changes when the compiler is replaced."""
    found = os.stat(compiler)
    return f"{found.st_size} {found.st_mtime_ns}"


@functools.cache
def _processor() -> str:
    """What the code is made for: homes are shared between machines."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return " ".join(sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))}))
    return f"{platform.machine()} {platform.processor()}"


@functools.cache
def _cache_folder() -> Path:
    """A folder that can be written to: the one asked for, the user's, or, if need be, one for this process."""
    wanted = os.environ.get("LSTMZOO_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for folder in [Path(wanted)] if wanted else [base / "lstmzoo" / "cells"]:
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    return Path(tempfile.mkdtemp(prefix="lstmzoo-cells-"))
