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
    deferred = ("n",)

    def step(self, z, s, gate, p):
        f = gate.f(z.f)
        n = gate.n(z.n(f * s.h))
        return self.State(h=(1 - f) * s.h + f * n)


class LayerNormRNN(zoo.Cell):
    """Ba et al. 2016: both products normalised apart."""

    gates = {"n": tanh}
    state = ("h",)
    separate_terms = ("n",)

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


@pytest.mark.slow
@pytest.mark.parametrize("cell", [PeepholeLSTM, MinimalGatedUnit, LayerNormRNN])
def test_own_cells_equal_their_equations(cell):
    torch.manual_seed(0)
    module = zoo.Recurrent(cell, 3, 4, dtype=torch.float64)
    x = torch.randn(5, 3, dtype=torch.float64)
    start = torch.zeros(4, dtype=torch.float64)
    expected = by_hand(cell, module.state_dict(), x, start, start)
    torch.testing.assert_close(module(x)[0], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.slow
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
        ({"state": ("c", "h")}, "begin.*'h'"),
        ({"separate_terms": ("q",)}, r"separate_terms names \['q'\]"),
        ({"deferred": ("a",)}, "deferred"),
        ({"forget_gate": "f"}, "forget_gate is 'f'"),
    ],
)
def test_contradictory_cells_are_refused_when_declared(wrong, message):
    body = {"gates": {"a": tanh, "b": tanh}, "state": ("h",), "step": lambda self, z, s, gate, p: None}
    with pytest.raises(TypeError, match=message):
        type("Wrong", (zoo.Cell,), body | wrong)


class CoupledLSTM(zoo.cells.LSTM):
    """A cell derived from one of torch's, with equations of its own (Greff et al. 2015: i = 1 - f)."""

    def step(self, z, s, gate, p):
        f = gate.f(z.f)
        c = f * s.c + (1 - f) * gate.g(z.g)
        return self.State(h=gate.o(z.o) * tanh(c), c=c)


class MinimalGRU(zoo.Cell):
    """Feng et al. 2024 (2410.01201): gates that see the input only, no recurrent matrix."""

    gates = {"z": sigmoid, "n": lambda x: x}
    state = ("h",)
    input_only = ("z", "n")
    forget_gate = "z"

    def step(self, z, s, gate, p):
        keep = gate.z(z.z)
        return self.State(h=keep * s.h + (1 - keep) * gate.n(z.n))


class MixedCell(zoo.Cell):
    """One gate of each kind, to see that the rows of R are found."""

    gates = {"a": sigmoid, "b": sigmoid, "q": tanh, "n": tanh}
    state = ("h",)
    input_only, separate_terms, deferred = ("a",), ("q",), ("n",)

    def step(self, z, s, gate, p):
        a, b, q = gate.a(z.a), gate.b(z.b), gate.q(z.q.x * z.q.h)
        return self.State(h=a * s.h + b * q + gate.n(z.n(a * s.h)))


@pytest.mark.slow
def test_a_derived_cell_runs_by_its_own_equations_not_by_torchs_kernel():
    torch.manual_seed(0)
    module, plain = zoo.Recurrent(CoupledLSTM, 3, 4), zoo.Recurrent("lstm", 3, 4)
    plain.load_state_dict(module.state_dict())
    x = torch.randn(5, 2, 3)
    assert not torch.allclose(module(x)[0], plain(x)[0])
    z = x[0] @ module.weight_ih_l0.T + module.bias_ih_l0 + module.bias_hh_l0
    _, f, g, o = z.chunk(4, dim=-1)
    torch.testing.assert_close(module(x)[0][0], o.sigmoid() * tanh((1 - f.sigmoid()) * g.tanh()))
    assert repr(module) == "Recurrent(CoupledLSTM(), 3, 4)"
    with pytest.raises(ValueError, match=r"'aten'.*CoupledLSTM"):
        zoo.Recurrent(CoupledLSTM, 3, 4, engine="aten")(x)


def test_gates_that_see_the_input_only_have_no_recurrent_matrix():
    torch.manual_seed(0)
    module = zoo.Recurrent(MinimalGRU, 3, 4, bidirectional=True, forget_bias=1.0, orthogonal=True)
    assert [n for n, _ in module.named_parameters() if not n.endswith("reverse")] == ["weight_ih_l0", "bias_ih_l0"]
    x = torch.randn(5, 2, 3)
    output, _ = module(x)
    z, n = (x @ module.weight_ih_l0.T + module.bias_ih_l0).chunk(2, dim=-1)
    h = torch.zeros(2, 4)
    for t in range(5):
        h = z[t].sigmoid() * h + (1 - z[t].sigmoid()) * n[t]
        torch.testing.assert_close(output[t, :, :4], h)
    output.sum().backward()
    assert all(w.grad is not None for w in module.parameters())
    assert module.bias_ih_l0[:4].eq(1).all()


def test_gates_of_every_kind_find_their_rows():
    torch.manual_seed(0)
    module = zoo.Recurrent(MixedCell, 3, 4, dtype=torch.float64)
    assert module.weight_hh_l0.shape == (12, 4)  # b, q, n
    x = torch.randn(2, 3, dtype=torch.float64)
    h = torch.zeros(4, dtype=torch.float64)
    w = module.state_dict()
    for x_t in x:
        a, b, q, n = (w["weight_ih_l0"] @ x_t + w["bias_ih_l0"]).chunk(4)
        r_b, r_q, r_n = w["weight_hh_l0"].chunk(3)
        c_b, c_q, c_n = w["bias_hh_l0"].chunk(3)
        a, b, q = sigmoid(a), sigmoid(b + r_b @ h + c_b), tanh(q * (r_q @ h + c_q))
        h = a * h + b * q + tanh(n + r_n @ (a * h) + c_n)
    torch.testing.assert_close(module(x)[0][-1], h)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"gates": ("a", "b")}, "gates"),
        ({"step": None}, "step"),
        ({"vectors": ("weight_ih",)}, "choose others"),
        ({"separate_terms": ("b",), "deferred": ("b",)}, r"\['b'\]"),
    ],
)
def test_incomplete_cells_are_refused_when_declared(wrong, message):
    body = {"gates": {"a": tanh, "b": tanh}, "state": ("h",), "step": lambda self, z, s, gate, p: None}
    with pytest.raises(TypeError, match=message):
        type("Wrong", (zoo.Cell,), body | wrong)


class Sorting(zoo.Cell):
    """A step that the native engine can't compile."""

    gates = {"n": tanh}
    state = ("h",)

    def step(self, z, s, gate, p):
        return self.State(h=gate.n(z.n).sort(dim=1).values)


def test_an_engine_that_was_asked_for_says_why_it_declines(caplog):
    x = torch.randn(5, 2, 3)
    with pytest.raises(ValueError, match=r"'native'.*'sort'"):
        zoo.Recurrent(Sorting, 3, 4, engine="native")(x)
    with pytest.raises(ValueError, match=r"float32 and float64.*bfloat16"):
        zoo.Recurrent("lstm", 3, 4, engine="native", dtype=torch.bfloat16)(x.bfloat16())
    with pytest.raises(ValueError, match=r"'parallel'.*parallel form"):
        zoo.Recurrent("lstm", 3, 4, engine="parallel")(x)
    with caplog.at_level("DEBUG", "lstmzoo.nn.engines.native"):
        zoo.Recurrent(Sorting, 3, 4)(x)
    assert "Sorting() is not compiled: the compiler does not know the function 'sort'" in caplog.text
