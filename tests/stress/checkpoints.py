"""Checkpoints that a stranger may have crafted, given to every command that starts from one."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import crafted_checkpoints
import tiny_data
import tiny_runs
from stress import trial

COMMANDS = ("eval", "predict", "inspect")


def outcomes(command: str, folder: Path, every: int = 1) -> Iterator[tuple[str, trial.Outcome]]:
    """Give every crafted checkpoint to a command.

    Args:
        command: one of `COMMANDS`.
        folder: an empty folder to work in.
        every: take one in so many of them.

    Yields:
        What it did that no checkpoint may (empty where nothing), and what became of the command.
    """
    folder.mkdir(parents=True)
    video = tiny_data.write_video(folder / "video.avi", 12)
    base = crafted_checkpoints.sound(tiny_runs.write_tiny_kth(folder / "data"))
    here = folder / "here"
    sys.path.insert(0, str(here))  # where the module is that a crafted checkpoint names
    for number, (name, content) in enumerate(crafted_checkpoints.crafted(base)):
        if number % every:
            continue
        shutil.rmtree(here, ignore_errors=True)
        here.mkdir()
        ran = crafted_checkpoints.write_stranger(here)
        (here / "best.ckpt").write_bytes(content)
        more = [f"input={video}"] if command == "predict" else [f"data.cache_dir={folder}/cache"]
        outcome = trial.run([command, "ckpt_path=best.ckpt", f"output={here}/out", *more], here)
        wrong = ["it ran a stranger's code"] if ran.exists() else []
        wrong += ["it wrote outside of its output"] if any(here.rglob("OUTSIDE*")) else []
        wrong += ["it sent escape codes"] if "\x1b" in outcome.text else []
        wrong += outcome.faults
        yield "; ".join(f"{name}: {what}" for what in wrong), outcome
    sys.path.remove(str(here))
