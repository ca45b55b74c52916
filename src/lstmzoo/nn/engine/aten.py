"""torch's own kernels (oneDNN, cuDNN, MPS, ...), where the cell is exactly one of torch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import _VF, Tensor
from torch.autograd import forward_ad
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

if TYPE_CHECKING:
    from lstmzoo.nn.recurrent import Recurrent

_KERNELS: dict[str, Callable[..., Any]] = {
    "LSTM": _VF.lstm,
    "GRU": _VF.gru,
    "RNN_TANH": _VF.rnn_tanh,
    "RNN_RELU": _VF.rnn_relu,
}
States = tuple[Tensor, ...]


def supports(module: Recurrent) -> bool:
    """Cells that are torch's own, with what torch's modules can do: a kernel shows no gates and regularises no steps.

    Not in an export, which would fix the number of steps, nor in compiled training: the compiler can't trace the
    backward pass of oneDNN's kernel, nor inside torch.vmap or forward-mode differentiation, which have no rules for
    the kernels.
    """
    if torch.compiler.is_exporting() or (torch.compiler.is_compiling() and torch.is_grad_enabled()):
        return False
    if not torch.compiler.is_compiling() and (_is_vectorised() or forward_ad._current_level >= 0):
        return False
    options = module.regularisation
    plain = not (options.inside_steps or options.weight_drop or (options.variational and module.dropout))
    trained = module.training and module.checkpoint_steps
    return module.cell.aten is not None and plain and not module.residual and not trained and not module.probes


def run(module: Recurrent, x: Tensor, state: States, lengths: Tensor | None) -> tuple[Tensor, States]:
    """Run the whole stack on (T, B, I) in one call.

    Returns:
        The output (T, B, D·P), 0 after the end of a sequence, and the last states.
    """
    if lengths is None:
        output, *last = _KERNELS[module.cell.aten or ""](x, _hx(state), module._flat_weights, *_options(module), False)
        return output, tuple(last)
    packed, last = run_packed(module, pack_padded_sequence(x, lengths, enforce_sorted=False), state)
    return pad_packed_sequence(packed, total_length=x.shape[0])[0], last


def run_packed(module: Recurrent, x: PackedSequence, state: States) -> tuple[PackedSequence, States]:
    """Run the whole stack on a PackedSequence in one call."""
    state = _reorder(state, x.sorted_indices)
    data, *last = _KERNELS[module.cell.aten or ""](
        x.data, x.batch_sizes, _hx(state), module._flat_weights, *_options(module)
    )
    return PackedSequence(data, *x[1:]), _reorder(tuple(last), x.unsorted_indices)


def _is_vectorised() -> bool:
    """Whether torch.vmap is at work."""
    functorch = torch._C._functorch
    return any(level.key() == functorch.TransformType.Vmap for level in functorch.get_interpreter_stack() or ())


def _options(module: Recurrent) -> tuple[Any, ...]:
    return (module.bias, module.num_layers, module.dropout, module.training, module.bidirectional)


def _hx(state: States) -> Tensor | States:
    return state if len(state) > 1 else state[0]


def _reorder(state: States, order: Tensor | None) -> States:
    """Bring the sequences of a batch into another order."""
    return state if order is None else tuple(s.index_select(1, order) for s in state)
