"""One trial: a command of lstmzoo in a process of its own, under limits, and what became of it."""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LONG_CPU = 10.0
"""Seconds of CPU time above which reading a small file counts as slow."""
LARGE_MEMORY = 4 << 30
"""Bytes above which reading a small file counts as greedy."""


@dataclass(frozen=True)
class Outcome:
    """What became of a command.

    Attributes:
        kind: ``read`` (exit code 0), ``refused`` (a message of ours), ``traceback`` (any other exit), ``crash``
            (a signal ended it) or ``hang`` (it did not end in time).
        text: standard output and error.
        code: exit code, negative for a signal.
        cpu: seconds of CPU time.
        memory: largest resident set, in bytes.
        survivors: processes it had started that were still there some seconds after its end.
    """

    kind: str
    text: str
    code: int
    cpu: float
    memory: int
    survivors: int = 0

    @property
    def slow(self) -> bool:
        """Whether it took more CPU time than a small file is worth."""
        return self.cpu > LONG_CPU

    @property
    def greedy(self) -> bool:
        """Whether it took more memory than a small file is worth."""
        return self.memory > LARGE_MEMORY

    @property
    def faults(self) -> list[str]:
        """What no command may do, whatever it is given; empty where it did nothing of the kind."""
        found = [f"{self.survivors} processes are left"] if self.survivors else []
        if self.kind in ("traceback", "crash", "hang") or self.slow or self.greedy:
            found.append(f"{self.kind} ({self.cpu:.0f} s, {self.memory >> 20} MiB): {self.text.strip()[-300:]}")
        return found


def warm_up() -> None:
    """Import what every command needs once, so that each trial is only a fork away."""
    import cv2
    import torch

    import lstmzoo.cli.train
    import lstmzoo.runs.train  # noqa: F401

    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def run(
    argv: list[str],
    cwd: Path,
    *,
    timeout: float = 60.0,
    file_size: int | None = None,
    environment: Mapping[str, str] | None = None,
    during: Callable[[int], None] | None = None,
) -> Outcome:
    """Run ``lstmzoo`` with arguments in a forked process.

    Args:
        argv: the arguments.
        cwd: the folder to run in.
        timeout: seconds after which it counts as hanging and is killed.
        file_size: bytes to which a file can grow; beyond them the system says what it says of a full disk.
        environment: variables to set.
        during: called with the process id while the command runs, e.g. to send a signal.
    """
    with tempfile.TemporaryFile() as output:
        pid = os.fork()
        if pid == 0:
            _be_the_command(argv, cwd, output.fileno(), file_size, environment or {})
        if during is not None:
            during(pid)
        code, usage, hangs = _wait(pid, timeout)
        survivors = _survivors(pid)
        output.seek(0)
        text = output.read().decode(errors="replace")
    cpu, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10
    checked = argv[:2] == ["data", "check"]
    return Outcome(_kind(code, text, hangs, checked), text, code, cpu, memory, survivors)


def _be_the_command(
    argv: list[str], cwd: Path, output: int, file_size: int | None, environment: Mapping[str, str]
) -> None:
    """The rest of the forked process's life."""
    code = 1
    try:
        os.setsid()  # whatever it starts can be ended with it
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore Ctrl-C
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
        os.chdir(cwd)
        os.environ.update(environment)
        tempfile.tempdir = None  # look where it is again
        if file_size is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
        from lstmzoo.cli import main

        code = main(argv)
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(pid: int, timeout: float) -> tuple[int, resource.struct_rusage, bool]:
    deadline = time.monotonic() + timeout
    while True:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), usage, False
        if time.monotonic() > deadline:
            os.killpg(pid, signal.SIGKILL)
            _, status, usage = os.wait4(pid, 0)
            return os.waitstatus_to_exitcode(status), usage, True
        time.sleep(0.01)


def _survivors(session: int, patience: float = 4.0) -> int:
    """Count the processes of a session that do not end by themselves, and end them."""
    deadline = time.monotonic() + patience
    while there := _processes(session):
        if time.monotonic() > deadline:
            os.killpg(session, signal.SIGKILL)
            return there
        time.sleep(0.1)
    return 0


def _processes(session: int) -> int:
    count = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            state, _, _, of_session = status.read_text().rpartition(")")[2].split()[:4]
            count += int(of_session) == session and state != "Z"
    return count


def _kind(code: int, text: str, hangs: bool, checked: bool) -> str:
    if hangs:
        return "hang"
    if code < 0:
        return "crash"
    if "Traceback (most recent call last)" in text or "Error executing job" in text:
        return "traceback"
    if code == 0:
        return "read"
    own = any(line.startswith("lstmzoo: ") for line in text.splitlines())
    return "refused" if own or (checked and code == 1) else "traceback"  # a check reports what is wrong
