"""Layer normalisation in the LSTM, in the convention of Ba et al. 2016."""

from __future__ import annotations

from math import sqrt, tanh

import torch
from scalar_oracle import UNITS, check_equations, random_module, sigma

import lstmzoo.nn as zoo
from lstmzoo.nn.cells.normalise import normalise, unit_mean


def layer_norm(values):
    mean = sum(values) / len(values)
    variance = sum((v - mean) ** 2 for v in values) / len(values)
    return [(v - mean) / sqrt(variance + 1e-5) for v in values]


def ba2016(w, x, s):
    h, c = [], []
    of_x = layer_norm([v for k in "ifgo" for v in w.of_x(k, x)])
    of_h = layer_norm([v for k in "ifgo" for v in w.of_h(k, s["h"])])
    z = {}
    for n, k in enumerate("ifgo"):
        block = range(n * UNITS, (n + 1) * UNITS)
        z[k] = [
            w[f"ax_{k}"][j] * of_x[row] + w[f"ah_{k}"][j] * of_h[row] + w[f"b_{k}"][j] for j, row in enumerate(block)
        ]
    for j in range(UNITS):
        c.append(sigma(z["f"][j]) * s["c"][j] + sigma(z["i"][j]) * tanh(z["g"][j]))
    normal = layer_norm(c)
    for j in range(UNITS):
        h.append(sigma(z["o"][j]) * tanh(w["a_c"][j] * normal[j] + w["b_c"][j]))
    return {"h": h, "c": c}


def test_equations():
    check_equations("layer_norm_lstm", "ifgo", ba2016, "hc")


def test_step_is_torchs_layer_norm_on_both_products_and_on_c():
    torch.manual_seed(0)
    module = random_module("layer_norm_lstm")
    x, h, c = (torch.randn(2, n, dtype=torch.float64) for n in (3, 4, 4))
    w = {name.removesuffix("_l0"): p for name, p in module.named_parameters()}

    def joined(kind):
        return torch.cat([w[f"{kind}_{k}"] for k in "ifgo"])

    norm = torch.nn.functional.layer_norm
    of_x = norm(x @ w["weight_ih"].T, (16,), joined("ax"), joined("b"))
    i, f, g, o = (of_x + norm(h @ w["weight_hh"].T, (16,), joined("ah"))).chunk(4, dim=1)
    new = f.sigmoid() * c + i.sigmoid() * g.tanh()
    out = o.sigmoid() * norm(new, (4,), w["a_c"], w["b_c"]).tanh()
    _, last = module(x[None], (h[None], c[None]))
    torch.testing.assert_close(last, (out[None], new[None]))


def test_c_is_carried_as_it_is():
    """Ba et al. normalise c on its way to h only; a cell that carries LN(c) would have mean 0 in it."""
    module = random_module("layer_norm_lstm")
    c = 5 + torch.randn(1, 2, 4, dtype=torch.float64)
    with zoo.clamp(module, f=1.0, i=0.0):
        last = module(torch.randn(9, 2, 3, dtype=torch.float64), (torch.zeros_like(c), c))[1][1]
    assert last.equal(c)


def test_scale_of_the_weights_makes_no_difference():
    """What layer normalisation is for: W and R may grow without changing the gates (up to ε)."""
    torch.manual_seed(0)
    module = random_module("layer_norm_lstm", scale=3.0)
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    before, _ = module(x)
    with torch.no_grad():
        module.weight_ih_l0 *= 7
        module.weight_hh_l0 *= 0.5
    torch.testing.assert_close(module(x)[0], before, rtol=1e-3, atol=1e-3)


def test_gains_begin_at_one_biases_at_zero_and_the_forget_bias_is_b_f():
    module = zoo.Recurrent("layer_norm_lstm", 3, 4, 2, forget_bias=1.5)
    names = [name for name, _ in module.named_parameters()]
    assert not any("bias" in name for name in names)
    for name in names:
        if name.startswith("a"):
            assert getattr(module, name).eq(1).all()
        elif name.startswith("b_"):
            assert getattr(module, name).eq(1.5 if name.startswith("b_f") else 0).all()


def test_means_run_over_all_units_of_a_sequence_in_both_forms():
    vectors, images = torch.randn(2, 5), torch.randn(2, 5, 3, 4)
    torch.testing.assert_close(unit_mean(vectors), vectors.mean(1, keepdim=True))
    torch.testing.assert_close(unit_mean(images), images.flatten(1).mean(1).view(2, 1, 1, 1))
    a, b = torch.randn(2, 2, 5, 3, 4).unbind()
    joined = torch.nn.functional.layer_norm(torch.cat([a, b], 1), (10, 3, 4))
    torch.testing.assert_close(torch.cat(normalise(a, b), 1), joined)
