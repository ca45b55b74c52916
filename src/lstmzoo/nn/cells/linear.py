"""Cells with a parallel form: their gates see the input only, so all steps can be computed at once."""

import math
from typing import Any

import torch
from torch import Tensor, exp, maximum, sigmoid, where

from lstmzoo.nn.cell import Cell
from lstmzoo.nn.cell_registry import register_cell
from lstmzoo.nn.gate_functions import linear
from lstmzoo.nn.linear_scan import linear_scan
from lstmzoo.nn.matrix_memory import largest_scale, log_of, read_all


@register_cell("mingru")
class MinGRU(Cell):
    """minGRU: a GRU whose gate and candidate see the input only, so that the recurrence is linear.

    z = σ(W_z x + b_z)    n = W_n x + b_n

    h = (1 − z) ⊙ h₋ + z ⊙ n

    z = 1 takes the new content. This is the paper's plain form; its log-space form keeps n positive by an activation.

    Source: Feng et al. 2024, "Were RNNs all we needed?" (2410.01201), section 3.1.
    """

    gates = {"z": sigmoid, "n": linear}
    state = ("h",)
    input_only = ("z", "n")
    input_gate, coupled_input_forget = "z", True

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        take = gate.z(z.z)
        return self.State(h=(1 - take) * s.h + take * gate.n(z.n))

    def parallel(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        take = gate.z(z.z)
        h = linear_scan(1 - take, take * gate.n(z.n), s.h)
        return h, self.State(h=h[-1])


@register_cell("minlstm")
class MinLSTM(Cell):
    """minLSTM: an LSTM whose gates and candidate see the input only, and whose memory is its output.

    f = σ(W_f x + b_f)    i = σ(W_i x + b_i)    n = W_n x + b_n

    h = f/(f + i) ⊙ h₋ + i/(f + i) ⊙ n

    f = 1 with i = 0 keeps the memory; where both are 0 (which σ never is) nothing is kept and nothing added. This is
    the paper's plain form; its log-space form keeps n positive by an activation.

    Source: Feng et al. 2024, "Were RNNs all we needed?" (2410.01201), section 3.2.
    """

    gates = {"f": sigmoid, "i": sigmoid, "n": linear}
    state = ("h",)
    input_only = ("f", "i", "n")
    forget_gate, input_gate = "f", "i"

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        keep, add = self._shares(z, gate)
        return self.State(h=keep * s.h + add * gate.n(z.n))

    def parallel(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        keep, add = self._shares(z, gate)
        h = linear_scan(keep, add * gate.n(z.n), s.h)
        return h, self.State(h=h[-1])

    def _shares(self, z: Any, gate: Any) -> tuple[Any, Any]:
        f, i = gate.f(z.f), gate.i(z.i)
        total = f + i
        total = where(total > 0, total, 1.0)
        return f / total, i / total


@register_cell("mlstm")
class MLSTM(Cell):
    """mLSTM: an LSTM whose memory is a matrix that stores values v under keys k and is read with queries q.

    q = W_q x + b_q    k = (W_k x + b_k)/√d    v = W_v x + b_v    o = σ(W_o x + b_o)

    f = σ(z_f)    i = exp(z_i − m)    m = max(log f + m₋, z_i)

    C = f exp(m₋ − m) C₋ + i v kᵀ    n = f exp(m₋ − m) n₋ + i k

    h = o ⊙ C q / max(|nᵀ q|, exp(−m))

    which is, with C and n both divided by exp m so that nothing overflows, the same as i = exp z_i and
    h = o ⊙ C q / max(|nᵀ q|, 1). The i that is traced and clamped is the one above. f = 1 keeps the memory.

    i and f are one number for each head, so their blocks of W have ``num_heads`` rows. States: ``C`` (heads, d, d),
    ``n`` (heads, d), ``m`` (heads,), with d = H / heads. Of the paper's choices for f this is σ; in the paper √d does
    not divide k's bias. The name mLSTM once meant the multiplicative LSTM.

    Args:
        num_heads: memories side by side, each with its share of q, k, v and h. The memory holds H²/num_heads numbers
            for every sequence, so wide layers want several.

    Raises:
        ValueError: if it is not positive, or, in `Recurrent`, doesn't divide the hidden size.

    Source: Beck et al. 2024, "xLSTM: Extended long short-term memory" (2405.04517), section 2.3 and appendix A.
    """

    gates = {"q": linear, "k": linear, "v": linear, "i": exp, "f": sigmoid, "o": sigmoid}
    state = ("h", "C", "n", "m")
    input_only = ("q", "k", "v", "i", "f", "o")
    forget_gate, input_gate = "f", "i"
    convolutional = False

    def __init__(self, num_heads: int = 1) -> None:
        if num_heads < 1:
            raise ValueError(f"num_heads must be at least 1, got {num_heads}")
        self.num_heads = num_heads

    def gate_sizes(self, hidden_size: int) -> dict[str, int]:
        if hidden_size % self.num_heads:
            raise ValueError(f"num_heads must divide the hidden size {hidden_size}, got {self.num_heads}")
        return {gate: self.num_heads if gate in ("i", "f") else hidden_size for gate in self.gates}

    def state_shapes(self, hidden_size: int, output_size: int) -> dict[str, tuple[int, ...]]:
        heads, d = self.num_heads, hidden_size // self.num_heads
        return {"h": (hidden_size,), "C": (heads, d, d), "n": (heads, d), "m": (heads,)}

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        q, k, v = self._queries_keys_values(z, gate)
        f = gate.f(z.f)
        m = maximum(log_of(f) + s.m, z.i)
        i, f = gate.i(z.i - m), f * exp(s.m - m)
        C = f[..., None, None] * s.C + (i[..., None] * v)[..., None] * k[..., None, :]
        n = f[..., None] * s.n + i[..., None] * k
        read = (C @ q[..., None]).squeeze(-1)
        return self.State(h=self._output(read, (n * q).sum(-1), m, z, gate), C=C, n=n, m=m)

    def parallel(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        q, k, v = self._queries_keys_values(z, gate)
        log_f = log_of(gate.f(z.f))
        m = largest_scale(log_f, z.i, s.m)
        read, norm, C, n = read_all(q, k, v, gate.i(z.i - m), log_f, m, s)
        h = self._output(read, norm, m, z, gate)
        return h, self.State(h=h[-1], C=C, n=n, m=m[-1])

    def _queries_keys_values(self, z: Any, gate: Any) -> tuple[Tensor, ...]:
        """(..., heads, d) each."""
        q, k, v = (x.unflatten(-1, (self.num_heads, -1)) for x in (gate.q(z.q), gate.k(z.k), gate.v(z.v)))
        return q, k / math.sqrt(k.shape[-1]), v

    def _output(self, read: Tensor, norm: Tensor, m: Tensor, z: Any, gate: Any) -> Tensor:
        """h from C q (..., heads, d) and nᵀ q (..., heads)."""
        largest = math.log(torch.finfo(m.dtype).max) - 1  # beyond, exp(−m) is inf and has no gradient
        bound = maximum(norm.abs(), exp((-m).clamp(max=largest)))
        return gate.o(z.o) * (read / bound[..., None]).flatten(-2)
