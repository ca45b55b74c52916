"""Layers and directions, for engines that run one layer in one direction at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lstmzoo.nn.engine.checkpoint import run_in_segments
from lstmzoo.nn.layer import Layer, LayerResult, Step

if TYPE_CHECKING:
    from lstmzoo.nn.recurrent import Recurrent

RunLayer = Callable[[Layer], LayerResult]
States = tuple[Tensor, ...]


def run_stack(
    run_layer: RunLayer,
    module: Recurrent,
    x: Tensor,
    state: States,
    real: Tensor | None,
    reset: Tensor | None,
    keep_states: bool,
) -> tuple[Tensor, States, dict[str, Tensor]]:
    """Run a stack of layers in one or two directions.

    Args:
        run_layer: runs one layer in one direction.
        module: the stack.
        x: (T, B, ...).
        state: a tuple over ``cell.state`` of (L·D, B, ...).
        real: (T, B, 1, ...) bool, False where a sequence is over; None: nowhere.
        reset: (T, B) bool, True where a sequence's state begins anew; None: nowhere.
        keep_states: whether all states over time are wanted.

    Returns:
        The output (T, B, ...), the last states, and, if wanted, name → (L·D, T, B, ...).
    """
    cell, directions = module.cell, module.num_directions
    beginning = None if reset is None else module.beginning(x, x.shape[1])
    if reset is not None:
        reset = reset.to(x.device).view(*reset.shape, *[1] * (x.dim() - 2))
    results: list[LayerResult] = []
    for level in range(module.num_layers):
        if level > 0:
            x = module.regularisation.between_layers(x, module.dropout, module.training)
        below = results[-directions:] if level > 0 else []
        for direction in range(directions):
            index = level * directions + direction
            first = tuple(s[index] for s in state)
            anew = None if beginning is None else tuple(s[index] for s in beginning)
            streams = _streams(module, x, first, real, reset, below[direction] if below else None)
            layer = _layer(module, index, streams, first, anew, keep_states)
            result = run_in_segments(run_layer, layer, module.checkpoint_steps if module.training else None)
            for probe in module.probes:
                probe.record(index, cell, result)
            results.append(result)
        output = [result.states[0] for result in results[-directions:]]
        h = torch.cat(output, dim=2) if directions == 2 else output[0]  # (T, B, D·H, ...)
        h = h if real is None else torch.where(real, h, torch.zeros((), dtype=h.dtype, device=h.device))
        x = x + h if module.residual and level > 0 else h
    last = tuple(_stacked(tensors) for tensors in zip(*(result.last for result in results), strict=True))
    if not keep_states:
        return x, last, {}
    kept = zip(cell.state, zip(*(result.states for result in results), strict=True), strict=True)
    return x, last, {name: torch.stack(tensors) for name, tensors in kept}


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors of all layers and directions as one; a single one, the most frequent case, is not copied."""
    return torch.stack(tuple(tensors)) if len(tensors) > 1 else tensors[0].unsqueeze(0)


def _streams(
    module: Recurrent, x: Tensor, first: States, real: Tensor | None, reset: Tensor | None, below: LayerResult | None
) -> dict[str, Tensor]:
    """The inputs that differ from step to step."""
    cell, steps = module.cell, x.shape[0]
    states = dict(zip(cell.state, first, strict=True))
    streams = {"x": x} | module.regularisation.zoneout_masks(states, steps, module.training)
    if real is not None:
        streams["real"] = real
    if reset is not None:
        streams["reset"] = reset
    if cell.below is not None:
        seen = states[cell.below]
        at = cell.state.index(cell.below)
        streams["below"] = (
            seen.new_zeros(1, *seen.shape).expand(steps, *seen.shape) if below is None else below.states[at]
        )
    return streams


def _layer(
    module: Recurrent,
    index: int,
    streams: Mapping[str, Tensor],
    first: States,
    anew: States | None,
    keep_states: bool,
) -> Layer:
    cell, options, training = module.cell, module.regularisation, module.training
    clamped = {f"clamp_{k}": float(v) for probe in module.probes for k, v in probe.held.items()}
    recorded = any(probe.series is not None for probe in module.probes)
    held: dict[str, Any] = {}
    if anew is not None:
        held |= {f"start_{name}": value for name, value in zip(cell.state, anew, strict=True)}
    mask = options.mask_of_h(first[0], training)
    if mask is not None:
        held["drop"] = mask
    return Layer(
        step=Step(
            cell=cell,
            projected=bool(module.proj_size),
            masked="real" in streams,
            resets="reset" in streams,
            dropped=mask is not None,
            zoned=tuple(name for name, _ in options.zoneout),
            zone_masks=training,
            clamped=tuple(name.removeprefix("clamp_") for name in clamped),
            recorded=recorded,
        ),
        maps=module.maps(index),
        streams=streams,
        held=held,
        scalars=clamped | options.zoneout_means(training),
        state=first,
        reverse=index % module.num_directions == 1,
        keep_states=keep_states or recorded or cell.below is not None,
        number=module.cell_number,
    )
