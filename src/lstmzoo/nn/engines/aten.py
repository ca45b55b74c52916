"""torch's own kernels (oneDNN, cuDNN, MPS, ...), where the cell is exactly one of torch's."""

from collections.abc import Callable
from typing import Any

import torch
from torch import _VF, Tensor
from torch.autograd import forward_ad
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from lstmzoo.nn.call import Call, Result, Runner, States

_KERNELS: dict[str, Callable[..., Any]] = {
    "LSTM": _VF.lstm,
    "GRU": _VF.gru,
    "RNN_TANH": _VF.rnn_tanh,
    "RNN_RELU": _VF.rnn_relu,
}


def prepare(call: Call) -> Runner | str:
    """Cells that are torch's own, with what torch's modules can do; see `lstmzoo.nn.engines`."""
    step, options = call.step, call.regularisation
    if step.cell.aten is None:
        return "the cell is not one of torch's"
    if torch.compiler.is_exporting():
        return "an export would fix the number of steps"
    if torch.compiler.is_compiling():
        if torch.is_grad_enabled():
            return "the compiler can't trace the backward pass of oneDNN's kernel"
    elif _is_vectorised() or forward_ad._current_level >= 0:
        return "torch.vmap and forward-mode differentiation have no rules for its kernels"
    if not torch.compiler.is_compiling() and torch.is_autocast_enabled("cpu") and _lacks_low_precision(call):
        return "this processor has no LSTM of oneDNN in autocast's precision, and torch calls it all the same"
    if call.probes:
        return "a probe looks at gates, and its kernels show none"
    if step.resets or call.return_states or call.checkpoint_steps is not None:
        return "its kernels run all steps at once, and give the last state only"
    inside_steps = options.recurrent_dropout or options.weight_drop or options.zoneout
    if inside_steps or (options.variational and call.dropout) or call.residual:
        return "its kernels know dropout between layers only, and no residual connections"
    return run


def run(call: Call) -> Result:
    """Run the whole stack in one kernel; the output is 0 where a sequence is over."""
    weights = [tensor for one in call.weights for tensor in one.named.values()]
    bias = "bias_ih" in call.weights[0].named
    options = (bias, call.num_layers, call.dropout, call.training, call.num_directions == 2)
    kernel = _KERNELS[call.step.cell.aten or ""]
    packed = call.packed
    if call.lengths is not None:
        packed = pack_padded_sequence(call.x, call.lengths, enforce_sorted=False)
    if packed is None:
        output, *last = kernel(call.x, _hx(call.state), weights, *options, False)
        return Result(output, tuple(last), {})
    state = _reorder(call.state, packed.sorted_indices)
    data, *last = kernel(packed.data, packed.batch_sizes, _hx(state), weights, *options)
    output = PackedSequence(data, *packed[1:])
    if call.lengths is not None:
        output = pad_packed_sequence(output, total_length=len(call.x))[0]
    return Result(output, _reorder(tuple(last), packed.unsorted_indices), {})


def _lacks_low_precision(call: Call) -> bool:
    """Whether oneDNN has no LSTM in bfloat16 or float16 here, as without AVX-512: torch.nn.LSTM ends in an error."""
    on_cpu = next(iter(call.weights[0].named.values())).device.type == "cpu"
    if not on_cpu or call.step.cell.aten != "LSTM":
        return False
    mkldnn, half = torch.ops.mkldnn, torch.get_autocast_dtype("cpu") == torch.float16
    return not (mkldnn._is_mkldnn_fp16_supported() if half else mkldnn._is_mkldnn_bf16_supported())


def _is_vectorised() -> bool:
    """Whether torch.vmap is at work."""
    levels, vmap = torch._C._functorch.get_interpreter_stack(), torch._C._functorch.TransformType.Vmap
    return levels is not None and any(level.key() == vmap for level in levels)


def _hx(state: States) -> Tensor | States:
    return state if len(state) > 1 else state[0]


def _reorder(state: States, order: Tensor | None) -> States:
    """Bring the sequences of a batch into another order."""
    return state if order is None else tuple(s.index_select(1, order) for s in state)
