"""Multiplicative and mogrifier LSTM against their papers' equations, written out unit by unit."""

from __future__ import annotations

from math import tanh

import pytest
import torch
from scalar_oracle import INPUTS, UNITS, check_equations, random_module, sigma

import lstmzoo.nn as zoo

Mogrifier = zoo.cells.multiplicative.MogrifierLSTM


def lstm(w, x, h, c_before):
    new_h, c = [], []
    z_i, z_f, z_g, z_o = (w.z(k, x, h) for k in "ifgo")
    for j in range(UNITS):
        c.append(sigma(z_f[j]) * c_before[j] + sigma(z_i[j]) * tanh(z_g[j]))
        new_h.append(sigma(z_o[j]) * tanh(c[j]))
    return {"h": new_h, "c": c}


def multiplicative(w, x, s):
    of_x, of_h = w.product("w_m", x), w.product("r_m", s["h"])
    m = [of_x[j] * of_h[j] for j in range(UNITS)]
    return lstm(w, x, m, s["c"])


def mogrifier(rounds):
    def step(w, x, s):
        h = s["h"]
        for k in range(1, rounds + 1):
            if k % 2 == 1:
                q = w.product(f"q_{k}", h)
                x = [2 * sigma(q[j]) * x[j] for j in range(INPUTS)]
            else:
                r = w.product(f"r_{k}", x)
                h = [2 * sigma(r[j]) * h[j] for j in range(UNITS)]
        return lstm(w, x, h, s["c"])

    return step


def test_multiplicative_equations():
    check_equations("multiplicative_lstm", "ifgo", multiplicative, "hc")


def test_mogrifier_equations_with_the_default_of_five_rounds():
    check_equations("mogrifier_lstm", "ifgo", mogrifier(5), "hc")


@pytest.mark.parametrize("rounds", [0, 1, 2, 4])
def test_mogrifier_equations_with_other_rounds(rounds):
    check_equations(Mogrifier(rounds=rounds), "ifgo", mogrifier(rounds), "hc")


def test_no_rounds_is_torchs_lstm():
    torch.manual_seed(0)
    module = zoo.Recurrent(Mogrifier(rounds=0), 3, 4, 2, bidirectional=True, engine="reference", dtype=torch.float64)
    plain = torch.nn.LSTM(3, 4, 2, bidirectional=True, dtype=torch.float64)
    plain.load_state_dict(module.state_dict())
    x = torch.randn(7, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(module(x), plain(x), rtol=1e-12, atol=1e-12)


def test_rounds_that_gate_nothing_leave_the_lstm():
    """2σ(0) = 1: with Q = R = 0 every round passes on what it got."""
    module, plain = random_module("mogrifier_lstm"), zoo.Recurrent("lstm", 3, 4, engine="aten", dtype=torch.float64)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name[:2] in ("q_", "r_"):
                parameter.zero_()
            else:
                plain.get_parameter(name).copy_(parameter)
    x = torch.randn(7, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(module(x), plain(x), rtol=1e-12, atol=1e-12)


def test_every_input_has_a_recurrent_matrix_of_its_own():
    """For one input x, the multiplicative LSTM is an LSTM with recurrent matrix R diag(W_m x) R_m."""
    torch.manual_seed(0)
    module, plain = (
        random_module("multiplicative_lstm"),
        zoo.Recurrent("lstm", 3, 4, engine="aten", dtype=torch.float64),
    )
    x = torch.randn(3, dtype=torch.float64)
    named = dict(module.named_parameters())
    with torch.no_grad():
        for name, parameter in plain.named_parameters():
            parameter.copy_(named[name])
        plain.weight_hh_l0.copy_(module.weight_hh_l0 @ torch.diag(module.w_m_l0 @ x) @ module.r_m_l0)
    sequence = x.expand(6, 2, 3)
    torch.testing.assert_close(module(sequence), plain(sequence), rtol=1e-12, atol=1e-12)


def test_messages():
    with pytest.raises(ValueError, match=r"rounds.*got -1"):
        Mogrifier(rounds=-1)
    for name in ("multiplicative_lstm", "mogrifier_lstm"):
        with pytest.raises(ValueError, match="proj_size"):
            zoo.Recurrent(name, 3, 4, proj_size=2)
