"""bfloat16: training with it, as trainer=gpu does, here on the CPU, and models that are cast to it as a whole."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch.utils._pytree import tree_map

from lstmzoo.cli import main
from lstmzoo.conformance import _small_task
from lstmzoo.registry import models
from tiny_runs import settings, write_tiny_kth

pytestmark = pytest.mark.slow

OURS = [name for name in models.names() if models.get(name).target.__module__.startswith("lstmzoo.")]
COMMON = ["trainer.precision=bf16-mixed", "trainer.max_epochs=1", "trainer.accelerator=cpu", "callbacks.progress=none"]
VIDEOS = [
    *("data.train_sequences=2", "data.val_sequences=1", "data.test_sequences=1", "data.simulated_frames=10"),
    *("data.simulated_size=[48,80]", "data.size=[48,80]", "data.clip_len=3", "data.batch_size=2", "data.num_workers=0"),
    *("data.clips_per_sequence=1", "model.decoder_channels=8"),
]


def train(root: Path, *overrides: str) -> dict[str, float]:
    """Train a run and return what it measured when it validated."""
    assert main(["train", f"data.root={root / 'data'}", f"hydra.run.dir={root / 'run'}", *COMMON, *overrides]) == 0
    numbers: dict[str, float] = json.loads((root / "run" / "metrics.json").read_text())["validation"]
    return numbers


@pytest.mark.parametrize("tbptt", ["null", "2"])
def test_recognition(tbptt: str, tmp_path: Path) -> None:
    write_tiny_kth(tmp_path / "data")
    own = [item for item in settings(tmp_path / "data") if not item.startswith(("trainer.", "data.root"))]
    numbers = train(tmp_path, *own, f"task.tbptt_window={tbptt}")
    assert math.isfinite(numbers["val/loss"])


@pytest.mark.parametrize("model", ["recurrent", "framewise", "guided_recurrent"])
def test_segmentation(model: str, tmp_path: Path) -> None:
    numbers = train(tmp_path, f"experiment=segment_{model}", *VIDEOS)
    assert 0 <= numbers["val/J&F"] <= 1


def test_following_objects(tmp_path: Path) -> None:
    numbers = train(tmp_path, "experiment=segment_guided_recurrent", "task.protocol=semi-supervised", *VIDEOS)
    assert 0 <= numbers["val/J&F"] <= 1


@pytest.mark.parametrize("name", OURS)
@torch.no_grad()
def test_models_cast_as_a_whole(name: str) -> None:
    task = _small_task(name).eval()
    batch = task.dummy_batch()
    expected = task.loss(batch)
    batch = tree_map(lambda x: x.bfloat16() if torch.is_tensor(x) and x.is_floating_point() else x, batch)
    found = task.bfloat16().loss(batch)
    torch.testing.assert_close(found.float(), expected, rtol=0.02, atol=0)
    task.check_model(batch)
