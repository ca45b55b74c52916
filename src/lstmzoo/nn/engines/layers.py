"""Layers and directions, for engines that run one layer in one direction at a time."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_packed_sequence

from lstmzoo.nn.call import Call, Result
from lstmzoo.nn.engines.checkpoint_steps import run_in_segments
from lstmzoo.nn.layer import Layer, LayerResult
from lstmzoo.nn.packing import mask_of, pack_like


def run_layers(call: Call, run_layer: Callable[[Layer], LayerResult]) -> Result:
    """Run a stack of layers in one or two directions.

    Args:
        call: the call.
        run_layer: runs one layer in one direction.
    """
    x, lengths, directions = call.x, call.lengths, call.num_directions
    if call.packed is not None:
        x, lengths = pad_packed_sequence(call.packed)
    real = reset = None
    if lengths is not None:
        real = mask_of(lengths, x)
        x = torch.where(real, x, 0)  # what comes after the end is not read: NaN there would be NaN in gradients, too
    if call.reset is not None:
        reset = call.reset.to(x.device).view(*call.reset.shape, *[1] * (x.dim() - 2))
    results: list[LayerResult] = []
    for index in range(call.num_layers * directions):
        level, direction = divmod(index, directions)
        if direction == 0 and level > 0 and call.dropout and call.training:
            x = call.regularisation.between_layers(x, call.dropout)
        layer = _layer(call, index, x, real, reset, results[index - directions] if level > 0 else None)
        if call.checkpoint_steps is None:
            result = run_layer(layer)
        else:
            result = run_in_segments(run_layer, layer, call.checkpoint_steps)
        for probe in call.probes:
            probe.record(index, call.step.cell, result)
        results.append(result)
        if direction == directions - 1:
            h = result.states[0] if directions == 1 else torch.cat([r.states[0] for r in results[-2:]], dim=2)
            h = h if real is None else torch.where(real, h, 0)
            x = x + h if call.residual and level > 0 else h
    # the states of all layers and directions; a single one, the most frequent case, is not copied
    last = tuple(torch.stack(s) if len(s) > 1 else s[0][None] for s in zip(*(r.last for r in results), strict=True))
    states = {}
    if call.return_states:
        kept = zip(call.step.cell.state, zip(*(r.states for r in results), strict=True), strict=True)
        states = {name: torch.stack(tensors) for name, tensors in kept}
    if call.packed is not None and real is not None:
        return Result(pack_like(x, real, call.packed), last, states)
    return Result(x, last, states)


def _layer(
    call: Call, index: int, x: Tensor, real: Tensor | None, reset: Tensor | None, below: LayerResult | None
) -> Layer:
    """One layer and direction, with all that the call adds to its steps."""
    step, cell, options, weights = call.step, call.step.cell, call.regularisation, call.weights[index]
    first = tuple(s[index] for s in call.state)
    streams: dict[str, Tensor] = {"x": x}
    per_sequence: dict[str, Tensor] = {}
    scalars = {f"clamp_{name}": value for name, value in call.clamped.items()}
    if step.zoned and step.zone_masks:
        streams |= options.zoneout_masks(dict(zip(cell.state, first, strict=True)), len(x))
    elif step.zoned:
        scalars |= options.zoneout_means()
    if real is not None:
        streams["real"] = real
    if reset is not None and call.restart is not None:
        streams["reset"] = reset
        per_sequence |= {f"start_{name}": s[index] for name, s in zip(cell.state, call.restart, strict=True)}
    if cell.below is not None:
        at = cell.state.index(cell.below)
        lowest = first[at].new_zeros(1, *first[at].shape).expand(len(x), *first[at].shape)
        streams["below"] = lowest if below is None else below.states[at]
    if step.dropped:
        per_sequence["drop"] = options.mask_of_h(first[0])
    if call.training and options.weight_drop:
        weights = options.drop_weights(weights)
    return Layer(
        step=step,
        weights=weights,
        streams=streams,
        per_sequence=per_sequence,
        scalars=scalars,
        state=first,
        reverse=index % call.num_directions == 1,
        keep_states=call.keep_states,
    )
