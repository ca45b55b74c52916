"""Compiles C code with the system's compiler, once per machine, and loads it."""

import atexit
import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

FLAGS = ["-O3", "-std=gnu11", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-w"]
# The first that compiles and loads is taken: for this very processor and with threads, then with less.
TARGETS = [["-march=native", "-fopenmp"], ["-march=native", "-fopenmp-simd"], ["-mcpu=native", "-fopenmp-simd"], []]
TIMEOUT = 120  # seconds
LEFT_OVER = 10 * TIMEOUT  # seconds after which nobody works in a folder any more


class BuildError(Exception):
    """There is no compiler, or it failed."""


def load(source: str) -> ctypes.CDLL:
    """Compile C code, unless that was done before, and load it.

    The library lies in ``$LSTMZOO_CACHE``, else in the user's cache folder, under a name that tells code, compiler and
    processor, and the library's own digest; it is put there in one move, so that processes which start together don't
    disturb each other. Where a compiler fails, the next one is tried, and taken for good if it does better.

    Raises:
        BuildError: if there is no compiler, all failed, or there is no place to put the library.
    """
    failures: dict[str, str] = {}
    for compiler in _compilers():
        try:
            cache = _cache_folder()
            made_of = "\0".join([source, *FLAGS, str(TARGETS), compiler, _stamp(compiler), _processor()])
            key = hashlib.sha256(made_of.encode()).hexdigest()[:32]
            library = _known(cache, key) or _build(source, compiler, cache, key)
        except BuildError as error:
            failures[compiler] = str(error)
        except OSError as error:
            failures[compiler] = f"{compiler} could not be used: {error}"
        else:
            for worse in failures:  # it is not the code that they fail on: this process asks them no more
                _compilers().remove(worse)
            return library
    raise BuildError("; ".join(failures.values()))


def _known(cache: Path, key: str) -> ctypes.CDLL | None:
    """The library that was made before, if there is one; what is damaged is removed."""
    for path in cache.glob(f"{key}-*.so"):
        if path.is_dir() or path.name != _name(key, path):  # loading it may end the process
            _remove(path)
            continue
        with contextlib.suppress(OSError):  # made for another system's libraries
            return ctypes.CDLL(str(path))
    return None


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _name(key: str, library: Path) -> str:
    return f"{key}-{hashlib.sha256(library.read_bytes()).hexdigest()[:16]}.so"


_failed: dict[str, str] = {}  # what did not compile in this process, by key, and why


def _build(source: str, compiler: str, cache: Path, key: str) -> ctypes.CDLL:
    if key in _failed:
        raise BuildError(_failed[key])
    failure = ""
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)  # somebody may have emptied the user's cache meanwhile
    for left in cache.glob("build-*"):  # of a process that was killed
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > LEFT_OVER:
                _remove(left)
    with tempfile.TemporaryDirectory(prefix="build-", dir=cache) as folder:
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
            with contextlib.suppress(OSError):  # it is loaded; the next process makes it again
                os.replace(library, cache / _name(key, library))
            return loaded
    _failed[key] = f"{compiler} failed: {failure[-2000:]}"
    raise BuildError(_failed[key])


_LINK = ["-undefined", "dynamic_lookup"] if platform.system() == "Darwin" else []


@functools.cache
def _compilers() -> list[str]:
    """All there are, the one asked for first."""
    found: dict[str, str] = {}  # cc and gcc are mostly one
    for path in map(shutil.which, filter(None, (os.environ.get("CC"), "cc", "gcc", "clang"))):
        if path is not None:
            found.setdefault(os.path.realpath(path), path)
    if not found:
        raise BuildError("no C compiler (cc, gcc or clang) was found")
    return list(found.values())


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
    folder = Path(wanted) if wanted else base / "lstmzoo" / "cells"
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    temporary = Path(tempfile.mkdtemp(prefix="lstmzoo-cells-"))
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return temporary
