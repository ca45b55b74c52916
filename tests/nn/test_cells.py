"""How a cell is written: the hooks of `Cell`, checked against the papers' equations written out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import sigmoid, tanh

import lstmzoo.nn as zoo


class PeepholeLSTM(zoo.Cell):
    """Gers & Schmidhuber 2000: learned vectors."""

    gates = {"i": sigmoid, "f": sigmoid, "g": tanh, "o": sigmoid}
    state = ("h", "c")
    vectors = ("p_i", "p_f", "p_o")
    forget_gate, input_gate = "f", "i"

    def step(self, z, s, gate, p):
        i = gate.i(z.i + p.p_i * s.c)
        f = gate.f(z.f + p.p_f * s.c)
        c = f * s.c + i * gate.g(z.g)
        o = gate.o(z.o + p.p_o * c)
        return self.State(h=o * tanh(c), c=c)


class MinimalGatedUnit(zoo.Cell):
    """Zhou et al. 2016 (1603.09420): a product with f ⊙ h rather than h."""

    gates = {"f": sigmoid, "n": tanh}
    state = ("h",)
    late = ("n",)

    def step(self, z, s, gate, p):
        f = gate.f(z.f)
        n = gate.n(z.n(f * s.h))
        return self.State(h=(1 - f) * s.h + f * n)


class LayerNormRNN(zoo.Cell):
    """Ba et al. 2016: both products normalised apart."""

    gates = {"n": tanh}
    state = ("h",)
    split = ("n",)

    def step(self, z, s, gate, p):
        norm = torch.nn.functional.layer_norm
        return self.State(h=gate.n(norm(z.n.x, z.n.x.shape[-1:]) + norm(z.n.h, z.n.h.shape[-1:])))


class Leaky(zoo.Cell):
    """A cell with an argument of its own and a state beside h."""

    gates = {"n": tanh}
    state = ("h", "count")

    def __init__(self, rate: float = 0.5) -> None:
        self.rate = rate

    def step(self, z, s, gate, p):
        return self.State(h=(1 - self.rate) * s.h + self.rate * gate.n(z.n), count=s.count + 1)


def by_hand(cell, w, x, h, c=None):
    """The cells above for one sequence, straight from the papers, unit by unit."""
    H = h.shape[0]
    names = list(cell.gates)

    def product(kind, gate, v):
        rows = range(names.index(gate) * H, (names.index(gate) + 1) * H)
        weight, bias = w[f"weight_{kind}_l0"], w[f"bias_{kind}_l0"]
        return torch.stack([sum(weight[row, k] * v[k] for k in range(len(v))) + bias[row] for row in rows])

    outputs = []
    for x_t in x:
        if cell is PeepholeLSTM:
            z = {k: product("ih", k, x_t) + product("hh", k, h) for k in names}
            i, f = sigmoid(z["i"] + w["p_i_l0"] * c), sigmoid(z["f"] + w["p_f_l0"] * c)
            c = f * c + i * tanh(z["g"])
            h = sigmoid(z["o"] + w["p_o_l0"] * c) * tanh(c)
        elif cell is MinimalGatedUnit:
            f = sigmoid(product("ih", "f", x_t) + product("hh", "f", h))
            h = (1 - f) * h + f * tanh(product("ih", "n", x_t) + product("hh", "n", f * h))
        else:
            a, b = product("ih", "n", x_t), product("hh", "n", h)
            normal = [(v - v.mean()) / (v.var(unbiased=False) + 1e-5).sqrt() for v in (a, b)]
            h = tanh(normal[0] + normal[1])
        outputs.append(h)
    return torch.stack(outputs)


@pytest.mark.parametrize("cell", [PeepholeLSTM, MinimalGatedUnit, LayerNormRNN])
def test_own_cells_equal_their_equations(cell):
    torch.manual_seed(0)
    module = zoo.Recurrent(cell, 3, 4, dtype=torch.float64)
    x = torch.randn(5, 3, dtype=torch.float64)
    start = torch.zeros(4, dtype=torch.float64)
    expected = by_hand(cell, module.state_dict(), x, start, start)
    torch.testing.assert_close(module(x)[0], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("cell", [PeepholeLSTM, MinimalGatedUnit, LayerNormRNN, Leaky(rate=0.2)], ids=str)
def test_own_cells_get_everything_from_the_driver(cell):
    """Layers, directions, lengths, streaming, tracing and gradients, from a step of a few lines."""
    torch.manual_seed(0)
    module = zoo.Recurrent(cell, 3, 4, num_layers=2, bidirectional=True)
    x = torch.randn(6, 2, 3, requires_grad=True)
    with zoo.trace(module) as record:
        output, _ = module(x, lengths=[6, 3])
    assert output.shape == (6, 2, 8)
    assert output[3:, 1].eq(0).all()
    assert set(record.gates) == set(module.cell.gates)
    assert len(record.gates["n" if "n" in record.gates else "f"]) == 4
    output.sum().backward()
    assert x.grad[3:, 1].eq(0).all()  # what lies after the end of a sequence is not read
    assert all(w.grad.isfinite().all() for w in module.parameters())
    streaming = zoo.Recurrent(cell, 3, 4)
    whole, state = streaming(x)[0], None
    for t in range(6):
        step, state = streaming(x[t : t + 1], state)
        torch.testing.assert_close(step[0], whole[t])


def test_a_cell_object_keeps_its_arguments():
    module = zoo.Recurrent(Leaky(rate=0.0), 3, 4)
    output, (_, count) = module(torch.randn(7, 2, 3))
    assert output.eq(0).all()
    assert count.eq(7).all()
    assert repr(module) == "Recurrent(Leaky(rate=0.0), 3, 4)"


def test_registered_names():
    name = "peephole_of_this_test"
    zoo.register_cell(name)(PeepholeLSTM)
    assert name in zoo.list_cells("peephole*")
    assert repr(zoo.Recurrent(name, 3, 4)) == f"Recurrent('{name}', 3, 4)"
    with pytest.raises(ValueError, match="exists already"):
        zoo.register_cell(name)(MinimalGatedUnit)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"state": ("c", "h")}, "must begin with 'h'"),
        ({"split": ("q",)}, r"split names \['q'\]"),
        ({"late": ("a",)}, "must be the last of its gates"),
        ({"forget_gate": "f"}, "forget_gate is 'f'"),
    ],
)
def test_contradictory_cells_are_refused_when_declared(wrong, message):
    with pytest.raises(TypeError, match=message):
        type("Wrong", (zoo.Cell,), {"gates": {"a": tanh, "b": tanh}, "state": ("h",)} | wrong)
