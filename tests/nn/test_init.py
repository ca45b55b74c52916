"""Initialisations: the biases and matrices that result, and how long a new network remembers."""

from __future__ import annotations

import math

import pytest
import torch

import lstmzoo.nn as zoo


def total_bias(module: zoo.Recurrent, gate: str, suffix: str = "l0") -> torch.Tensor:
    k = list(module.cell.gates).index(gate) * module.hidden_size
    both = getattr(module, f"bias_ih_{suffix}") + getattr(module, f"bias_hh_{suffix}")
    return both[k : k + module.hidden_size].detach()


def test_forget_bias_is_the_total_of_both_vectors_and_touches_nothing_else():
    torch.manual_seed(0)
    plain = zoo.LSTM(3, 8, 2, bidirectional=True)
    torch.manual_seed(0)
    module = zoo.LSTM(3, 8, 2, bidirectional=True, forget_bias=1.0)
    for suffix in ("l0", "l0_reverse", "l1", "l1_reverse"):
        assert total_bias(module, "f", suffix).eq(1.0).all()
        for gate in "igo":
            assert total_bias(module, gate, suffix).equal(total_bias(plain, gate, suffix))
    assert module.weight_hh_l1.equal(plain.weight_hh_l1)
    module.reset_parameters()
    assert total_bias(module, "f").eq(1.0).all()  # it lasts


def test_forget_bias_of_a_gru_is_that_of_the_gate_that_keeps():
    assert total_bias(zoo.GRU(3, 8, forget_bias=2.0), "z").eq(2.0).all()


def test_chrono_biases_cover_the_time_spans():
    torch.manual_seed(0)
    module = zoo.LSTM(3, 4000, chrono=100)
    spans = total_bias(module, "f").exp()  # U[1, 99]
    assert spans.min() >= 1 - 1e-4
    assert spans.max() <= 99 + 1e-2
    expected = torch.linspace(1, 99, 11)[1:-1]
    torch.testing.assert_close(spans.quantile(torch.linspace(0.1, 0.9, 9)), expected, rtol=0.06, atol=1.0)
    assert total_bias(module, "i").equal(-total_bias(module, "f"))


def test_chrono_of_tied_gates_sets_the_one_there_is():
    torch.manual_seed(0)
    plain = zoo.GRU(3, 8)
    torch.manual_seed(0)
    module = zoo.GRU(3, 8, chrono=50)
    assert total_bias(module, "z").ge(0).all()
    assert total_bias(module, "n").equal(total_bias(plain, "n"))


COUPLED = [name for name in zoo.list_cells() if zoo.get_cell(name).coupled_input_forget]


def test_the_cells_with_one_gate_for_both_are_covered():
    assert COUPLED == ["mgu", "mingru", "mut1", "mut2", "mut3"]


def state_after(module: zoo.Recurrent, h: torch.Tensor) -> torch.Tensor:
    """h after one step in which nothing is written: no products, and an input that says nothing."""
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if name.startswith("weight"):
                weight.zero_()
    candidate = list(module.cell.gates)[-1]
    with zoo.clamp(module, **{candidate: 0.0}):
        return module(torch.zeros(1, 1, module.input_size), h)[1]


@pytest.mark.slow
@pytest.mark.parametrize("cell", COUPLED)
def test_forget_bias_of_a_cell_that_keeps_1_minus_its_input_gate(cell):
    """h = (1 − i) h₋ + i n keeps the share σ(value), as a forget gate of that bias would."""
    module = zoo.Recurrent(cell, 3, 8, forget_bias=1.5)
    h = torch.randn(1, 1, 8)
    torch.testing.assert_close(state_after(module, h), torch.tensor(1.5).sigmoid() * h)


@pytest.mark.slow
@pytest.mark.parametrize("cell", COUPLED)
def test_chrono_of_a_cell_that_keeps_1_minus_its_input_gate(cell):
    """The share 1 − σ(−b) = σ(b) with b ~ log U[1, T − 1] is u / (1 + u), u ~ U[1, T − 1]."""
    torch.manual_seed(0)
    module = zoo.Recurrent(cell, 3, 4000, chrono=100)
    kept = state_after(module, torch.ones(1, 1, 4000)).flatten()
    spans = kept / (1 - kept)
    assert spans.min() >= 1 - 1e-3
    assert spans.max() <= 99 + 0.1
    expected = torch.linspace(1, 99, 11)[1:-1]
    torch.testing.assert_close(spans.quantile(torch.linspace(0.1, 0.9, 9)), expected, rtol=0.06, atol=1.0)


