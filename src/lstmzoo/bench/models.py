"""Models: clips per second of inference and of training."""

import time
from collections.abc import Iterator
from typing import Any

import torch

from lstmzoo.bench.timing import interleaved
from lstmzoo.models import create_model


def bench_models(names: list[str], batch: int, clip_len: int, size: int, repeats: int) -> Iterator[dict[str, Any]]:
    """Time models on random grey clips, all in turn.

    Yields:
        One row per model: parameters, clips per second of inference and of training (forward and backward).
    """
    video = torch.randint(0, 256, (batch, clip_len, 1, size, size), dtype=torch.uint8)
    labels = torch.zeros(batch, dtype=torch.long)
    models = {name: create_model(name) for name in names}

    def infer(model: torch.nn.Module) -> None:
        with torch.inference_mode():
            model(video)

    def train(model: torch.nn.Module) -> None:
        model.zero_grad()
        torch.nn.functional.cross_entropy(model(video), labels).backward()

    inference = interleaved({n: lambda m=m: infer(m) for n, m in models.items()}, repeats, time.perf_counter)  # type: ignore[misc]
    training = interleaved({n: lambda m=m: train(m) for n, m in models.items()}, repeats, time.perf_counter)  # type: ignore[misc]
    for name, model in models.items():
        yield {
            "model": name,
            "parameters": sum(p.numel() for p in model.parameters()),
            "inference_clips_per_s": batch / inference[name],
            "training_clips_per_s": batch / training[name],
        }
