"""Cells that normalise inside the step."""

from typing import Any

from torch import sigmoid, tanh

from lstmzoo.nn.cell import Cell
from lstmzoo.nn.cell_registry import register_cell
from lstmzoo.nn.cells.normalise import normalise


@register_cell("layer_norm_lstm")
class LayerNormLSTM(Cell):
    """Layer-normalised LSTM, in the convention of Ba, Kiros & Hinton 2016.

    (z_i, z_f, z_g, z_o) = LN(W x) + LN(R h₋) + b

    i = σ(z_i)    f = σ(z_f)    g = tanh z_g    o = σ(z_o)

    c = f ⊙ c₋ + i ⊙ g          h = o ⊙ tanh LN(c)

    LN of a product takes mean and variance over the 4H pre-activations of all gates together; each LN has gains
    (ax_k, ah_k and a_c, at first 1). The biases of the two LN and b only occur as a sum, so there is one, b_k; LN(c)
    has b_c. All begin at 0, and ``bias=False`` does not remove them. c itself is carried as it is, f = 1 keeps it.

    Other conventions, whose weights mean something else: carrying LN(c) on to the next step (the cell of torch's
    TorchScript benchmarks; TensorFlow's LayerNormBasicLSTMCell), and one LN per gate of W x + R h₋ (TensorFlow's).

    Source: Ba, Kiros & Hinton 2016, "Layer normalization" (1607.06450), supplementary material, equations 20-22.
    """

    gates = {"i": sigmoid, "f": sigmoid, "g": tanh, "o": sigmoid}
    state = ("h", "c")
    separate_terms = ("i", "f", "g", "o")
    vectors = (*(f"{kind}_{k}" for kind in ("ax", "ah", "b") for k in "ifgo"), "a_c", "b_c")
    vector_init = {name: 0.0 if name.startswith("b") else 1.0 for name in vectors}
    biased = False
    forget_gate, input_gate = "f", "i"
    projectable = True

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        x = self.Gates(*normalise(z.i.x, z.f.x, z.g.x, z.o.x))
        h = self.Gates(*normalise(z.i.h, z.f.h, z.g.h, z.o.h))
        i = gate.i(p.ax_i * x.i + p.ah_i * h.i + p.b_i)
        f = gate.f(p.ax_f * x.f + p.ah_f * h.f + p.b_f)
        g = gate.g(p.ax_g * x.g + p.ah_g * h.g + p.b_g)
        o = gate.o(p.ax_o * x.o + p.ah_o * h.o + p.b_o)
        c = f * s.c + i * g
        (normal,) = normalise(c)
        return self.State(h=o * tanh(p.a_c * normal + p.b_c), c=c)
