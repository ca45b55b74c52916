"""Files are written as a whole or not at all, whatever ends the writing; and every writer goes through that."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lstmzoo import cli
from lstmzoo.errors import LstmzooError, Terminated, printable
from lstmzoo.io.atomic import csv_file, publish, replacing, replacing_folder, write_atomically


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file may grow beyond 1,000 bytes: to a writer, that is a full disk."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, usual[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, usual)


def write_bytes(path: Path) -> None:
    write_atomically(path, bytes(5000))


def write_csv(path: Path) -> None:
    with csv_file(path, ["n"]) as write:
        for number in range(2000):
            write([number])


def write_folder(path: Path) -> None:
    with replacing_folder(path) as folder:
        (folder / "a").write_bytes(bytes(5000))


@pytest.mark.parametrize("write", [write_bytes, write_csv, write_folder])
@pytest.mark.parametrize("there", [False, True])
def test_a_full_disk_leaves_what_was_there_and_says_which_file(tmp_path, full_disk, write, there):
    path = tmp_path / "out" / "result"
    if there and write is write_folder:
        path.mkdir(parents=True)
        (path / "a").write_text("old")
    elif there:
        write_atomically(path, "old")
    with pytest.raises(LstmzooError, match=str(path)):
        write(path)
    left = [file.relative_to(tmp_path) for file in tmp_path.rglob("*") if file.is_file()]
    if not there:
        assert list(tmp_path.iterdir()) == []  # not even the folder
    elif write is write_folder:
        assert left == [Path("out/result/a")]
        assert (path / "a").read_text() == "old"
    else:
        assert left == [Path("out/result")]
        assert path.read_text() == "old"


@pytest.mark.parametrize("reason", [KeyboardInterrupt, Terminated, SystemExit, ValueError])
def test_whatever_ends_the_writing_removes_the_unfinished_file(tmp_path, reason):
    def write() -> None:
        with replacing(tmp_path / "new" / "x.bin") as temporary:
            temporary.write_bytes(b"half")
            raise reason

    with pytest.raises(reason):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_the_greatest_length_has_room_for_a_temporary_one(tmp_path):
    path = tmp_path / f"{'n' * 251}.csv"
    write_atomically(path, "x")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_publish_refuses_a_folder_in_the_way(tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "new").write_text("x")
    with pytest.raises(LstmzooError, match="taken"):
        publish(tmp_path / "new", tmp_path / "taken")


WRITER = """
import sys, time
from pathlib import Path
from lstmzoo.io.atomic import replacing
number = 0
while True:
    number += 1
    with replacing(Path(sys.argv[1])) as temporary, open(temporary, "w") as file:
        for _ in range(1000):
            file.write(f"{number:06d}\\n")
    print(number, flush=True)
"""


def test_killed_at_any_moment_the_file_is_whole(tmp_path):
    path = tmp_path / "numbers"
    for delay in (0.0, 0.003, 0.011, 0.02):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert process.stdout
        process.stdout.readline()
        time.sleep(delay)
        process.kill()
        process.communicate()
        lines = path.read_text().splitlines()
        assert len(lines) == 1000
        assert len(set(lines)) == 1


def test_sigterm_unwinds_like_ctrl_c_and_exits_with_143(tmp_path, monkeypatch, capsys):
    left = []

    def run(argv: list[str]) -> None:
        try:
            with replacing(tmp_path / "x.bin") as temporary:
                temporary.write_bytes(b"half")
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(10)
        finally:
            left.extend(tmp_path.iterdir())

    monkeypatch.setattr("lstmzoo.cli.catalogue.run_list", run)
    usual = signal.getsignal(signal.SIGTERM)
    assert cli.main(["list"]) == 143
    assert left == []
    assert signal.getsignal(signal.SIGTERM) == usual
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "/disk/file"), "/disk/file"),
        (OSError(24, "Too many open files"), "Too many open files"),
        (MemoryError("40 GiB"), "40 GiB"),
        (LstmzooError("no file a\x1b[31mb"), "a\\x1b[31mb"),
    ],
)
def test_errors_of_the_system_are_one_line(monkeypatch, capsys, error, said):
    def run(argv: list[str]) -> None:
        raise error

    monkeypatch.setattr("lstmzoo.cli.catalogue.run_list", run)
    assert cli.main(["list"]) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert len(shown.splitlines()) == 1
    assert "\x1b" not in shown


@pytest.mark.parametrize("text", ["a\x1b[31mb", "bell\a", "back\b\b", "\x9b31m", "turn\u202eround", "cr\rover"])
def test_printable_sends_nothing_to_the_terminal_but_text(text):
    assert printable(text).isprintable()
    assert printable(printable(text)) == printable(text)


def test_printable_keeps_words_of_any_language():
    assert printable("Straße 走る\n\tعدو 🏃") == "Straße 走る\n\tعدو 🏃"


def test_nothing_else_puts_files_into_place():
    """Whoever writes in another way forgets full disks, kills or fsync; `lstmzoo.nn` may import torch only."""
    source = Path(__file__).parents[2] / "src" / "lstmzoo"
    users = [path.relative_to(source).as_posix() for path in source.rglob("*.py") if "os.replace(" in path.read_text()]
    assert sorted(users) == ["io/atomic.py", "nn/engines/native/build.py"]
