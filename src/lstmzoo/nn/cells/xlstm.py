"""Cells of xLSTM (Beck et al. 2024)."""

from typing import Any

from torch import exp, maximum, sigmoid, tanh, where
from torch.nn.functional import logsigmoid

from lstmzoo.nn.cell import Cell
from lstmzoo.nn.cell_registry import register_cell


@register_cell("slstm")
class SLSTM(Cell):
    """sLSTM: an LSTM with an exponential input gate and a normaliser n, in the form that can't overflow.

    m = max(z_i, log σ(z_f) + m₋)

    i = exp(z_i − m)    f = exp(log σ(z_f) + m₋ − m)    g = tanh z_g    o = σ(z_o)

    c = f ⊙ c₋ + i ⊙ g    n = f ⊙ n₋ + i    h = o ⊙ c / n

    which is, with c and n both divided by exp m, the same as i = exp z_i, f = σ(z_f). Where nothing has been stored yet
    (n₋ = 0) m₋ has no meaning, and m = z_i: so zeros are the state to begin with. One of i and f is 1 in every step,
    hence n ≥ 1 however negative z_i and z_f are. The gates that are traced and clamped are i and f as above; f = 1 with
    i = 0 keeps the memory.

    Of the paper's choices for f this is σ, not exp. One head: R is a full matrix, not block-diagonal.

    Source: Beck et al. 2024, "xLSTM: Extended long short-term memory" (2405.04517), section 2.2 and appendix A.2.
    """

    gates = {"i": exp, "f": exp, "g": tanh, "o": sigmoid}
    state = ("h", "c", "n", "m")
    forget_gate, input_gate = "f", "i"
    zoneout_states = ("h",)  # c means something only with the n and m of the same step
    projectable = True

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        kept = where(s.n > 0, logsigmoid(z.f) + s.m, z.i)
        m = maximum(z.i, kept)
        i, f = gate.i(z.i - m), gate.f(kept - m)
        c = f * s.c + i * gate.g(z.g)
        n = f * s.n + i
        h = gate.o(z.o) * c / n.clamp(min=1)  # n < 1 only in states of other origin, or with clamped gates
        return self.State(h=h, c=c, n=n, m=m)
