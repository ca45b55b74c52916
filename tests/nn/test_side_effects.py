"""What a caller may do with what he gets, and what stays behind: changes in place, copies, derivatives at corners."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

import lstmzoo.nn as zoo


@pytest.mark.parametrize("name", ["gru", "rnn_tanh", "rnn_relu", "cifg_lstm", "mingru", "mlstm"])
def test_the_output_may_be_changed_in_place(name: str) -> None:
    torch.manual_seed(0)
    module = zoo.Recurrent(name, 3, 4)
    x = torch.randn(5, 2, 3, requires_grad=True)
    expected = torch.autograd.grad((2 * module(x)[0]).sum(), [x, *module.parameters()])
    output, last = module(x)
    h = (last[0] if isinstance(last, tuple) else last).clone()
    output.mul_(2)
    found = torch.autograd.grad(output.sum(), [x, *module.parameters()])
    for f, e in zip(found, expected, strict=True):
        torch.testing.assert_close(f, e)
    assert (last[0] if isinstance(last, tuple) else last).equal(h)  # the carried state is another tensor


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["copy", "pickle"])
def test_copies_made_under_clamp_and_trace_are_free(copied) -> None:
    module = zoo.LSTM(3, 4)
    x = torch.randn(5, 2, 3)
    with zoo.clamp(module, f=0.0), zoo.trace(module) as record:
        free = copied(module)
        free(x)
        assert not record.gates
    torch.testing.assert_close(free(x)[0], module(x)[0])


class Corner(zoo.Cell):
    """A state that begins exactly at a bound."""

    gates = {"n": torch.tanh}
    state = ("h", "m")

    def step(self, z, s, gate, p):
        m = (s.m + 1).clamp(min=1, max=2)
        return self.State(h=m * gate.n(z.n) + torch.nn.functional.hardtanh(s.m + 1), m=m)


def test_native_derivatives_at_bounds_are_torchs() -> None:
    torch.manual_seed(0)
    modules = [zoo.Recurrent(Corner, 3, 4, engine=engine) for engine in ("auto", "reference")]
    modules[1].load_state_dict(modules[0].state_dict())
    x = torch.randn(1, 2, 3)
    gradients = []
    for module in modules:
        state = [torch.zeros(1, 2, 4, requires_grad=True) for _ in range(2)]
        gradients.append(torch.autograd.grad(module(x, state)[0].sum(), state[1])[0])
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("name", ["lstm", "gru", "peephole_lstm"])
def test_forward_mode_differentiation(name: str) -> None:
    torch.manual_seed(0)
    module = zoo.Recurrent(name, 3, 4, dtype=torch.float64)
    x, along = torch.randn(2, 5, 2, 3, dtype=torch.float64)
    _, found = torch.func.jvp(lambda x: module(x)[0], (x,), (along,))
    step = 1e-6
    expected = (module(x + step * along)[0] - module(x - step * along)[0]) / (2 * step)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


def test_a_step_must_return_a_state() -> None:
    class Forgetful(zoo.Cell):
        gates = {"n": torch.tanh}
        state = ("h",)

        def step(self, z, s, gate, p):
            return gate.n(z.n)

    with pytest.raises(TypeError, match=r"self\.State\(\.\.\.\).*Tensor"):
        zoo.Recurrent(Forgetful, 3, 4)(torch.randn(5, 2, 3))
