"""Every command that writes, on a disk that becomes full: what was there stays, and nothing half-written is left."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tiny_captions
import tiny_segments
import torch
from PIL import Image

import tiny_runs
from lstmzoo.io.video import declared_frames, read_frames
from stress import samples, trial

UNFINISHED = "an unfinished file"
"""What becomes of a file whose writer was killed; the next run removes it or goes on with it."""


@dataclass(frozen=True)
class Writer:
    """A command that writes.

    Attributes:
        name: what it is called in the table.
        prepare: makes what the command needs in a folder on a disk with room.
        command: its arguments, given that folder and one on the full disk.
        sizes: bytes of room to try.
        survives: whether it is done all the same, since what it writes goes elsewhere.
        repeatable: whether the same command, given room, completes what the full disk has stopped.
    """

    name: str
    prepare: Callable[[Path], object]
    command: Callable[[Path, Path], list[str]]
    sizes: tuple[int, ...]
    survives: bool = False
    repeatable: bool = True


def _captions(folder: Path) -> None:
    tiny_captions.write_captions(folder / "captions")


def _predict_captions(folder: Path) -> None:
    tiny_captions.write_captions(folder / "captions")
    samples.caption_checkpoint(folder / "c.ckpt")


def _predict_masks(folder: Path) -> None:
    tiny_segments.write_film(folder / "v.avi")
    tiny_segments.save_checkpoint(folder / "s.ckpt", "segment_framewise")


def _predict_action(folder: Path) -> None:
    samples.action_checkpoint(folder / "a.ckpt")
    rng = np.random.default_rng(0)
    writer = cv2.VideoWriter(str(folder / "noise.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (160, 120))
    for _ in range(40):
        writer.write(rng.integers(0, 255, (120, 160, 3), dtype=np.uint8))
    writer.release()


WRITERS = [
    Writer(
        "data simulate kth",
        lambda folder: None,
        lambda folder, full: [
            *("data", "simulate", "kth", f"root={full}/kth", "persons=1", "scenarios=1", "actions=walking", "workers=1")
        ],
        (4_000, 40_000, 120_000),
    ),
    Writer(
        "data simulate captions",
        lambda folder: None,
        lambda folder, full: ["data", "simulate", "captions", f"root={full}/captions", "images=12"],
        (500, 3_000, 12_000),
    ),
    Writer(
        "data simulate davis",
        lambda folder: None,
        lambda folder, full: [
            *("data", "simulate", "davis", f"root={full}/davis", "train=1", "val=1", "test=1", "frames=10")
        ],
        (500, 3_000, 30_000),
    ),
    Writer(
        "train (checkpoints)",
        lambda folder: tiny_runs.write_tiny_kth(folder / "data"),
        lambda folder, full: [
            *("train", *tiny_runs.settings(folder / "data"), "data.num_workers=0", "test_after_fit=false"),
            *(f"data.cache_dir={folder}/cache", f"hydra.run.dir={full}/run"),
        ],
        (2_000, 10_000, 60_000),
        repeatable=False,
    ),
    Writer(
        "train (cache of frames)",
        lambda folder: tiny_runs.write_tiny_kth(folder / "data"),
        lambda folder, full: [
            *("train", *tiny_runs.settings(folder / "data"), "data.num_workers=0", "test_after_fit=false"),
            *(f"data.cache_dir={full}/cache", f"hydra.run.dir={folder}/run"),
        ],
        (2_000, 10_000),
        repeatable=False,
    ),
    Writer(
        "train (cache of features)",
        _captions,
        lambda folder, full: [
            *("train", "experiment=captions_nic", "data=captions", f"data.root={folder}/captions", "data.min_count=1"),
            *(
                f"data.cache_dir={full}/cache",
                "trainer.max_epochs=1",
                "data.num_workers=0",
                "test_after_fit=false",
                f"hydra.run.dir={folder}/run",
            ),
            *("model.hidden_size=4", "model.embedding_size=4", "model.feature_size=4"),
        ],
        (2_000, 20_000),
        repeatable=False,
    ),
    Writer(
        "train (folder for temporary files)",
        lambda folder: tiny_runs.write_tiny_kth(folder / "data"),
        lambda folder, full: [
            *("train", *tiny_runs.settings(folder / "data"), "data.num_workers=0", "test_after_fit=false"),
            *(f"data.cache_dir={folder}/cache", f"hydra.run.dir={folder}/run"),
        ],
        (8_000,),
        survives=True,
        repeatable=False,
    ),
    Writer(
        "predict (captions)",
        _predict_captions,
        lambda folder, full: [
            "predict",
            *(f"ckpt_path={folder}/c.ckpt", f"input={folder}/captions/Images", f"output={full}/out"),
        ],
        (1_000, 8_000),
    ),
    Writer(
        "predict (masks)",
        _predict_masks,
        lambda folder, full: ["predict", f"ckpt_path={folder}/s.ckpt", f"input={folder}/v.avi", f"output={full}/out"],
        (1_000, 8_000, 16_000),
    ),
    Writer(
        "predict (actions)",
        _predict_action,
        lambda folder, full: [
            *("predict", f"ckpt_path={folder}/a.ckpt", f"input={folder}/noise.avi", f"output={full}/out", "video=mp4")
        ],
        (1_000, 20_000, 100_000),
    ),
]


@contextmanager
def full_disk(folder: Path, size: int) -> Iterator[int | None]:
    """Put a folder on a disk of so many bytes, where that is allowed.

    Yields:
        None, or where no disk can be mounted the largest size of a file, which then stands for the full disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mounted = os.geteuid() == 0 and shutil.which("mount") is not None
    mounted = (
        mounted
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True
        ).returncode
    )
    try:
        yield None if mounted else size
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)


