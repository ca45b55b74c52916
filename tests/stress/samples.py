"""Small data sets, checkpoints and runs that the trials start from, made with the writers of the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tiny_captions
import torch

import lstmzoo
import tiny_runs
from lstmzoo.models.checkpoint import checkpoint_metadata
from stress import trial

CLASSES = ["boxing", "walking"]


def action_checkpoint(path: Path) -> Path:
    """An untrained action model for grey frames of 32 x 32 pixels."""
    torch.manual_seed(0)
    model: Any = lstmzoo.create_model("action_rnn", num_classes=2, feature_size=8, hidden_size=8)
    transform = {"size": [32, 32], "grey": True, "clip_len": 4, "frame_interval": 1}
    metadata = checkpoint_metadata(
        "action_rnn", model.model_args, CLASSES, transform, config={"task": {"name": "recognition"}}
    )
    torch.save({"lstmzoo": metadata, "state_dict": {f"model.{k}": v for k, v in model.state_dict().items()}}, path)
    return path


def caption_checkpoint(path: Path) -> Path:
    """An untrained captioner."""
    return tiny_captions.write_checkpoint(path, "caption_nic")


def finished_run(folder: Path) -> Path:
    """A run of one epoch on a tiny KTH."""
    data = tiny_runs.write_tiny_kth(folder / "data")
    settings = [*tiny_runs.settings(data), "data.num_workers=0", "trainer.max_epochs=1", "test_after_fit=false"]
    run = folder / "run"
    outcome = trial.run(["train", *settings, f"hydra.run.dir={run}"], folder, timeout=300)
    assert outcome.kind == "read", outcome.text
    return run
