"""The LSTM's relatives against their papers' equations, written out unit by unit, and against each other's limits."""

from __future__ import annotations

from math import exp, tanh

import pytest
import torch
from scalar_oracle import UNITS, ByHand, check_equations, parameters_of, random_module, sigma

import lstmzoo.nn as zoo


def lstm1997(w, x, s):
    h, c = [], []
    z_i, z_g, z_o = (w.z(k, x, s["h"]) for k in "igo")
    for j in range(UNITS):
        g = 4 / (1 + exp(-z_g[j])) - 2
        c.append(s["c"][j] + sigma(z_i[j]) * g)
        h.append(sigma(z_o[j]) * (2 / (1 + exp(-c[j])) - 1))
    return {"h": h, "c": c}


def peephole(w, x, s):
    h, c = [], []
    z_i, z_f, z_g, z_o = (w.z(k, x, s["h"]) for k in "ifgo")
    for j in range(UNITS):
        i = sigma(z_i[j] + w["p_i"][j] * s["c"][j])
        f = sigma(z_f[j] + w["p_f"][j] * s["c"][j])
        c.append(f * s["c"][j] + i * tanh(z_g[j]))
        h.append(sigma(z_o[j] + w["p_o"][j] * c[j]) * tanh(c[j]))
    return {"h": h, "c": c}


def coupled(w, x, s):
    h, c = [], []
    z_f, z_g, z_o = (w.z(k, x, s["h"]) for k in "fgo")
    for j in range(UNITS):
        f = sigma(z_f[j])
        i = 1 - f
        c.append(f * s["c"][j] + i * tanh(z_g[j]))
        h.append(sigma(z_o[j]) * tanh(c[j]))
    return {"h": h, "c": c}


def janet(beta):
    def step(w, x, s):
        c = []
        z_s, z_c = w.z("f", x, s["h"]), w.z("g", x, s["h"])
        for j in range(UNITS):
            c.append(sigma(z_s[j]) * s["h"][j] + (1 - sigma(z_s[j] - beta)) * tanh(z_c[j]))
        return {"h": c}

    return step


def depth_gated(below):
    """One step in a layer, given the memory of the layer below."""

    def step(w, x, s):
        h, c = [], []
        z_i, z_f, z_g, z_o = (w.z(k, x, s["h"]) for k in "ifgo")
        z_d = w.of_x("d", x)
        for j in range(UNITS):
            i = sigma(z_i[j] + w["p_i"][j] * s["c"][j])
            f = sigma(z_f[j] + w["p_f"][j] * s["c"][j])
            d = sigma(z_d[j] + w["p_d"][j] * s["c"][j] + w["q_d"][j] * below[j])
            c.append(d * below[j] + f * s["c"][j] + i * tanh(z_g[j]))
            h.append(sigma(z_o[j] + w["p_o"][j] * c[j]) * tanh(c[j]))
        return {"h": h, "c": c}

    return step


CASES = {
    "lstm1997": ("igo", lstm1997, "hc"),
    "peephole_lstm": ("ifgo", peephole, "hc"),
    "cifg_lstm": ("fgo", coupled, "hc"),
    "janet": ("fg", janet(1.0), "h"),
}


@pytest.mark.parametrize("name", CASES)
def test_equations(name):
    check_equations(name, *CASES[name])


def test_janet_with_another_beta():
    check_equations(zoo.cells.lstm_family.JANET(beta=0.3), "fg", janet(0.3), "h")


def test_depth_gate_in_the_lowest_layer_has_nothing_below():
    check_equations("depth_gated_lstm", "ifgod", depth_gated([0.0] * UNITS), "hc", recurrent="ifgo")


