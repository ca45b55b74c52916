"""Which epoch's checkpoint is the best."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lstmzoo.training.callbacks import Checkpoints


@pytest.mark.parametrize(
    ("mode", "scores", "best"),
    [
        ("max", [0.2, 0.5, 0.4], 1),
        ("min", [0.2, 0.5, 0.4], 0),
        ("max", [0.5, 1.0, 1.0, 0.9], 2),  # of equal ones, the last
        ("min", [0.0, 0.0], 1),
        ("max", [0.3, math.nan, 0.2], 0),
        (None, [0.3, 0.2, 0.1], 2),
    ],
)
def test_the_best_epoch(mode: str | None, scores: list[float], best: int, tmp_path: Path) -> None:
    callback = Checkpoints(tmp_path, "val/accuracy" if mode else None, mode or "max")
    saved: dict[Path, int] = {}
    module: Any = nn.Linear(1, 1)
    for epoch, score in enumerate(scores):
        metrics: dict[str, Tensor] = {"val/accuracy": torch.tensor(score)}
        signals = SimpleNamespace(received_sigterm=False)
        trainer: Any = SimpleNamespace(
            callback_metrics=metrics,
            current_epoch=epoch,
            sanity_checking=False,
            save_checkpoint=lambda path, epoch=epoch: saved.update({path: epoch}),
            _signal_connector=signals,
            optimizers=[],
            strategy=SimpleNamespace(root_device=torch.device("cpu"), reduce=lambda flags, reduce_op: flags),
        )
        callback.on_validation_end(trainer, module)
        callback.on_train_epoch_end(trainer, module)
    assert (callback.best_epoch, saved[callback.best_path], saved[callback.last_path]) == (best, best, len(scores) - 1)
