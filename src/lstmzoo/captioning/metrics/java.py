"""Java, which two parts of the official evaluation of captions are written in: the tokeniser and METEOR."""

import shutil
import subprocess
from functools import cache

from lstmzoo.errors import LstmzooError

INSTALL = "install it (Debian, Ubuntu: apt-get install default-jre-headless; macOS: brew install openjdk)"
"""What to do where there is no Java."""

LOCALE = ("-Duser.language=en", "-Duser.country=US")
"""Makes Java write 0.5, not 0,5, whatever the language of the machine."""

UTF8 = ("-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8")
"""Makes Java read and write UTF-8, whatever the machine's own encoding."""


def has_java() -> bool:
    """Say whether Java can be run."""
    return _find() is not None


def java_command() -> list[str]:
    """Return the words that start Java.

    Raises:
        LstmzooError: there is none; the message says how to get it.
    """
    found = _find()
    if found is None:
        raise LstmzooError(f"there is no Java on this machine; {INSTALL}")
    return [found]


def _find() -> str | None:
    """The path of a Java that works: macOS, for one, has a program of that name that only says there is none."""
    found = shutil.which("java")
    return found if found is not None and _works(found) else None


@cache
def _works(program: str) -> bool:
    try:
        return subprocess.run([program, "-version"], capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
