"""Initialisations: the biases and matrices that result, and how long a new network remembers."""

from __future__ import annotations

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
