"""Whether somebody wants to look into a computation, so that it must consist of torch's own operations."""

from __future__ import annotations

import torch
from torch import Tensor


def must_be_traced(*tensors: Tensor) -> bool:
    """Whether torch.compile, torch.export, torch.func, forward-mode differentiation or a tensor subclass is at work."""
    if torch.compiler.is_compiling() or torch._C._functorch.maybe_current_level() is not None:
        return True
    if torch.jit.is_tracing() or torch.is_autocast_enabled("cpu"):
        return True
    return any(type(t) not in (Tensor, torch.nn.Parameter) or t.is_meta for t in tensors)
