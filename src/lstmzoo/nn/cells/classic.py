"""The classic cells: the ones torch.nn has, in torch's conventions (gate order, two biases)."""

from typing import Any

from torch import relu, sigmoid, tanh

from lstmzoo.nn.cell import Cell
from lstmzoo.nn.cell_registry import register_cell


@register_cell("lstm")
class LSTM(Cell):
    """Long short-term memory with forget gates.

    i = σ(z_i)    f = σ(z_f)    g = tanh z_g    o = σ(z_o)

    c = f ⊙ c₋ + i ⊙ g          h = o ⊙ tanh c

    f = 1 keeps the memory, f = 0 erases it (some texts call the erasing position "open").

    Source: Hochreiter & Schmidhuber 1997; forget gate: Gers, Schmidhuber & Cummins 2000; projection: Sak et al. 2014.
    """

    gates = {"i": sigmoid, "f": sigmoid, "g": tanh, "o": sigmoid}
    state = ("h", "c")
    forget_gate, input_gate = "f", "i"
    projectable = True
    aten = "LSTM"

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        i, f, g, o = gate.i(z.i), gate.f(z.f), gate.g(z.g), gate.o(z.o)
        c = f * s.c + i * g
        return self.State(h=o * tanh(c), c=c)


@register_cell("gru")
class GRU(Cell):
    """Gated recurrent unit, reset gate after the matrix product (torch's and cuDNN's convention).

    r = σ(z_r)    z = σ(z_z)    n = tanh(W_n x + b_n + r ⊙ (R_n h₋ + b'_n))

    h = (1 − z) ⊙ n + z ⊙ h₋

    z = 1 keeps the old state; the sign of z is the other way round in some papers.

    Source: Cho et al. 2014; reset after the product: the variant of cuDNN.
    """

    gates = {"r": sigmoid, "z": sigmoid, "n": tanh}
    state = ("h",)
    separate_terms = ("n",)
    forget_gate = "z"
    aten = "GRU"

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        r, keep = gate.r(z.r), gate.z(z.z)
        n = gate.n(z.n.x + r * z.n.h)
        return self.State(h=(1 - keep) * n + keep * s.h)


class _SimpleRNN(Cell):
    """The step that the tanh and the ReLU network share: h = φ(z_n)."""

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        return self.State(h=gate.n(z.n))


@register_cell("rnn_tanh")
class TanhRNN(_SimpleRNN):
    """Simple recurrent network: h = tanh(W x + b + R h₋ + b').

    Source: Elman 1990.
    """

    gates = {"n": tanh}
    state = ("h",)
    aten = "RNN_TANH"


@register_cell("rnn_relu")
class ReLURNN(_SimpleRNN):
    """Simple recurrent network with rectified units: h = max(0, W x + b + R h₋ + b').

    Source: Le, Jaitly & Hinton 2015 (where R starts as the identity).
    """

    gates = {"n": relu}
    state = ("h",)
    aten = "RNN_RELU"
