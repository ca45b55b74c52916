"""Gated recurrent units against their papers' equations, unit by unit, and against torch's GRU where they meet."""

from __future__ import annotations

from math import tanh

import pytest
import torch
from scalar_oracle import UNITS, check_equations, random_module, sigma

import lstmzoo.nn as zoo


def times(a, b):
    return [p * q for p, q in zip(a, b, strict=True)]


def reset_before(w, x, s):
    h = s["h"]
    r, z = ([sigma(v) for v in w.z(k, x, h)] for k in "rz")
    n = [tanh(v) for v in w.z("n", x, times(r, h))]
    return {"h": [(1 - z[j]) * n[j] + z[j] * h[j] for j in range(UNITS)]}


def minimal(w, x, s):
    h = s["h"]
    f = [sigma(v) for v in w.z("f", x, h)]
    n = [tanh(v) for v in w.z("n", x, times(f, h))]
    return {"h": [(1 - f[j]) * h[j] + f[j] * n[j] for j in range(UNITS)]}


def mut1(w, x, s):
    h = s["h"]
    z = [sigma(v) for v in w.of_x("z", x)]
    r = [sigma(v) for v in w.z("r", x, h)]
    of_h = w.of_h("n", times(r, h))
    n = [tanh(of_h[j] + tanh(v)) for j, v in enumerate(w.of_x("n", x))]
    return {"h": [n[j] * z[j] + h[j] * (1 - z[j]) for j in range(UNITS)]}


def mut2(w, x, s):
    h = s["h"]
    z, r = ([sigma(v) for v in w.z(k, x, h)] for k in "zr")
    n = [tanh(v) for v in w.z("n", x, times(r, h))]
    return {"h": [n[j] * z[j] + h[j] * (1 - z[j]) for j in range(UNITS)]}


def mut3(w, x, s):
    h = s["h"]
    z = [sigma(v) for v in w.z("z", x, [tanh(v) for v in h])]
    r = [sigma(v) for v in w.z("r", x, h)]
    n = [tanh(v) for v in w.z("n", x, times(r, h))]
    return {"h": [n[j] * z[j] + h[j] * (1 - z[j]) for j in range(UNITS)]}


@pytest.mark.parametrize(
    ("cell", "gates", "recurrent", "step"),
    [
        ("gru_reset_before", "rzn", "rzn", reset_before),
        ("mgu", "fn", "fn", minimal),
        ("mut1", "zrn", "rn", mut1),
        ("mut2", "zrn", "zrn", mut2),
        ("mut3", "rzn", "rzn", mut3),
    ],
)
def test_equations(cell, gates, recurrent, step):
    check_equations(cell, gates, step, ["h"], recurrent)


@pytest.fixture
def grus():
    """The unit with r before the product, torch's with r after it, and an input; same weights."""
    torch.manual_seed(0)
    module = random_module("gru_reset_before")
    torchs = torch.nn.GRU(3, UNITS, dtype=torch.float64)
    torchs.load_state_dict(module.state_dict())
    return module, torchs, torch.randn(7, 2, 3, dtype=torch.float64)


def test_where_the_reset_gate_stands_makes_no_difference_to_a_diagonal_matrix(grus):
    module, torchs, x = grus
    assert not torch.allclose(module(x)[0], torchs(x)[0])
    with torch.no_grad():
        for gru in (module, torchs):
            gru.weight_hh_l0[2 * UNITS :] *= torch.eye(UNITS)  # R_n (r ⊙ h) = r ⊙ (R_n h)
            gru.bias_hh_l0[2 * UNITS :] = 0
    torch.testing.assert_close(module(x)[0], torchs(x)[0], rtol=1e-12, atol=1e-12)


def test_mut2_with_a_map_of_x_is_the_same_unit_with_the_other_sign(grus):
    module, _, x = grus
    mutated = zoo.Recurrent("mut2", 3, UNITS, dtype=torch.float64)
    with torch.no_grad():
        for name, weight in mutated.named_parameters():
            r, z, n = module.get_parameter(name).chunk(3)
            weight.copy_(torch.cat([-z, r, n]))
    torch.testing.assert_close(mutated(x)[0], module(x)[0], rtol=1e-12, atol=1e-12)
