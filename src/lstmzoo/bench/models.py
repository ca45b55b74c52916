"""Models: clips per second of inference and of training."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from lstmzoo.bench.arguments import chosen
from lstmzoo.bench.timing import interleaved
from lstmzoo.models import create_model, list_models


def bench_models(
    models: Sequence[str] = (), batch: int = 32, clip_len: int = 16, size: int = 64, repeats: int = 5
) -> Iterator[dict[str, Any]]:
    """Clips per second of inference and of training, of models for actions.

    Args:
        models: action models; all if none are named.
        batch: clips together.
        clip_len: frames per clip.
        size: height and width of the frames.
        repeats: measurements, of which the median counts.

    Yields:
        One row per model: parameters, clips per second of inference and of training (forward and backward).
    """
    video = torch.randint(0, 256, (batch, clip_len, 1, size, size), dtype=torch.uint8)
    labels = torch.zeros(batch, dtype=torch.long)
    built = {name: create_model(name) for name in chosen(models, list_models("action_*"))}

    def infer(model: torch.nn.Module) -> None:
        with torch.inference_mode():
            model(video)

    def train(model: torch.nn.Module) -> None:
        model.zero_grad()
        torch.nn.functional.cross_entropy(model(video), labels).backward()

    inference = interleaved({n: lambda m=m: infer(m) for n, m in built.items()}, repeats, time.perf_counter)  # type: ignore[misc]
    training = interleaved({n: lambda m=m: train(m) for n, m in built.items()}, repeats, time.perf_counter)  # type: ignore[misc]
    for name, model in built.items():
        yield {
            "model": name,
            "parameters": sum(p.numel() for p in model.parameters()),
            "inference_clips_per_s": batch / inference[name],
            "training_clips_per_s": batch / training[name],
        }
