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
import torch
from every_cell import network, sequences

import lstmzoo.nn as zoo
from lstmzoo.nn.engines.native import build, kernel

LIBRARY = "*.so"


def native(name="indrnn"):
    """What a fresh network gives, natively."""
    module = network(name, engine="native")
    return module(sequences(module))[0]


def forget_kernels():
    """As in a new process: what has been compiled lies in the cache of libraries only."""
    kernel._find.cache_clear()
    kernel._make.cache_clear()


def test_libraries_lie_where_the_environment_says_and_are_made_once(cache, monkeypatch):
    expected = native()
    assert len(list(cache.glob(LIBRARY))) == len(list(cache.iterdir())) == 1
    forget_kernels()
    monkeypatch.setattr(build.subprocess, "run", lambda *args, **options: pytest.fail("compiled again"))
    assert native().equal(expected)


def test_a_cache_that_goes_away_is_made_again(cache):
    expected = native()
    shutil.rmtree(cache)
    forget_kernels()
    assert native().equal(expected)
    assert list(cache.glob(LIBRARY))


def test_a_cache_that_cannot_be_made_is_replaced_by_a_folder_for_this_process(cold, tmp_path, monkeypatch, capfd):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LSTMZOO_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    native()
    assert capfd.readouterr() == ("", "")
    assert len(list(tmp_path.glob(f"lstmzoo-cells-*/{LIBRARY}"))) == 1


@pytest.mark.slow
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
    forget_kernels()
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


@pytest.mark.slow
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
        forget_kernels()
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


@pytest.fixture
def commands(cache, monkeypatch):
    """What is run from now on, in processes that know no kernel."""
    found, run = [], subprocess.run

    def noting(command, **options):
        found.append(command[0])
        return run(command, **options)

    monkeypatch.setattr(build.subprocess, "run", noting)
    return found


def run_in_threads(*names, engine="native"):
    """What networks of these cells give, each in a thread of its own, all at the same time."""
    modules = [network(name, engine=engine) for name in names]
    found: list[object] = [None] * len(modules)
    start = threading.Barrier(len(modules))

    def work(k):
        start.wait()
        found[k] = modules[k](sequences(modules[k]))[0]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(modules))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_threads_that_need_a_cell_at_the_same_time_compile_it_once(commands):
    found = run_in_threads(*["indrnn"] * 4)
    assert len(commands) == 2, "compiled and linked more than once"
    assert native().equal(found[0])
    assert [output.equal(found[0]) for output in found] == [True] * 4


@pytest.mark.slow
def test_a_compiler_that_fails_is_asked_once_per_process(commands, tmp_path, monkeypatch):
    broken = str(broken_compiler(tmp_path))
    monkeypatch.setenv("CC", broken)
    found = run_in_threads(*["indrnn"] * 4, "gru")
    assert all(output is not None for output in found)
    assert commands.count(broken) == len(build.TARGETS)
    assert len(commands) == len(build.TARGETS) + 2 * 2, "each cell is compiled and linked once"
    forget_kernels()
    assert native().equal(found[0])
    assert len(commands) == len(build.TARGETS) + 2 * 2, "what the next compiler made is found again"


def test_a_step_that_no_compiler_takes_leaves_them_for_others(commands):
    compilers = list(build._compilers())
    with pytest.raises(build.BuildError):
        build.load("this is no C")
    assert build._compilers() == compilers
    assert native() is not None


def test_threads_without_a_working_compiler_ask_it_once(commands, tmp_path, monkeypatch):
    broken = str(broken_compiler(tmp_path))
    monkeypatch.setattr(build, "_compilers", lambda: [broken])
    run_in_threads(*["indrnn"] * 4, engine="auto")
    assert commands == [broken] * len(build.TARGETS)


class OfOneGate(zoo.Cell):
    """R acts for one of two gates: for which, only the products tell."""

    gates = {"a": torch.tanh, "b": torch.tanh}
    state = ("h",)
    separate_terms = ("a", "b")

    def __init__(self, gate):
        self.gate = gate

    def step(self, z, s, gate, p):
        return self.State(h=torch.tanh(z.a.x + z.b.x + getattr(z, self.gate).h))


def test_steps_that_differ_in_their_products_only_are_told_apart():
    first, second = (zoo.Recurrent(OfOneGate(gate), 3, 4, bias=False) for gate in "ab")
    second.load_state_dict(first.state_dict())
    x = torch.randn(5, 2, 3)
    for module in (first, second):
        compiled = torch.compile(module, backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled(x)[0], module(x)[0])
