"""Layers and directions, for engines that run one layer in one direction at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

if TYPE_CHECKING:
    from lstmzoo.nn.recurrent import Recurrent

RunLayer = Callable[..., tuple[Tensor, tuple[Tensor, ...]]]


def run_stack(
    run_layer: RunLayer, module: Recurrent, x: Tensor | PackedSequence, state: tuple[Tensor, ...]
) -> tuple[Tensor | PackedSequence, tuple[Tensor, ...]]:
    """Run a stack of layers in one or two directions, packed or not.

    Args:
        run_layer: runs one layer in one direction (see `lstmzoo.nn.engine.reference.run_layer`).
        module: the stack.
        x: (T, B, I) or a PackedSequence.
        state: a tuple over ``cell.state`` of (layers · directions, B, ...).

    Returns:
        The output, in the form of x, and the last states, in that of ``state``.
    """
    if isinstance(x, PackedSequence):
        padded, lengths = pad_packed_sequence(x)  # the caller's batch order
        real = torch.arange(padded.shape[0])[:, None] < lengths[None]  # (T, B)
        output, last = _run_layers(run_layer, module, padded, state, real.to(padded.device))
        return _pack_like(output, real, x), last
    return _run_layers(run_layer, module, x, state, None)


def _run_layers(
    run_layer: RunLayer, module: Recurrent, x: Tensor, state: tuple[Tensor, ...], real: Tensor | None
) -> tuple[Tensor, tuple[Tensor, ...]]:
    directions = 2 if module.bidirectional else 1
    last: list[tuple[Tensor, ...]] = []
    for layer in range(module.num_layers):
        if layer > 0:
            x = F.dropout(x, module.dropout, module.training)
        outputs = []
        for direction in range(directions):
            index = layer * directions + direction
            first = tuple(s[index] for s in state)
            probe = module.gate_probe(index, reverse=direction == 1)
            output, after = run_layer(module, module.maps(index), x, first, real, direction == 1, probe)
            outputs.append(output)
            last.append(after)
            probe.finish()
        x = torch.cat(outputs, dim=-1) if directions == 2 else outputs[0]  # (T, B, directions · H)
    return x, tuple(torch.stack(tensors) for tensors in zip(*last, strict=True))


def _pack_like(output: Tensor, real: Tensor, like: PackedSequence) -> PackedSequence:
    """Pack (T, B, H) in the order of another PackedSequence: by time, longest sequence first."""
    if like.sorted_indices is not None:
        output = output.index_select(1, like.sorted_indices)
        real = real.index_select(1, like.sorted_indices.to(real.device))
    return PackedSequence(output[real.to(output.device)], like.batch_sizes, like.sorted_indices, like.unsorted_indices)