@pytest.mark.slow
def test_a_chrono_network_still_remembers_where_a_plain_one_forgot():
    """Half-life of the memory of a network that sees nothing, after 100 steps."""
    kept = {}
    for name, extra in {"plain": {}, "chrono": {"chrono": 200}}.items():
        torch.manual_seed(0)
        module = zoo.LSTM(1, 64, **extra)
        h, c = torch.zeros(1, 1, 64), torch.ones(1, 1, 64)
        with zoo.clamp(module, i=0.0):
            kept[name] = module(torch.zeros(100, 1, 1), (h, c))[1][1].mean().item()
    assert kept["plain"] < 1e-6
    assert kept["chrono"] > 0.2


def spans(module: zoo.Recurrent) -> torch.Tensor:
    """exp of the bias with which the gate of a cell keeps, for every layer and direction."""
    gate, sign = module.cell.retention_gate
    return torch.cat([(sign * (first + second)).exp() for first, second in zoo.init._gate_biases(module, gate)])


KEEPING = [name for name in zoo.list_cells() if zoo.get_cell(name).retention_gate is not None]


@pytest.mark.parametrize("cell", KEEPING)
def test_auto_is_log_of_the_length_and_one_without(cell):
    torch.manual_seed(0)
    module = zoo.Recurrent(cell, 3, 600, forget_bias="auto", engine="reference")
    weights = {k: w.clone() for k, w in module.named_parameters() if not k.startswith(("bias", "b_"))}
    torch.testing.assert_close(spans(module), torch.full_like(spans(module), math.e))
    zoo.init.fit_length_(module, 100)
    for filled in (spans(module), (module.reset_parameters(), spans(module))[1]):
        torch.testing.assert_close(filled, torch.full_like(filled, 99.0))
    zoo.init.fit_length_(module, 2)
    torch.testing.assert_close(spans(module), torch.full_like(spans(module), math.e))
    assert "length=2" in repr(module)
    torch.manual_seed(0)
    again = zoo.Recurrent(cell, 3, 600, forget_bias="auto")
    zoo.init.fit_length_(again, 100)
    assert all(torch.equal(weights[k], w) for k, w in again.named_parameters() if k in weights)  # biases only


@pytest.mark.parametrize(
    "cell", [name for name in KEEPING if zoo.get_cell(name).forget_gate and zoo.get_cell(name).input_gate]
)
def test_auto_admits_what_it_does_not_keep(cell):
    module = zoo.Recurrent(cell, 3, 8, forget_bias="auto")
    zoo.init.fit_length_(module, 50)
    gates = (module.cell.forget_gate, module.cell.input_gate)
    (b_f,), (b_i,) = ([first + second for first, second in zoo.init._gate_biases(module, gate)] for gate in gates)
    assert torch.equal(b_i, -b_f)


def test_auto_reaches_every_stack_that_asks_for_it_and_no_other():
    torch.manual_seed(0)
    fitted = torch.nn.ModuleDict(
        {
            "deep": zoo.LSTM(3, 40, 2, bidirectional=True, forget_bias="auto"),
            "maps": zoo.ConvRecurrent("peephole_lstm", 3, 40, 3, forget_bias="auto"),
            "learned": zoo.GRU(3, 40, learn_state=True, orthogonal=True, forget_bias="auto"),
        }
    )
    others = torch.nn.ModuleDict(
        {
            "number": zoo.LSTM(3, 4, forget_bias=1.0),
            "none": zoo.LSTM(3, 4),
            "chrono": zoo.LSTM(3, 4, forget_bias="auto", chrono=9),  # asks for a span of its own
            "gateless": zoo.RNN(3, 4, forget_bias="auto"),
            "unbiased": zoo.LSTM(3, 4, bias=False, forget_bias="auto"),
            "torch": torch.nn.LSTM(3, 4),
        }
    )
    before = {k: w.clone() for k, w in others.named_parameters()}
    zoo.init.fit_length_(torch.nn.ModuleList([fitted, others]), 1000)
    assert all(torch.equal(before[k], w) for k, w in others.named_parameters())
    for module in fitted.values():
        assert spans(module).numel() == 40 * len(module.suffixes)
        torch.testing.assert_close(spans(module), torch.full_like(spans(module), 999.0))
    assert spans(others["chrono"]).max() <= 8 + 1e-3


