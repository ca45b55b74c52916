"""The LSTM and its relatives: the original of 1997, peepholes, coupled gates, one gate, a depth gate."""

from typing import Any

from torch import Tensor, sigmoid, tanh

from lstmzoo.nn.cell import Cell
from lstmzoo.nn.cell_registry import register_cell


def squash_input(z: Tensor) -> Tensor:
    """g of the 1997 paper: 4 σ(z) − 2 = 2 tanh(z/2), which lies in [−2, 2]."""
    return 4 * sigmoid(z) - 2


def squash_memory(c: Tensor) -> Tensor:
    """h of the 1997 paper: 2 σ(c) − 1 = tanh(c/2), which lies in [−1, 1]."""
    return 2 * sigmoid(c) - 1


@register_cell("lstm1997")
class LSTM1997(Cell):
    """The original long short-term memory: nothing is ever forgotten.

    i = σ(z_i)    g = 4σ(z_g) − 2    o = σ(z_o)

    c = c₋ + i ⊙ g          h = o ⊙ (2σ(c) − 1)

    The self-connection of c has weight 1, the constant error carousel. The squashing functions are those of the paper,
    g in [−2, 2] and h in [−1, 1]. Modernised: every cell has gates of its own (blocks of size 1), gates see h but not
    each other (for that see ``greff_fgr``), and gradients are not truncated.

    Source: Hochreiter & Schmidhuber 1997, section 4 and appendix A.1.
    """

    gates = {"i": sigmoid, "g": squash_input, "o": sigmoid}
    state = ("h", "c")
    input_gate = "i"
    projectable = True

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        c = s.c + gate.i(z.i) * gate.g(z.g)
        return self.State(h=gate.o(z.o) * squash_memory(c), c=c)


@register_cell("peephole_lstm")
class PeepholeLSTM(Cell):
    """LSTM whose gates look at the memory itself.

    i = σ(z_i + p_i ⊙ c₋)    f = σ(z_f + p_f ⊙ c₋)    g = tanh z_g

    c = f ⊙ c₋ + i ⊙ g

    o = σ(z_o + p_o ⊙ c)          h = o ⊙ tanh c

    Each gate sees its own unit only (p is diagonal), and o sees the new c. f = 1 keeps the memory. This is the vanilla
    LSTM (V) that Greff et al. 2015 take apart.

    Source: Gers & Schmidhuber 2000, "Recurrent nets that time and count"; Greff et al. 2015 (1503.04069), section II.
    """

    gates = {"i": sigmoid, "f": sigmoid, "g": tanh, "o": sigmoid}
    state = ("h", "c")
    vectors = ("p_i", "p_f", "p_o")
    forget_gate, input_gate = "f", "i"
    projectable = True

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        i = gate.i(z.i + p.p_i * s.c)
        f = gate.f(z.f + p.p_f * s.c)
        c = f * s.c + i * gate.g(z.g)
        o = gate.o(z.o + p.p_o * c)
        return self.State(h=o * tanh(c), c=c)


@register_cell("cifg_lstm")
class CoupledLSTM(Cell):
    """LSTM with coupled input and forget gates: it writes as much as it erases. No peepholes.

    f = σ(z_f)    i = 1 − f    g = tanh z_g    o = σ(z_o)

    c = f ⊙ c₋ + (1 − f) ⊙ g          h = o ⊙ tanh c

    The gate that is learned is f, so f = 1 keeps the memory; papers that learn i (f = 1 − i) have the same cell with
    the signs of that gate's weights turned. With peepholes it is ``greff_cifg``.

    Source: Cho et al. 2014 (the coupling, in the GRU); Greff et al. 2015 (1503.04069), CIFG, there with peepholes.
    """

    gates = {"f": sigmoid, "g": tanh, "o": sigmoid}
    state = ("h", "c")
    forget_gate = "f"
    projectable = True

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        f = gate.f(z.f)
        c = f * s.c + (1 - f) * gate.g(z.g)
        return self.State(h=gate.o(z.o) * tanh(c), c=c)


@register_cell("janet")
class JANET(Cell):
    """Just another network: an LSTM of which the forget gate alone is left.

    f = σ(z_f)    g = tanh z_g

    h = f ⊙ h₋ + (1 − σ(z_f − β)) ⊙ g

    The memory c is read as it is (h = c), so there is one state. f = 1 keeps it; β > 0 lets in a little more than was
    erased. A clamped f stands for both uses of the gate, so that f = 1 shuts the input out.

    Source: van der Westhuizen & Lasenby 2018, "The unreasonable effectiveness of the forget gate" (1804.04849),
    section 3; there with chrono initialisation.

    Args:
        beta: β, how much earlier the input is let in than the memory is erased; the paper's value is 1.
    """

    gates = {"f": sigmoid, "g": tanh}
    state = ("h",)
    forget_gate = "f"

    def __init__(self, beta: float = 1.0) -> None:
        self.beta = beta

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        write = 1 - gate.f(z.f - self.beta)
        f = gate.f(z.f)  # the last call is the one that a trace shows
        return self.State(h=f * s.h + write * gate.g(z.g))


@register_cell("depth_gated_lstm")
class DepthGatedLSTM(Cell):
    """Peephole LSTM with a gated straight line from the memory of the layer below, c' (of the same step).

    i = σ(z_i + p_i ⊙ c₋)    f = σ(z_f + p_f ⊙ c₋)    g = tanh z_g

    d = σ(W_d x + b_d + p_d ⊙ c₋ + q_d ⊙ c')

    c = d ⊙ c' + f ⊙ c₋ + i ⊙ g

    o = σ(z_o + p_o ⊙ c)          h = o ⊙ tanh c

    d does not see h. The lowest layer has nothing below: c' = 0, which makes it a peephole LSTM whose depth gate has no
    effect (its parameters are there, and stay as they are). So the cell needs two layers to differ from
    ``peephole_lstm``.

    Source: Yao et al. 2015, "Depth-gated LSTM" (1508.03790), section 3.
    """

    gates = {"i": sigmoid, "f": sigmoid, "g": tanh, "o": sigmoid, "d": sigmoid}
    state = ("h", "c")
    vectors = ("p_i", "p_f", "p_o", "p_d", "q_d")
    input_only = ("d",)
    below = "c"
    forget_gate, input_gate = "f", "i"
    projectable = True

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        i = gate.i(z.i + p.p_i * s.c)
        f = gate.f(z.f + p.p_f * s.c)
        d = gate.d(z.d + p.p_d * s.c + p.q_d * z.below)
        c = d * z.below + f * s.c + i * gate.g(z.g)
        o = gate.o(z.o + p.p_o * c)
        return self.State(h=o * tanh(c), c=c)