def test_depth_gate_reads_the_memory_of_the_layer_below_at_the_same_step():
    torch.manual_seed(0)
    module = random_module("depth_gated_lstm", num_layers=2)
    layers = [ByHand(parameters_of(module, f"_l{k}"), "ifgod", "ifgo") for k in range(2)]
    x = torch.randn(5, 3, dtype=torch.float64)
    first = [torch.randn(2, UNITS, dtype=torch.float64) for _ in range(2)]
    output, (_, c) = module(x, tuple(first))
    s = [{"h": first[0][k].tolist(), "c": first[1][k].tolist()} for k in range(2)]
    for t in range(5):
        s[0] = depth_gated([0.0] * UNITS)(layers[0], x[t].tolist(), s[0])
        s[1] = depth_gated(s[0]["c"])(layers[1], s[0]["h"], s[1])
        torch.testing.assert_close(output[t], torch.tensor(s[1]["h"], dtype=torch.float64), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(c, torch.tensor([s[0]["c"], s[1]["c"]], dtype=torch.float64), rtol=1e-12, atol=1e-12)


def test_depth_gate_of_the_lowest_layer_is_idle():
    module = random_module("depth_gated_lstm", num_layers=2)
    module(torch.randn(4, 2, 3, dtype=torch.float64))[0].sum().backward()
    for name in ("p_d", "q_d"):
        assert getattr(module, f"{name}_l0").grad.eq(0).all()
        assert getattr(module, f"{name}_l1").grad.ne(0).all()


def copy_shared(source: torch.nn.Module, target: torch.nn.Module) -> None:
    """Copy the parameters of the same name, leaving 0 where there is none."""
    named = dict(source.named_parameters())
    with torch.no_grad():
        for name, parameter in target.named_parameters():
            parameter.copy_(named[name]) if name in named else parameter.zero_()


def test_without_peepholes_it_is_torchs_lstm():
    torch.manual_seed(0)
    plain = torch.nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2, dtype=torch.float64)
    module = random_module("peephole_lstm", num_layers=2, bidirectional=True, proj_size=2)
    copy_shared(plain, module)
    x = torch.randn(7, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(module(x), plain(x), rtol=1e-12, atol=1e-12)


def test_cifg_is_torchs_lstm_with_tied_gates():
    """i = σ(−z_f) is 1 − f: torch's kernel with the forget gate's rows negated as input gate."""
    torch.manual_seed(0)
    module = random_module("cifg_lstm")
    plain = torch.nn.LSTM(3, 4, dtype=torch.float64)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            f, g, o = parameter.chunk(3)
            getattr(plain, name).copy_(torch.cat([-f, f, g, o]))
    x = torch.randn(7, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(module(x), plain(x), rtol=1e-12, atol=1e-12)


def test_the_squashing_functions_of_1997_have_the_papers_ranges():
    family = zoo.cells.lstm_family
    z = torch.tensor([-50.0, 0.0, 50.0], dtype=torch.float64)
    assert family.squash_input(z).tolist() == pytest.approx([-2, 0, 2])
    assert family.squash_memory(z).tolist() == pytest.approx([-1, 0, 1])
    some = torch.linspace(-5, 5, 21, dtype=torch.float64)
    torch.testing.assert_close(family.squash_input(some), 2 * torch.tanh(some / 2))


def test_lstm1997_counts_without_bound_where_a_forgetting_cell_does_not():
    """The constant error carousel: what is added in every step adds up."""
    memory = {}
    for name in ("lstm1997", "lstm"):
        module = zoo.Recurrent(name, 1, 1, engine="reference", dtype=torch.float64)
        with zoo.clamp(module, i=1.0, g=1.0):
            memory[name] = module(torch.zeros(500, 1, dtype=torch.float64))[1][1].item()
    assert memory["lstm1997"] == 500
    assert memory["lstm"] < 50


def test_forget_bias_and_trace_of_janet():
    module = zoo.Recurrent("janet", 3, 4, engine="reference", forget_bias=2.0)
    assert (module.bias_ih_l0 + module.bias_hh_l0)[:4].eq(2).all()
    with torch.no_grad():
        module.weight_ih_l0.zero_()
        module.weight_hh_l0.zero_()
    with zoo.trace(module) as record:
        module(torch.randn(2, 3))
    torch.testing.assert_close(record.gates["f"][0], torch.full((2, 1, 4), 2.0).sigmoid())
