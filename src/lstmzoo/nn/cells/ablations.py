"""What each part of the LSTM is worth: the eight variants of Greff et al. 2015 of the vanilla LSTM, ``peephole_lstm``.

Source of all: Greff, Srivastava, Koutník, Steunebrink & Schmidhuber 2015, "LSTM: A search space odyssey" (1503.04069).
Their z (block input) and y (output) are g and h here.
"""

from typing import Any

from torch import sigmoid, tanh

from lstmzoo.nn.cell import Cell
from lstmzoo.nn.cell_registry import register_cell
from lstmzoo.nn.cells.classic import LSTM
from lstmzoo.nn.cells.lstm_family import PeepholeLSTM
from lstmzoo.nn.gate_functions import linear


@register_cell("greff_nig")
class NoInputGate(Cell):
    """NIG, no input gate: a peephole LSTM with i = 1.

    f = σ(z_f + p_f ⊙ c₋)    g = tanh z_g    c = f ⊙ c₋ + g

    o = σ(z_o + p_o ⊙ c)     h = o ⊙ tanh c

    f = 1 keeps all that was stored, but something is added to it in every step.
    """

    gates = {"f": sigmoid, "g": tanh, "o": sigmoid}
    state = ("h", "c")
    vectors = ("p_f", "p_o")
    forget_gate = "f"
    projectable = True

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        f = gate.f(z.f + p.p_f * s.c)
        c = f * s.c + gate.g(z.g)
        o = gate.o(z.o + p.p_o * c)
        return self.State(h=o * tanh(c), c=c)


@register_cell("greff_nfg")
class NoForgetGate(Cell):
    """NFG, no forget gate: a peephole LSTM with f = 1.

    i = σ(z_i + p_i ⊙ c₋)    g = tanh z_g    c = c₋ + i ⊙ g

    o = σ(z_o + p_o ⊙ c)     h = o ⊙ tanh c
    """

    gates = {"i": sigmoid, "g": tanh, "o": sigmoid}
    state = ("h", "c")
    vectors = ("p_i", "p_o")
    input_gate = "i"
    projectable = True

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        i = gate.i(z.i + p.p_i * s.c)
        c = s.c + i * gate.g(z.g)
        o = gate.o(z.o + p.p_o * c)
        return self.State(h=o * tanh(c), c=c)


@register_cell("greff_nog")
class NoOutputGate(Cell):
    """NOG, no output gate: a peephole LSTM with o = 1.

    i = σ(z_i + p_i ⊙ c₋)    f = σ(z_f + p_f ⊙ c₋)    g = tanh z_g

    c = f ⊙ c₋ + i ⊙ g       h = tanh c
    """

    gates = {"i": sigmoid, "f": sigmoid, "g": tanh}
    state = ("h", "c")
    vectors = ("p_i", "p_f")
    forget_gate, input_gate = "f", "i"
    projectable = True

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        i = gate.i(z.i + p.p_i * s.c)
        f = gate.f(z.f + p.p_f * s.c)
        c = f * s.c + i * gate.g(z.g)
        return self.State(h=tanh(c), c=c)


@register_cell("greff_niaf")
class NoInputActivation(PeepholeLSTM):
    """NIAF, no input activation function: a peephole LSTM with g = z_g instead of tanh z_g."""

    gates = {"i": sigmoid, "f": sigmoid, "g": linear, "o": sigmoid}


@register_cell("greff_noaf")
class NoOutputActivation(PeepholeLSTM):
    """NOAF, no output activation function: a peephole LSTM with h = o ⊙ c instead of o ⊙ tanh c."""

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        i = gate.i(z.i + p.p_i * s.c)
        f = gate.f(z.f + p.p_f * s.c)
        c = f * s.c + i * gate.g(z.g)
        o = gate.o(z.o + p.p_o * c)
        return self.State(h=o * c, c=c)


@register_cell("greff_np")
class NoPeepholes(LSTM):
    """NP, no peepholes: exactly ``lstm``, torch's, and served by its kernels."""

    aten = "LSTM"


@register_cell("greff_cifg")
class CoupledGates(Cell):
    """CIFG, coupled input and forget gates: a peephole LSTM with i = 1 − f.

    f = σ(z_f + p_f ⊙ c₋)    g = tanh z_g    c = f ⊙ c₋ + (1 − f) ⊙ g

    o = σ(z_o + p_o ⊙ c)     h = o ⊙ tanh c

    The paper learns i and has f = 1 − i. Since 1 − σ(a) = σ(−a), that is the same cell with the signs of this gate's
    weights turned; learning f lets the forget bias mean what it means everywhere else.
    """

    gates = {"f": sigmoid, "g": tanh, "o": sigmoid}
    state = ("h", "c")
    vectors = ("p_f", "p_o")
    forget_gate = "f"
    projectable = True

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        f = gate.f(z.f + p.p_f * s.c)
        c = f * s.c + (1 - f) * gate.g(z.g)
        o = gate.o(z.o + p.p_o * c)
        return self.State(h=o * tanh(c), c=c)


@register_cell("greff_fgr")
class FullGateRecurrence(Cell):
    """FGR, full gate recurrence: a peephole LSTM whose gates also see all gates of the step before.

    i = σ(z_i + p_i ⊙ c₋ + R_ii i₋ + R_fi f₋ + R_oi o₋)

    f = σ(z_f + p_f ⊙ c₋ + R_if i₋ + R_ff f₋ + R_of o₋)

    g = tanh z_g          c = f ⊙ c₋ + i ⊙ g

    o = σ(z_o + p_o ⊙ c + R_io i₋ + R_fo f₋ + R_oo o₋)          h = o ⊙ tanh c

    R_ab leads from gate a to gate b: nine more H × H matrices. The gates are part of the state and begin at 0. The
    original LSTM of 1997 had such connections, too.
    """

    gates = {"i": sigmoid, "f": sigmoid, "g": tanh, "o": sigmoid}
    state = ("h", "c", "i", "f", "o")
    vectors = ("p_i", "p_f", "p_o")
    matrices = {f"r_{a}{b}": ("hidden", "hidden") for b in "ifo" for a in "ifo"}
    forget_gate, input_gate = "f", "i"
    projectable = True

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        i = gate.i(z.i + p.p_i * s.c + p.r_ii(s.i) + p.r_fi(s.f) + p.r_oi(s.o))
        f = gate.f(z.f + p.p_f * s.c + p.r_if(s.i) + p.r_ff(s.f) + p.r_of(s.o))
        c = f * s.c + i * gate.g(z.g)
        o = gate.o(z.o + p.p_o * c + p.r_io(s.i) + p.r_fo(s.f) + p.r_oo(s.o))
        return self.State(h=o * tanh(c), c=c, i=i, f=f, o=o)
