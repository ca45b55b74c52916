"""First and second derivatives in float64, by finite differences, of every cell on every engine that runs it."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import lstmzoo.nn as zoo

CASES = [
    (name, engine)
    for name in zoo.list_cells()
    for engine in ("aten", "reference")
    if engine == "reference" or zoo.get_cell(name).aten is not None
]


def function_of(module: zoo.Recurrent, lengths=None):
    """A module as a function of input, state and weights, for gradcheck."""
    names = [name for name, _ in module.named_parameters()]

    def function(x, *rest):
        states, weights = rest[: len(module.cell.state)], rest[len(module.cell.state) :]
        hx = states if len(states) > 1 else states[0]
        parameters = dict(zip(names, weights, strict=True))
        output, last = torch.func.functional_call(module, parameters, (x, hx), {"lengths": lengths})
        return (output, *(last if isinstance(last, tuple) else (last,)))

    return function


def arguments(module: zoo.Recurrent, steps: int, batch: int):
    layers = module.num_layers * module.num_directions
    sizes = module.cell.state_shapes(module.hidden_size, module.output_size).values()
    states = [0.5 * torch.randn(layers, batch, *size, dtype=torch.float64) for size in sizes]
    leaves = [torch.randn(steps, batch, module.input_size, dtype=torch.float64), *states]
    leaves += [w.detach().clone() for w in module.parameters()]
    return tuple(leaf.requires_grad_() for leaf in leaves)


@pytest.mark.parametrize(("name", "engine"), CASES)
def test_first_and_second_derivatives(name, engine):
    torch.manual_seed(0)
    module = zoo.Recurrent(name, 2, 3, engine=engine, dtype=torch.float64)
    inputs = arguments(module, steps=3, batch=2)
    assert gradcheck(function_of(module), inputs, fast_mode=False)
    assert gradgradcheck(function_of(module), inputs, fast_mode=True)


@pytest.mark.parametrize(("name", "engine"), CASES)
def test_derivatives_with_layers_directions_and_lengths(name, engine):
    torch.manual_seed(0)
    module = zoo.Recurrent(name, 2, 2, 2, bidirectional=True, engine=engine, dtype=torch.float64)
    assert gradcheck(function_of(module, [3, 1]), arguments(module, steps=3, batch=2), fast_mode=True)


@pytest.mark.parametrize("engine", ["aten", "reference"])
def test_derivatives_with_projection(engine):
    torch.manual_seed(0)
    module = zoo.Recurrent("lstm", 2, 3, proj_size=2, engine=engine, dtype=torch.float64)
    inputs = arguments(module, steps=3, batch=2)
    assert gradcheck(function_of(module), inputs)
    assert gradgradcheck(function_of(module), inputs, fast_mode=True)


def test_backward_twice_through_one_graph():
    module = zoo.LSTM(2, 3)
    x = torch.randn(4, 2, 2, requires_grad=True)
    loss = module(x)[0].square().sum()
    (first,) = torch.autograd.grad(loss, x, retain_graph=True)
    (second,) = torch.autograd.grad(loss, x)
    assert first.equal(second)
