"""First and second derivatives in float64, by finite differences, of every cell on every engine that runs it."""

from __future__ import annotations

import pytest
import torch
from every_cell import ALL, NATIVE, PARALLEL, as_tuple, first_state, network, sequences, unwrapped
from torch import Tensor
from torch.autograd import forward_ad, gradcheck, gradgradcheck

import lstmzoo.nn as zoo

CASES = [
    *((name, "native") for name in NATIVE),
    *((name, "parallel") for name in PARALLEL),
    *((name, "aten") for name in ALL if zoo.get_cell(name).aten is not None),
    *((name, "reference") for name in ALL if name not in NATIVE or name in ("lstm", "gru")),
]
IMAGES = ["lstm", "gru", "peephole_lstm", "mogrifier_lstm"]


def function_of(module, **given):
    """A module as a function of input, first state and weights, and those arguments."""
    names = [name for name, _ in module.named_parameters()]
    count = len(module.cell.state)

    def function(x, *rest):
        parameters = dict(zip(names, rest[count:], strict=True))
        output, last = torch.func.functional_call(module, parameters, (x, unwrapped(rest[:count])), given)
        return (output, *as_tuple(last))

    return function


def arguments(module, x: Tensor) -> tuple[Tensor, ...]:
    """Input, first state and weights; a count of steps has no derivative."""
    states = first_state(module, x)
    for name, state in zip(module.cell.state, states, strict=True):
        state.requires_grad_(name != "clock")
    leaves = (w.detach().clone().requires_grad_() for w in module.parameters())
    return (x.requires_grad_(), *states, *leaves)


@pytest.mark.parametrize(("name", "engine"), CASES)
def test_first_and_second_derivatives(name, engine):
    module = network(name, 2, 3, engine=engine)
    inputs = arguments(module, sequences(module, steps=3, batch=2))
    assert gradcheck(function_of(module), inputs, fast_mode=False)
    assert gradgradcheck(function_of(module), inputs, fast_mode=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "engine"), [*((name, "reference") for name in ALL), ("lstm", "auto"), ("mgu", "auto")]
)
def test_derivatives_with_layers_directions_and_lengths(name, engine):
    """Of the plain loop, whose gradients the other engines are compared with."""
    module = network(name, 2, 2, num_layers=2, bidirectional=True, engine=engine)
    inputs = arguments(module, sequences(module, steps=3, batch=2))
    assert gradcheck(function_of(module, lengths=[3, 1]), inputs, fast_mode=True)


@pytest.mark.parametrize("engine", ["aten", "native", "reference"])
def test_derivatives_with_projection(engine):
    module = network("lstm", 2, 3, proj_size=2, engine=engine)
    inputs = arguments(module, sequences(module, steps=3, batch=2))
    assert gradcheck(function_of(module), inputs)
    assert gradgradcheck(function_of(module), inputs, fast_mode=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", IMAGES)
def test_second_derivatives_with_images(name):
    module = network(name, 2, 2, kernel=3, engine="native")
    inputs = arguments(module, sequences(module, 4, 2, (3, 3)))  # more steps than channels
    assert gradcheck(function_of(module), inputs, fast_mode=True)
    assert gradgradcheck(function_of(module), inputs, fast_mode=True)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"recurrent_dropout": 0.5}, {"learn_state": True}, {"zoneout": 0.4}], ids=str)
def test_second_derivatives_with_what_the_driver_adds(options):
    """With masks that stay the same in all steps, masks of every step, and resets."""
    module = network("gru", 2, 3, engine="native", **options)
    inputs = arguments(module, sequences(module, steps=3, batch=2))
    plain = function_of(
        module, reset=torch.tensor([[0, 0], [1, 0], [0, 1]]).bool() if "learn_state" in options else None
    )

    def function(*inputs):
        torch.manual_seed(5)
        return plain(*inputs)

    assert gradcheck(function, inputs, fast_mode=True)
    assert gradgradcheck(function, inputs, fast_mode=True)


@pytest.mark.parametrize("name", ALL)
def test_forward_mode(name):
    """Derivatives in one direction, by torch.func.jvp and by dual numbers, against differences."""
    module = network(name, 2, 3)
    function = function_of(module)
    given = tuple(v.detach() for v in arguments(module, sequences(module, steps=3, batch=2)))
    towards = tuple(torch.randn_like(v) for v in given)
    if "clock" in module.cell.state:
        towards = tuple(v.zero_() if k == 1 + module.cell.state.index("clock") else v for k, v in enumerate(towards))
    step = 1e-6
    ahead, behind = (function(*(v + sign * step * d for v, d in zip(given, towards, strict=True))) for sign in (1, -1))
    expected = tuple((a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True))
    _, by_jvp = torch.func.jvp(function, given, towards)
    torch.testing.assert_close(by_jvp, expected, rtol=1e-6, atol=1e-7)
    with forward_ad.dual_level():
        duals = function(*map(forward_ad.make_dual, given, towards))
        tangents = tuple(forward_ad.unpack_dual(v).tangent for v in duals)
    for tangent, e in zip(tangents, expected, strict=True):
        torch.testing.assert_close(torch.zeros_like(e) if tangent is None else tangent, e, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("engine", ["aten", "native"])
def test_backward_twice_through_one_graph(engine):
    module = zoo.LSTM(2, 3, engine=engine)
    x = torch.randn(4, 2, 2, requires_grad=True)
    loss = module(x)[0].square().sum()
    (first,) = torch.autograd.grad(loss, x, retain_graph=True)
    (second,) = torch.autograd.grad(loss, x)
    assert first.equal(second)
