"""torch's own kernels (oneDNN, cuDNN, MPS, ...), where the cell is exactly one of torch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import _VF, Tensor
from torch.nn.utils.rnn import PackedSequence

if TYPE_CHECKING:
    from lstmzoo.nn.recurrent import Recurrent

_KERNELS: dict[str, Callable[..., Any]] = {
    "LSTM": _VF.lstm,
    "GRU": _VF.gru,
    "RNN_TANH": _VF.rnn_tanh,
    "RNN_RELU": _VF.rnn_relu,
}


def supports(module: Recurrent, x: Tensor | PackedSequence) -> bool:
    """Cells that are torch's own, unless their gates are probed: a kernel shows no gates."""
    return module.cell.aten is not None and not module.probes


def run(
    module: Recurrent, x: Tensor | PackedSequence, state: tuple[Tensor, ...]
) -> tuple[Tensor | PackedSequence, tuple[Tensor, ...]]:
    """Run the whole stack in one call; see `lstmzoo.nn.engine`."""
    kernel = _KERNELS[module.cell.aten or ""]
    if torch.compiler.is_compiling() and torch.is_grad_enabled():
        # The compiler can't trace the backward pass of the oneDNN kernel: as with torch.nn.LSTM, it stays outside.
        kernel = torch.compiler.disable(kernel)
    weights = module._flat_weights
    options = (module.bias, module.num_layers, module.dropout, module.training, module.bidirectional)
    if not isinstance(x, PackedSequence):
        output, *last = kernel(x, _hx(state), weights, *options, False)
        return output, tuple(last)
    state = _reorder(state, x.sorted_indices)
    data, *last = kernel(x.data, x.batch_sizes, _hx(state), weights, *options)
    return PackedSequence(data, *x[1:]), _reorder(tuple(last), x.unsorted_indices)


def _hx(state: tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
    return state if len(state) > 1 else state[0]


def _reorder(state: tuple[Tensor, ...], order: Tensor | None) -> tuple[Tensor, ...]:
    """Bring the sequences of a batch into another order."""
    return state if order is None else tuple(s.index_select(1, order) for s in state)
