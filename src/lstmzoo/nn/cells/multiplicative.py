"""LSTMs that multiply input and state with each other before the gates see them."""

from typing import Any

from torch import sigmoid, tanh

from lstmzoo.nn.cell import Cell
from lstmzoo.nn.cell_registry import register_cell
from lstmzoo.nn.cells.classic import LSTM


@register_cell("multiplicative_lstm")
class MultiplicativeLSTM(LSTM):
    """Multiplicative LSTM: every input has a recurrent matrix of its own, in factors.

    m = (W_m x) ⊙ (R_m h₋)

    LSTM on x and m:  z_k = W_k x + b_k + R_k m + b'_k

    i = σ(z_i)    f = σ(z_f)    g = tanh z_g    o = σ(z_o)

    c = f ⊙ c₋ + i ⊙ g          h = o ⊙ tanh c

    m has no bias. f = 1 keeps the memory. Today "mLSTM" mostly means the matrix memory of xLSTM instead.

    Source: Krause, Lu, Murray & Renals 2016, "Multiplicative LSTM for sequence modelling" (1609.07959), equation 18 on.
    """

    manual_projection = True
    matrices = {"w_m": ("hidden", "input"), "r_m": ("hidden", "hidden")}
    projectable = False  # m takes the place of h, so h needs the size of m

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        m = p.w_m(z.x) * p.r_m(s.h)
        return super().step(z(z.x, m), s, gate, p)


@register_cell("mogrifier_lstm")
class MogrifierLSTM(Cell):
    """LSTM whose input and state gate each other a few times before it sees them.

    for k = 1, 3, 5, ...:  x ← 2σ(Q_k h) ⊙ x          for k = 2, 4, ...:  h ← 2σ(R_k x) ⊙ h

    starting with x and h₋, k up to ``rounds``, in turn; then an LSTM step on what came of them:

    i = σ(z_i)    f = σ(z_f)    g = tanh z_g    o = σ(z_o)

    c = f ⊙ c₋ + i ⊙ g          h = o ⊙ tanh c

    With no rounds it is the LSTM. Q_k and R_k have full rank and no biases (the paper also factors them). f = 1 keeps
    the memory.

    Source: Melis, Kočiský & Blunsom 2020, "Mogrifier LSTM" (1909.01792), section 2.

    Args:
        rounds: number of rounds, odd ones for x, even ones for h.

    Raises:
        ValueError: for a negative number.
    """

    gates = LSTM.gates
    state = LSTM.state
    manual_projection = True
    forget_gate, input_gate = "f", "i"

    def __init__(self, rounds: int = 5) -> None:
        if rounds < 0:
            raise ValueError(f"rounds must be 0 or more, got {rounds}")
        self.rounds = rounds
        self.matrices = {  # type: ignore[misc]  # an instance's own
            f"{'q' if k % 2 else 'r'}_{k}": ("input", "hidden") if k % 2 else ("hidden", "input")
            for k in range(1, rounds + 1)
        }

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        x, h = z.x, s.h
        for k, name in enumerate(self.matrices, start=1):
            if k % 2:
                x = 2 * sigmoid(getattr(p, name)(h)) * x
            else:
                h = 2 * sigmoid(getattr(p, name)(x)) * h
        z = z(x, h)
        i, f, g, o = gate.i(z.i), gate.f(z.f), gate.g(z.g), gate.o(z.o)
        c = f * s.c + i * g
        return self.State(h=o * tanh(c), c=c)
