"""Commands ended from outside at any moment: no file is broken, no process is left, and the next run is right."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import tiny_data
import tiny_runs
from stress import disks, samples, trial


@dataclass(frozen=True)
class Work:
    """A command worth interrupting.

    Attributes:
        name: what it is called in the table.
        prepare: makes what it needs in a folder.
        command: its arguments.
        again: the arguments that complete what was interrupted.
    """

    name: str
    prepare: Callable[[Path], object]
    command: Callable[[Path], list[str]]
    again: Callable[[Path], list[str]]


def _simulate(folder: Path) -> list[str]:
    return [
        *("data", "simulate", "kth", f"root={folder}/kth", "persons=3", "scenarios=2"),
        *("actions=walking,boxing,running", "workers=2"),
    ]


def _train(folder: Path) -> list[str]:
    return [
        *("train", *tiny_runs.settings(folder / "data"), "trainer.max_epochs=20", "test_after_fit=false"),
        *(f"data.cache_dir={folder}/cache", f"hydra.run.dir={folder}/disk/run", "data.num_workers=0"),
        "model.hidden_size=512",  # so that checkpoints of megabytes are written for a good part of the time
    ]


def _go_on(folder: Path) -> list[str]:
    checkpoints = folder / "disk" / "run" / "checkpoints"
    begun = any((checkpoints / name).exists() for name in ("last.ckpt", "best.ckpt"))
    return ["train", f"resume={folder}/disk/run"] if begun else _train(folder)


def _predict(folder: Path) -> list[str]:
    return ["predict", f"ckpt_path={folder}/a.ckpt", f"input={folder}/long.avi", f"output={folder}/out", "stride=1"]


def _long_video(folder: Path) -> None:
    samples.action_checkpoint(folder / "a.ckpt")
    tiny_data.write_video(folder / "long.avi", 900)


WORKS = [
    Work("data simulate kth", lambda folder: None, _simulate, _simulate),
    Work("train", lambda folder: tiny_runs.write_tiny_kth(folder / "data"), _train, _go_on),
    Work("predict", _long_video, _predict, _predict),
]


def outcomes(work: Work, number: int, folder: Path, count: int, seed: int = 0) -> Iterator[tuple[str, trial.Outcome]]:
    """Send a signal to a command again and again, each time at another moment.

    Args:
        work: the command.
        number: the signal, e.g. ``signal.SIGKILL``.
        folder: an empty folder to work in.
        count: how often.
        seed: every seed gives other moments.

    Yields:
        What is wrong afterwards (empty where nothing is), and what became of the command that was interrupted.
    """
    rng = random.Random(f"{seed} {work.name} {number}")
    with disks.other_disk(folder / "whole" / "disk"):
        work.prepare(folder / "whole")
        started = time.monotonic()
        done = trial.run(work.command(folder / "whole"), folder / "whole", timeout=300)
        seconds = time.monotonic() - started
    assert done.kind == "read", done.text
    for repeat in range(count):
        here = folder / str(repeat)
        with disks.other_disk(here / "disk"):
            work.prepare(here)
            delay = rng.uniform(0.05, 1.0) * seconds

            def interrupt(pid: int, delay: float = delay, here: Path = here) -> None:
                wait_for_a_half_written_file(here / "disk", delay)
                os.kill(pid, number)

            outcome = trial.run(work.command(here), here, timeout=delay + 60, during=interrupt)
            wrong = [] if outcome.code == -number == -signal.SIGKILL and not outcome.survivors else outcome.faults
            # Nobody can tidy up after SIGKILL; what is unfinished has a name that says so.
            wrong += disks.broken_files(here, unfinished=number != signal.SIGKILL)
            again = trial.run(work.again(here), here, timeout=300)
            if again.kind != "read":
                wrong.append(f"the next run: {again.text[-300:]}")
            wrong += disks.broken_files(here, unfinished=number != signal.SIGKILL)
        yield "; ".join(wrong), outcome


def wait_for_a_half_written_file(folder: Path, seconds: float) -> None:
    """Wait for the worst moment, at which a checkpoint is shorter than it was; if none comes, for some seconds."""
    largest: dict[Path, int] = {}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for path in folder.glob("*/checkpoints/[!.]*.ckpt"):
            size = path.stat().st_size
            if size < largest.get(path, 0):
                return
            largest[path] = size
        time.sleep(0.0002)
