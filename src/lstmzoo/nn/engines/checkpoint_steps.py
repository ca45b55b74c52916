"""Gradient checkpointing in time: keep the states of every so many steps only, compute the others again when needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from lstmzoo.nn.layer import Layer, LayerResult


def run_in_segments(run_layer: Callable[[Layer], LayerResult], layer: Layer, steps: int) -> LayerResult:
    """Run a layer segment by segment, forgetting between them what the backward pass can compute again.

    Source: Chen et al. 2016, "Training deep nets with sublinear memory cost", here over time.

    Args:
        run_layer: the engine.
        layer: the layer.
        steps: steps per segment.
    """
    if steps >= layer.steps or not torch.is_grad_enabled():
        return run_layer(layer)

    def run(start: int, *state: Tensor) -> LayerResult:
        streams = {name: stream[start : start + steps] for name, stream in layer.streams.items()}
        return run_layer(replace(layer, streams=streams, state=state))

    state, results = layer.state, []
    starts = range(0, layer.steps, steps)
    for start in reversed(starts) if layer.reverse else starts:
        results.append(checkpoint(run, start, *state, use_reentrant=False))
        state = results[-1].last
    if layer.reverse:
        results.reverse()
    return LayerResult(
        states=tuple(torch.cat(parts) for parts in zip(*(r.states for r in results), strict=True)),
        last=state,
        gates={name: torch.cat([r.gates[name] for r in results]) for name in results[0].gates},
    )
