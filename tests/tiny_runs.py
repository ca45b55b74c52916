"""What the tests of training share: a tiny KTH, settings that train on it in a second, real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch

from lstmzoo.actions.data.kth import ACTIONS
from tiny_data import write_kth

SOURCE = Path(__file__).resolve().parents[1] / "src"


def write_tiny_kth(root: Path) -> Path:
    """Three persons, one scenario, two sequences a video: 12 sequences per split under protocol=kfold folds=3."""
    names = [f"person{person:02d}_{action}_d1" for person in (1, 2, 3) for action in ACTIONS]
    return write_kth(root, {name: [(1, 12), (13, 24)] for name in names}, frames=24)


def settings(root: Path) -> list[str]:
    """Overrides for a small model on `write_tiny_kth`: three batches an epoch, with dropout and flips."""
    return [
        f"data.root={root}",
        *(
            "data=kth",
            "data.protocol=kfold",
            "data.folds=3",
            "data.size=[32,32]",
            "data.clip_len=4",
            "data.num_workers=1",
        ),
        *("data.batch_size=4", "data.test_clips=2", "model.feature_size=8", "model.hidden_size=8", "model.dropout=0.5"),
        *("trainer.accelerator=cpu", "trainer.max_epochs=2"),
    ]


def numbers(folder: Path) -> dict[str, Any]:
    """The numbers of an evaluation, without what they were measured on."""
    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    del found["measured"]
    return found


def overflowing(checkpoint: Path, path: Path) -> Path:
    """The same network with weights that are finite, but whose outputs are not."""
    content = torch.load(checkpoint, weights_only=True)
    for weight in content["state_dict"].values():
        if weight.is_floating_point():
            weight *= 1e30
    torch.save(content, path)
    return path


class Ended(NamedTuple):
    """A process that has ended."""

    code: int
    out: str
    err: str


def start(*arguments: str, cwd: Path, script: str | None = None) -> subprocess.Popen[str]:
    """Start ``python -m lstmzoo`` (or a script) with arguments, in a folder of its own."""
    program = ["-c", script] if script else ["-m", "lstmzoo"]
    path = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    cwd.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        [sys.executable, *program, *arguments],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> Ended:
    """Wait for a process."""
    out, err = process.communicate(timeout=300)
    return Ended(process.returncode, out, err)


def run(*arguments: str, cwd: Path) -> Ended:
    """Run ``python -m lstmzoo`` with arguments."""
    return end(start(*arguments, cwd=cwd))
