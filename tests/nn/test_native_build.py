"""Compilers and the cache of libraries: made once, found again, made again where they are damaged."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from every_cell import network, sequences

from lstmzoo.nn.engine.native import build, kernel

LIBRARY = "*.so"


def native(name="indrnn"):
    """What a fresh network gives, natively."""
    module = network(name, engine="native")
    return module(sequences(module))[0]


def test_libraries_lie_where_the_environment_says_and_are_made_once(cache, monkeypatch):
    expected = native()
    assert len(list(cache.glob(LIBRARY))) == len(list(cache.iterdir())) == 1
    kernel._find.cache_clear()
    monkeypatch.setattr(build.subprocess, "run", lambda *args, **options: pytest.fail("compiled again"))
    assert native().equal(expected)


def test_a_cache_that_goes_away_is_made_again(cache):
    expected = native()
    shutil.rmtree(cache)
    kernel._find.cache_clear()
    assert native().equal(expected)
    assert list(cache.glob(LIBRARY))


def test_a_cache_that_cannot_be_made_is_replaced_by_a_folder_for_this_process(cold, tmp_path, monkeypatch, capfd):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LSTMZOO_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    native()
    assert capfd.readouterr() == ("", "")
    assert len(list(tmp_path.glob(f"lstmzoo-cells-*/{LIBRARY}"))) == 1


def test_processes_that_start_together_and_a_damaged_library(tmp_path):
    code = (
        "import torch, lstmzoo.nn as zoo; torch.manual_seed(0); module = zoo.Recurrent('indrnn', 3, 4, engine='native')"
    )
    code += "; print(module(torch.ones(5, 2, 3))[0].sum().item())"
    environment = {**os.environ, "LSTMZOO_CACHE": str(tmp_path), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}

    def start():
        return subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)

    both = [start(), start()]
    outputs = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    (library,) = tmp_path.iterdir()
    whole = library.read_bytes()
    library.unlink()
    library.write_bytes(whole[: len(whole) // 2])  # loading this would end the process
    third = start()
    outputs.append(third.communicate()[0])
    assert third.returncode == 0
    assert library.read_bytes() == whole
    assert len(set(outputs)) == 1
    assert float(outputs[0])


def broken_compiler(folder: Path) -> Path:
    compiler = folder / "broken"
    compiler.write_text("#!/bin/sh\necho cannot open the licence >&2\nexit 1\n")
    compiler.chmod(0o755)
    return compiler


def test_where_the_compiler_asked_for_fails_the_next_is_taken(cache, tmp_path, monkeypatch):
    expected = native()
    monkeypatch.setenv("CC", str(broken_compiler(tmp_path)))
    kernel._find.cache_clear()
    build._compilers.cache_clear()
    assert native().equal(expected)


def test_a_slow_run_for_want_of_a_compiler_is_said_once(cold, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("CC", str(broken_compiler(tmp_path)))
    monkeypatch.setattr(build.shutil, "which", lambda name: name if os.path.isabs(name) else None)
    for name in ("indrnn", "gru"):
        module = network(name)
        module(sequences(module))
    (notice,) = [record for record in caplog.records if record.levelno >= logging.INFO]
    assert "cannot open the licence" in notice.getMessage()


@pytest.mark.parametrize("damage", ["cut off", "empty", "a folder", "a link to a folder"])
def test_what_is_damaged_is_replaced_and_does_not_pile_up(cache, damage, tmp_path):
    expected = native()
    (library,) = cache.iterdir()
    whole = library.read_bytes()
    for _ in range(2):
        library.unlink()
        if damage == "a folder":
            (library / "inside").mkdir(parents=True)
        elif damage == "a link to a folder":
            library.symlink_to(tmp_path, target_is_directory=True)
        else:
            library.write_bytes(whole[: 0 if damage == "empty" else len(whole) // 2])
        kernel._find.cache_clear()
        assert native().equal(expected)
        assert list(cache.iterdir()) == [library]
        assert library.read_bytes() == whole


def test_folders_of_killed_processes_are_removed(cache):
    cache.mkdir()
    old, new = cache / "build-old", cache / "build-new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "cell.c").touch()
    os.utime(old, (0, 0))
    native()
    assert not old.exists()
    assert new.exists()


def test_threads_that_need_a_cell_at_the_same_time_compile_it_once(cache, monkeypatch):
    expected = native()
    shutil.rmtree(cache)
    kernel._find.cache_clear()
    commands, run = [], subprocess.run
    monkeypatch.setattr(
        build.subprocess, "run", lambda *args, **options: [commands.append(args), run(*args, **options)]
    )
    modules = [network("indrnn", engine="native") for _ in range(4)]
    found: list[object] = []
    threads = [threading.Thread(target=lambda m=m: found.append(m(sequences(m))[0])) for m in modules]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(commands) == 2, "compiled and linked more than once"
    assert [output.equal(expected) for output in found] == [True] * 4
