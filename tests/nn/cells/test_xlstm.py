"""sLSTM: the stabilised form against the plain exponential one, and where that one would overflow."""

from __future__ import annotations

from math import exp, log, tanh

import pytest
import torch
from scalar_oracle import UNITS, check_equations, random_module, sigma

import lstmzoo.nn as zoo


def stabilised(w, x, s):
    new = {name: [] for name in "hcnm"}
    z_i, z_f, z_g, z_o = (w.z(k, x, s["h"]) for k in "ifgo")
    for j in range(UNITS):
        if s["n"][j] == 0:  # nothing stored: the paper's m₋ = −∞
            m, f = z_i[j], 0.0
        else:
            m = max(z_i[j], log(sigma(z_f[j])) + s["m"][j])
            f = exp(log(sigma(z_f[j])) + s["m"][j] - m)
        i = exp(z_i[j] - m)
        new["m"].append(m)
        new["c"].append(f * s["c"][j] + i * tanh(z_g[j]))
        new["n"].append(f * s["n"][j] + i)
        new["h"].append(sigma(z_o[j]) * new["c"][j] / new["n"][j])
    return new


def test_equations():
    check_equations("slstm", "ifgo", stabilised, "hcnm", zero=True)


def plain(module: zoo.Recurrent, x: torch.Tensor) -> torch.Tensor:
    """The equations without m: i = exp z_i, f = σ(z_f)."""
    h = c = n = torch.zeros(x.shape[1], UNITS, dtype=x.dtype)
    outputs = []
    for x_t in x:
        z = x_t @ module.weight_ih_l0.T + module.bias_ih_l0 + h @ module.weight_hh_l0.T + module.bias_hh_l0
        i, f, g, o = z.chunk(4, dim=1)
        c = f.sigmoid() * c + i.exp() * g.tanh()
        n = f.sigmoid() * n + i.exp()
        h = o.sigmoid() * c / n
        outputs.append(h)
    return torch.stack(outputs)


def test_stabilising_changes_no_result_and_no_derivative():
    torch.manual_seed(0)
    module = random_module("slstm")
    x = torch.randn(12, 2, 3, dtype=torch.float64)
    inputs = (x.requires_grad_(), *module.parameters())
    expected = plain(module, x)
    torch.testing.assert_close(module(x)[0], expected, rtol=1e-11, atol=1e-11)
    weight = torch.randn_like(expected)
    found = torch.autograd.grad((module(x)[0] * weight).sum(), inputs)
    torch.testing.assert_close(found, torch.autograd.grad((expected * weight).sum(), inputs), rtol=1e-9, atol=1e-9)


def test_zeros_given_as_first_state_are_the_initial_state():
    module = random_module("slstm")
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    zeros = tuple(torch.zeros(1, 2, UNITS, dtype=torch.float64) for _ in range(4))
    assert module(x, zeros)[0].equal(module(x)[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("i", [-3e4, 0.0, 3e4])
@pytest.mark.parametrize("f", [-3e4, 0.0, 3e4])
def test_extreme_gates_give_finite_results_and_derivatives(i, f, dtype):
    torch.manual_seed(0)
    module = zoo.Recurrent("slstm", 3, UNITS, dtype=dtype)
    with torch.no_grad():
        module.bias_ih_l0[:UNITS] = i
        module.bias_ih_l0[UNITS : 2 * UNITS] = f
    x = torch.randn(50, 2, 3, dtype=dtype, requires_grad=True)
    output, (_, _, n, _) = module(x)
    output.sum().backward()
    assert output.abs().max() <= 1  # a mean of tanh's, times σ
    assert n.ge(1).all()
    assert all(w.grad.isfinite().all() for w in (x, *module.parameters()))


def test_all_inputs_alike_average_to_the_input():
    """With f open, i constant: c / n is the mean of all g so far."""
    module = zoo.Recurrent("slstm", 1, 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        module.weight_hh_l0.zero_()
        module.weight_ih_l0.copy_(torch.tensor([[0.0], [0.0], [1.0], [0.0]]))
    with zoo.clamp(module, f=1.0, i=1.0, o=1.0):
        x = torch.randn(20, 1, 1, dtype=torch.float64)
        output, _ = module(x)
    expected = x.tanh().cumsum(0) / torch.arange(1, 21, dtype=torch.float64).view(-1, 1, 1)
    torch.testing.assert_close(output, expected)
