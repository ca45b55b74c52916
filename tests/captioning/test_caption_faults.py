"""Captioners whose numbers are not finite."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_captions import write_captions

from lstmzoo.captioning.task import CaptioningTask
from lstmzoo.cli import main


@pytest.mark.slow
def test_what_diverges_is_never_the_best(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = [f"data.root={write_captions(tmp_path / 'data')}", "data=captions", "data.min_count=1", "data.batch_size=4"]
    small = [
        "model.encoder=small",
        "model.hidden_size=8",
        "model.embedding_size=8",
        "model.feature_size=8",
        "task.decoding.max_length=5",
    ]
    diverging = ["task.lr=1e30", "task.encoder_lr=1e30", "task.warmup_epochs=0", "test_after_fit=false"]
    plain = ["data.num_workers=0", "trainer.accelerator=cpu", "callbacks.progress=none"]
    folder = f"hydra.run.dir={tmp_path / 'run'}"
    assert main(["train", "experiment=captions_nic", *data, *small, *diverging, *plain, folder]) == 2
    assert "is not finite in epoch 1" in capsys.readouterr().err
    assert not [*tmp_path.rglob("*.ckpt")]


def test_a_sentence_may_be_missing() -> None:
    """Beams of probabilities that are nan are empty."""
    record = SimpleNamespace(image_id=1, path="1.jpg", captions=["a dog"])
    task: Any = SimpleNamespace(_found=[(0, [])], of_all_processes=lambda found: found, words=None)
    (caption,) = CaptioningTask._collect(task, SimpleNamespace(records=[record]))
    assert (caption.sentences, caption.ended) == ([""], False)
