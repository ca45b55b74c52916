"""The four rules of the memory cell, for every gated cell; and what a gate is worth."""

from __future__ import annotations

import pytest
import torch

import lstmzoo.nn as zoo

pytestmark = pytest.mark.slow

GATED = [name for name in zoo.list_cells() if zoo.get_cell(name).forget_gate is not None]
MEMORY = [name for name in GATED if zoo.get_cell(name).input_gate is not None]  # input and forget gate apart


def network(name: str) -> zoo.Recurrent:
    torch.manual_seed(0)
    return zoo.Recurrent(name, 3, 5, dtype=torch.float64)


def memory(module: zoo.Recurrent, state) -> torch.Tensor:
    """What a gated cell has stored: c where there is one, else h; the mLSTM carries its C and n divided by exp m."""
    if not isinstance(state, tuple):
        return state
    s = module.cell.State(*state)
    if module.cell.name == "mlstm":
        return torch.cat([s.C, s.n[..., None, :]], -2) * s.m.exp()[..., None, None]
    return s.c


def assert_same(module: zoo.Recurrent, found: torch.Tensor, expected: torch.Tensor) -> None:
    """Bit by bit, unless the memory is multiplied by exp m, which rounds."""
    rounding = {"rtol": 1e-10, "atol": 1e-100} if module.cell.name == "mlstm" else {"rtol": 0, "atol": 0}
    torch.testing.assert_close(found, expected, **rounding)


def random_state(module: zoo.Recurrent):
    shapes = module.cell.state_shapes(5, 5).values()
    state = tuple(torch.randn(1, 2, *shape, dtype=torch.float64) for shape in shapes)
    return state if len(state) > 1 else state[0]


def gates(module: zoo.Recurrent, **values: float) -> dict[str, float]:
    """Gate values by role: forget, input; in the cell that has taken its input gate out, what would be written."""
    write = "g" if module.cell.name == "greff_nig" else module.cell.input_gate
    roles = {"forget": module.cell.forget_gate, "input": write}
    return {roles[role]: value for role, value in values.items() if roles[role] is not None}


def test_the_cells_of_this_zoo_are_covered():
    assert {"lstm", "gru"} <= set(GATED)
    assert "lstm" in MEMORY


@pytest.mark.parametrize("name", MEMORY)
def test_input_gate_shut_the_input_leaves_the_state_as_it_is(name):
    """With i = 0 and a fixed forget gate, the state after a step does not depend on the input at all."""
    module = network(name)
    hx = random_state(module)
    kept = 1.0 if name == "minlstm" else 0.7  # that cell keeps the share f / (f + i)
    with zoo.clamp(module, **gates(module, input=0.0, forget=0.7)):
        one = memory(module, module(torch.randn(6, 2, 3, dtype=torch.float64), hx)[1])
        other = memory(module, module(100 * torch.randn(6, 2, 3, dtype=torch.float64), hx)[1])
    assert_same(module, one, other)
    torch.testing.assert_close(one, kept**6 * memory(module, hx))


@pytest.mark.parametrize("name", [n for n in MEMORY if "o" in zoo.get_cell(n).gates])
def test_output_gate_shut_nothing_is_read(name):
    module = network(name)
    hx = random_state(module)
    with zoo.clamp(module, o=0.0):
        output, last = module(torch.randn(6, 2, 3, dtype=torch.float64), hx)
    assert output.eq(0).all()
    assert memory(module, last).ne(0).any()  # the memory is there, unread


@pytest.mark.parametrize("name", GATED)
def test_kept_forget_path_carries_the_value_unchanged(name):
    """f = 1 (and i = 0 where it is a gate of its own): the self-connection has weight 1, for any number of steps."""
    module = network(name)
    hx = random_state(module)
    with zoo.clamp(module, **gates(module, forget=1.0, input=0.0)):
        _, last = module(torch.randn(1000, 2, 3, dtype=torch.float64), hx)
    assert_same(module, memory(module, last), memory(module, hx))


@pytest.mark.parametrize("name", GATED)
def test_forget_path_at_zero_deletes_the_value(name):
    """With f = 0 and everything else fixed, what was stored makes no difference any more."""
    module = network(name)
    cell = module.cell
    others = {gate: 0.5 for gate in cell.gates if gate != cell.forget_gate}
    x = torch.randn(1, 2, 3, dtype=torch.float64)
    with zoo.clamp(module, **others, **gates(module, forget=0.0)):
        one = memory(module, module(x, random_state(module))[1])
        other = memory(module, module(x, random_state(module))[1])
    assert_same(module, one, other)
    if cell.input_gate is not None:
        with zoo.clamp(module, **gates(module, forget=0.0, input=0.0)):
            nothing = memory(module, module(x, random_state(module))[1])
        assert_same(module, nothing, torch.zeros_like(nothing))


@pytest.mark.parametrize("name", GATED)
def test_the_rules_are_not_true_of_a_free_cell(name):
    """Without clamping, state, input and memory do change: the tests above could fail."""
    module = network(name)
    hx = random_state(module)
    _, last = module(torch.randn(20, 2, 3, dtype=torch.float64), hx)
    assert (memory(module, last) - memory(module, hx)).abs().max() > 1e-3