def test_auto_of_a_cell_whose_only_bias_is_that_of_the_gate_that_keeps():
    class Kept(zoo.Cell):
        gates = {"i": torch.sigmoid, "f": torch.sigmoid, "n": torch.tanh}
        state, vectors, biased = ("h",), ("b_f",), False
        forget_gate, input_gate = "f", "i"

        def step(self, z, s, gate, p):
            return self.State(h=gate.f(z.f + p.b_f) * s.h + gate.i(z.i) * gate.n(z.n))

    class Bare(Kept):
        vectors = ()

        def step(self, z, s, gate, p):
            return self.State(h=gate.f(z.f) * s.h + gate.i(z.i) * gate.n(z.n))

    module = zoo.Recurrent(Kept, 3, 8, forget_bias="auto")
    zoo.init.fit_length_(module, 50)
    torch.testing.assert_close(spans(module), torch.full_like(spans(module), 49.0))
    zoo.init.fit_length_(zoo.Recurrent(Bare, 3, 8, forget_bias="auto"), 50)
    with pytest.raises(ValueError, match="b_f"):
        zoo.Recurrent(Bare, 3, 8, forget_bias=1.0)


@pytest.mark.parametrize("cell", ["lstm", "gru", "mgu", "minlstm"])
def test_with_auto_gradients_reach_the_first_of_many_steps(cell):
    """|d h_T / d x_1| over |d h_T / d x_T|, before any training."""
    found = {}
    for bias in (None, "auto"):
        torch.manual_seed(0)
        module = zoo.Recurrent(cell, 1, 32, forget_bias=bias)
        zoo.init.fit_length_(module, 100)
        x = torch.randn(100, 8, 1, requires_grad=True)
        (gradient,) = torch.autograd.grad(module(x)[0][-1].sum(), x)
        sizes = gradient.norm(dim=(1, 2))
        found[bias] = (sizes[0] / sizes[-1]).item()
    assert found[None] < 1e-10
    assert found["auto"] > 1e-3


@pytest.mark.parametrize("cell", [name for name in zoo.list_cells() if zoo.get_cell(name).recurrent_gates])
def test_orthogonal_blocks(cell):
    module = zoo.Recurrent(cell, 3, 6, 2, orthogonal=True, dtype=torch.float64)
    for weight in (module.weight_hh_l0, module.weight_hh_l1):
        for block in weight.split(6):
            torch.testing.assert_close(block @ block.T, torch.eye(6, dtype=torch.float64))


def test_messages():
    with pytest.raises(ValueError, match="forget gate"):
        zoo.RNN(3, 4, forget_bias=1.0)
    for never_erased in ("lstm1997", "greff_nfg"):
        with pytest.raises(ValueError, match="forget gate"):
            zoo.Recurrent(never_erased, 3, 4, chrono=10)
    with pytest.raises(ValueError, match="bias=False"):
        zoo.LSTM(3, 4, bias=False, forget_bias=1.0)
    with pytest.raises(ValueError, match=r"forget_bias.*chrono"):
        zoo.LSTM(3, 4, forget_bias=1.0, chrono=10)
    with pytest.raises(ValueError, match="more than 2 steps, got 2"):
        zoo.LSTM(3, 4, chrono=2)
    with pytest.raises(ValueError, match=r"'auto' or None, got 'long'"):
        zoo.LSTM(3, 4, forget_bias="long")
    with pytest.raises(ValueError, match="nan"):
        zoo.LSTM(3, 4, forget_bias=float("nan"))
    for wrong in (0, -1, 2.5, True, "long", None):
        with pytest.raises(ValueError, match=f"got {wrong!r}"):
            zoo.init.fit_length_(zoo.LSTM(3, 4, forget_bias="auto"), wrong)
