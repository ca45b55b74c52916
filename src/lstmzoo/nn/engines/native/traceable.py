"""Whether torch follows a computation, which must then consist of its own operations."""

import torch
from torch import Tensor
from torch.autograd import forward_ad

_PLAIN = frozenset((Tensor, torch.nn.Parameter))


def is_traced(*tensors: Tensor) -> bool:
    """Whether torch follows a computation, or transforms it, so that native code would hide what it wants to see.

    That is so for torch.compile and torch.export, torch.func's transforms, forward-mode differentiation, modes that see
    every operation (fake tensors, the counter of floating-point operations), torch.jit.trace, and tensors of other
    classes.
    """
    if torch.compiler.is_compiling():
        return True
    c = torch._C
    return (
        c._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
        or c._len_torch_dispatch_stack() > 0
        or c._is_tracing()
        or not _PLAIN.issuperset(map(type, tensors))
        or any(t.is_meta for t in tensors)
    )


def batched_gradients(*gradients: Tensor | None) -> bool:
    """Whether gradients are batches in disguise (``is_grads_batched``, vectorised Jacobians)."""
    c = torch._C
    if c._are_functorch_transforms_active() or c._len_torch_dispatch_stack() > 0:
        return True
    return any(c._functorch.is_legacy_batchedtensor(g) for g in gradients if g is not None)
