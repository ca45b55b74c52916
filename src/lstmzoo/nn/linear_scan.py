"""Linear recurrences over time, h_t = a_t ⊙ h_{t−1} + b_t, without a step after step in Python.

Nothing is divided by products of a, so gates near 0 and long sequences are safe.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

# On a CPU, one step of so many numbers takes longer than Python takes to ask for it: then the plain order, which does
# the least work, is the fastest.
_WIDE = 2048
_FEW = 8  # steps that are not worth pairing


def linear_scan(a: Tensor, b: Tensor, first: Tensor) -> Tensor:
    """h_t = a_t ⊙ h_{t−1} + b_t for all t, differentiable any number of times.

    Pairs of steps are joined into one, (a, b) and (a', b') to (a' a, a' b + b'), until few are left: O(T) work in
    O(log T) operations (Blelloch 1990, "Prefix sums and their applications"; Martin & Cundy 2018, for recurrent nets).

    Args:
        a: (T, ...), T at least 1.
        b: (T, ...).
        first: h_0, (...). The three are broadcast against one another and brought to one type.

    Returns:
        h_1 to h_T, (T, ...).
    """
    shape = torch.broadcast_shapes(a.shape, b.shape, (1, *first.shape))
    dtype = torch.promote_types(torch.promote_types(a.dtype, b.dtype), first.dtype)
    a, b, first = a.to(dtype).expand(shape), b.to(dtype).expand(shape), first.to(dtype).expand(shape[1:])
    if torch.compiler.is_compiling():  # the compiler derives the derivatives itself, and can't look into `_Scan`
        return _in_pairs(a, b, first)
    return _Scan.apply(a, b, first)


class _Scan(Function):
    """The scan; its derivatives are scans again, so they can be differentiated, too."""

    @staticmethod
    def forward(a: Tensor, b: Tensor, first: Tensor) -> Tensor:
        one_by_one = a.device.type == "cpu" and first.numel() >= _WIDE
        return _in_order(a, b, first) if one_by_one else _in_pairs(a, b, first)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        a, _, first = inputs
        ctx.save_for_backward(a, first, output)
        ctx.save_for_forward(a, first, output)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        a, first, h = ctx.saved_tensors
        # dL/dh_t in full is that of its own use plus a_{t+1} times that of the next: the same recurrence, backwards.
        following = torch.cat([torch.zeros_like(a[:1]), a[1:].flip(0)])
        whole = linear_scan(following, grad.flip(0), torch.zeros_like(first)).flip(0)
        return whole * _before(h, first), whole, a[0] * whole[0]

    @staticmethod
    def jvp(ctx: Any, da: Tensor, db: Tensor, dfirst: Tensor) -> Tensor:
        a, first, h = ctx.saved_tensors
        return linear_scan(a, da * _before(h, first) + db, dfirst)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *given: Tensor) -> tuple[Tensor, int]:
        """Elementwise in all but time: a mapped dimension is one dimension more."""
        at = (1, 1, 0)  # the dimension after time; h_0 has no time
        moved = [
            x.unsqueeze(k) if dim is None else x.movedim(dim, k) for x, dim, k in zip(given, in_dims, at, strict=True)
        ]
        return linear_scan(*moved), 1


def _before(h: Tensor, first: Tensor) -> Tensor:
    """h_0 to h_{T−1}."""
    return torch.cat([first[None], h[:-1]])


def _in_order(a: Tensor, b: Tensor, h: Tensor) -> Tensor:
    out = []
    for a_t, b_t in zip(a.unbind(), b.unbind(), strict=True):
        h = torch.addcmul(b_t, a_t, h)
        out.append(h)
    return torch.stack(out)


def _in_pairs(a: Tensor, b: Tensor, first: Tensor) -> Tensor:
    steps = a.shape[0]
    if steps <= _FEW:
        return _in_order(a, b, first)
    if steps % 2:
        h = _in_pairs(a[:-1], b[:-1], first)
        return torch.cat([h, torch.addcmul(b[-1:], a[-1:], h[-1:])])
    a1, a2, b1, b2 = a[::2], a[1::2], b[::2], b[1::2]
    second = _in_pairs(a1 * a2, torch.addcmul(b2, a2, b1), first)  # h after every pair
    both = torch.stack([torch.addcmul(b1, a1, _before(second, first)), second], 1)
    return both.reshape(steps, *b.shape[1:])
