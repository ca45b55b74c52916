"""A short form of ``scripts/stress``: a few of its trials of every part; none may go wrong."""

from __future__ import annotations

import os
import signal

import pytest

from stress import checkpoints, disks, fuzz, kills, trial

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    trial.warm_up()


@pytest.mark.parametrize("target", fuzz.TARGETS, ids=lambda target: target.name)
def test_changed_files_are_read_or_refused(tmp_path, target):
    assert [wrong for wrong, _ in fuzz.outcomes(target, tmp_path, 3, seed=7) if wrong] == []


@pytest.mark.parametrize("writer", disks.WRITERS, ids=lambda writer: writer.name)
def test_a_full_disk_leaves_nothing_broken(tmp_path, writer):
    assert [wrong for wrong, _ in disks.outcomes(writer, tmp_path, writer.sizes[-1:]) if wrong] == []


@pytest.mark.parametrize("work", kills.WORKS[1:], ids=lambda work: work.name)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_signal_leaves_nothing_broken(tmp_path, work, number):
    assert [wrong for wrong, _ in kills.outcomes(work, number, tmp_path, 1) if wrong] == []


def test_crafted_checkpoints_do_nothing(tmp_path):
    assert [wrong for wrong, _ in checkpoints.outcomes("eval", tmp_path / "eval", every=40) if wrong] == []


def test_the_trials_see_what_goes_wrong(tmp_path, monkeypatch):
    """Trials that find nothing prove little unless they would find something."""
    (tmp_path / "cut.avi").write_bytes(b"RIFF")
    (tmp_path / ".x-1234.csv").write_text("1")
    (tmp_path / "best.ckpt").write_bytes(b"PK\x03\x04")
    assert len(disks.broken_files(tmp_path)) == 3
    assert len(disks.broken_files(tmp_path, unfinished=False)) == 2
    assert trial.run(["list", "nothing"], tmp_path).kind == "refused"
    assert trial.run(["list", "cells"], tmp_path).kind == "read"
    hang = trial.run(["data", "simulate", "kth", f"root={tmp_path}/k"], tmp_path, timeout=0.5)
    assert hang.kind == "hang"
    assert hang.faults
    crash = trial.run(["list", "cells"], tmp_path, during=lambda pid: os.kill(pid, signal.SIGKILL))
    assert crash.kind == "crash"
    assert crash.faults
    monkeypatch.setattr("lstmzoo.cli.catalogue.run_list", lambda argv: 1 / 0)
    assert trial.run(["list"], tmp_path).kind == "traceback"