@contextmanager
def other_disk(folder: Path) -> Iterator[None]:
    """Put a folder on a disk of its own, with room, where that is allowed: moving a file there takes a copy."""
    with full_disk(folder, 100 << 20):
        yield


def make_room(folder: Path, limit: int | None) -> None:
    """Give the disk that `full_disk` has mounted room for everything."""
    if limit is None:
        command = ["mount", "-o", "remount,size=100m", str(folder)]
        subprocess.run(command, check=True, capture_output=True)


def outcomes(writer: Writer, folder: Path, sizes: tuple[int, ...] | None = None) -> Iterator[tuple[str, trial.Outcome]]:
    """Run a writer on full disks of several sizes.

    Args:
        writer: what writes.
        folder: an empty folder to work in.
        sizes: bytes of room, in place of the writer's own.

    Yields:
        What is wrong with the files that are left (empty where nothing is), and what became of the command.
    """
    for size in sizes or writer.sizes:
        here = folder / f"{size}"
        here.mkdir(parents=True)
        writer.prepare(here)
        with full_disk(here / "full", size) as limit:
            command = writer.command(here, here / "full")
            places = {"TMPDIR": str(here / "full")} if writer.survives and limit is None else {}
            outcome = trial.run(command, here, file_size=limit, timeout=120, environment=places)
            wrong = outcome.faults + broken_files(here / "full")
            if (outcome.kind == "read") != writer.survives:
                wrong.append(f"exit code {outcome.code} on a full disk")
            if writer.repeatable:
                make_room(here / "full", limit)
                again = trial.run(command, here, timeout=120)
                wrong += [f"with room: {again.text[-300:]}"] if again.kind != "read" else []
                wrong += [f"with room: {what}" for what in broken_files(here / "full")]
            yield "; ".join(wrong), outcome


def broken_files(folder: Path, *, unfinished: bool = True) -> list[str]:
    """List the files that are not whole.

    Args:
        folder: where to look.
        unfinished: also those under names that say so: hidden ones, ``.tmp``, ``.partial``.
    """
    found = {path: _broken(path) for path in sorted(folder.rglob("*"))}
    return [
        f"{path.relative_to(folder)}: {what}"
        for path, what in found.items()
        if what and (unfinished or what != UNFINISHED)
    ]


def _broken(path: Path) -> str:
    if not path.is_file() or path.suffix in (".lock", ".done", ".partial"):
        return ""  # a cache of features goes on from what is in its partial files
    if path.suffix == ".tmp" or path.name.startswith(".") or ".partial" in path.parts:
        return UNFINISHED
    try:
        if path.suffix in (".avi", ".mp4") and len(read_frames(path)) < declared_frames(path):
            return "it was cut short"
        if path.suffix in (".jpg", ".png"):
            with Image.open(path) as image:
                image.load()
        elif path.suffix == ".ckpt":
            torch.load(path, weights_only=True)
        elif path.suffix == ".npy":
            np.load(path)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "it is empty" if path.stat().st_size == 0 and path.suffix != ".log" else ""
