"""Cells with a diagonal or block-triangular R against their papers' equations, unit by unit."""

from __future__ import annotations

import re
from math import tanh

import pytest
import torch
from scalar_oracle import INPUTS, UNITS, ByHand, check_equations, parameters_of, random_module, sigma

import lstmzoo.nn as zoo
from lstmzoo.nn.cells.structured import Clockwork


def independent(w, x, s):
    n = w.of_x("n", x)
    return {"h": [max(0.0, n[j] + w["u"][j] * s["h"][j]) for j in range(UNITS)]}


def simple(w, x, s):
    c = s["c"]
    f, r = ([sigma(v + w[f"v_{k}"][j] * c[j]) for j, v in enumerate(w.of_x(k, x))] for k in "fr")
    g, y = w.of_x("g", x), w.of_x("y", x)
    new = [f[j] * c[j] + (1 - f[j]) * g[j] for j in range(UNITS)]
    return {"h": [r[j] * new[j] + (1 - r[j]) * y[j] for j in range(UNITS)], "c": new}


def test_equations():
    check_equations("indrnn", "n", independent, ["h"])
    check_equations("sru", "frgy", simple, ["h", "c"])


def test_indrnn_with_u_of_1_adds_up_positive_inputs():
    module = zoo.Recurrent("indrnn", 1, 1, bias=False)
    assert module.u_l0.item() == 1  # as it starts
    x = torch.rand(50, 1, 1)
    output, _ = module(x)
    torch.testing.assert_close(output, (x * module.weight_ih_l0).clamp(min=0).cumsum(0))


@pytest.mark.parametrize("periods", [(1, 2, 4), (3, 2), (1, 2, 4, 8, 16)])
def test_clockwork_equations(periods):
    """Koutník et al. 2014: from module j to i only if T_i is not longer than T_j; those not due keep their value."""
    torch.manual_seed(0)
    module = random_module(Clockwork(periods))
    w = ByHand(parameters_of(module), "n", "n")
    period = [periods[k] for k in sorted(j % len(periods) for j in range(UNITS))]  # divided evenly, in order
    x, h = torch.randn(20, INPUTS, dtype=torch.float64), [0.0] * UNITS
    output, (_, clock) = module(x)
    for t, x_t in enumerate(x.tolist()):
        of_x, b = w.of_x("n", x_t), w["bias_hh"]
        new = list(h)
        for i in range(UNITS):
            if t % period[i] == 0:
                of_h = sum(w["weight_hh"][i][j] * h[j] for j in range(UNITS) if period[i] <= period[j])
                new[i] = tanh(of_x[i] + of_h + b[i])
        h = new
        torch.testing.assert_close(output[t], torch.tensor(h, dtype=torch.float64), rtol=1e-12, atol=1e-12)
    assert all(20 % k == clock.item() % k for k in periods)


def test_clockwork_with_periods_of_1_is_a_plain_recurrent_network():
    torch.manual_seed(0)
    module, plain = random_module(Clockwork((1, 1))), torch.nn.RNN(INPUTS, UNITS, dtype=torch.float64)
    plain.load_state_dict(module.state_dict())
    x = torch.randn(6, 2, INPUTS, dtype=torch.float64)
    torch.testing.assert_close(module(x)[0], plain(x)[0], rtol=1e-12, atol=1e-12)


def test_a_clock_goes_on_with_the_state_and_stops_with_the_sequence():
    torch.manual_seed(0)
    module = random_module("clockwork")
    x = torch.randn(11, 2, INPUTS, dtype=torch.float64)
    whole, (_, clock) = module(x)
    first, state = module(x[:3])
    second, _ = module(x[3:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole)
    assert clock.eq(11 % 8).all()
    _, (_, clock) = module(x, lengths=[11, 5])
    assert clock.flatten().tolist() == [3, 5]


@pytest.mark.parametrize("periods", [(), (0, 1), (1, 2.5)])
def test_periods_that_make_no_sense_are_refused(periods):
    with pytest.raises(ValueError, match=rf"periods.*{re.escape(repr(periods))}"):
        Clockwork(periods)
