"""The eight variants of Greff et al. 2015: one transcription of the paper's LSTM with switches, unit by unit."""

from __future__ import annotations

from dataclasses import dataclass
from math import tanh

import pytest
import torch
from scalar_oracle import UNITS, check_equations, random_module, sigma

import lstmzoo.nn as zoo


@dataclass
class Vanilla:
    """The paper's LSTM block with parts taken out.

    Args:
        gates: the gates there are, in the order of the rows; a gate that is missing is 1 (a missing i of CIFG, 1 − f).
        peepholes: whether gates see c.
        coupled: whether i = 1 − f.
        input_activation, output_activation: whether there is a tanh.
        full: whether gates see the gates of the step before.
    """

    gates: str = "ifgo"
    peepholes: bool = True
    coupled: bool = False
    input_activation: bool = True
    output_activation: bool = True
    full: bool = False

    def gate(self, w, name, x, s, c, j):
        if name not in self.gates:
            return 1.0
        z = w.z(name, x, s["h"])[j]
        if self.peepholes:
            z += w[f"p_{name}"][j] * c[j]
        if self.full:
            z += sum(w.product(f"r_{other}{name}", s[other])[j] for other in "ifo")
        return sigma(z)

    def __call__(self, w, x, s):
        new = {name: [0.0] * UNITS for name in "hcifo"}
        for j in range(UNITS):
            z = w.z("g", x, s["h"])[j]
            g = tanh(z) if self.input_activation else z
            f = self.gate(w, "f", x, s, s["c"], j)
            i = 1 - f if self.coupled else self.gate(w, "i", x, s, s["c"], j)
            new["c"][j] = f * s["c"][j] + i * g
            o = self.gate(w, "o", x, s, new["c"], j)
            new["h"][j] = o * (tanh(new["c"][j]) if self.output_activation else new["c"][j])
            new["i"][j], new["f"][j], new["o"][j] = i, f, o
        return new


VARIANTS = {
    "peephole_lstm": Vanilla(),
    "greff_nig": Vanilla(gates="fgo"),
    "greff_nfg": Vanilla(gates="igo"),
    "greff_nog": Vanilla(gates="ifg"),
    "greff_niaf": Vanilla(input_activation=False),
    "greff_noaf": Vanilla(output_activation=False),
    "greff_np": Vanilla(peepholes=False),
    "greff_cifg": Vanilla(gates="fgo", coupled=True),
    "greff_fgr": Vanilla(full=True),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_equations(name):
    variant = VARIANTS[name]
    check_equations(name, variant.gates, variant, "hcifo" if variant.full else "hc")


def test_all_eight_variants_are_there():
    assert set(VARIANTS) - {"peephole_lstm"} == set(zoo.list_cells("greff_*"))
    assert len(zoo.list_cells("greff_*")) == 8


def test_no_peepholes_is_torchs_lstm_by_torchs_kernel():
    module = zoo.Recurrent("greff_np", 3, 4, 2, engine="aten", dtype=torch.float64)
    plain = torch.nn.LSTM(3, 4, 2, dtype=torch.float64)
    plain.load_state_dict(module.state_dict())
    x = torch.randn(7, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(module(x), plain(x), rtol=0, atol=0)


def test_cifg_of_the_paper_learns_the_input_gate_which_is_the_same_cell():
    """The paper's f = 1 − i with i = σ(a): torch's equations with a for i, −a for f, and the peephole likewise."""
    torch.manual_seed(0)
    module = random_module("greff_cifg")
    full = random_module("peephole_lstm")
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.startswith("p_"):
                continue
            f, g, o = parameter.chunk(3)
            getattr(full, name).copy_(torch.cat([-f, f, g, o]))
        full.p_i_l0.copy_(-module.p_f_l0)
        full.p_f_l0.copy_(module.p_f_l0)
        full.p_o_l0.copy_(module.p_o_l0)
    x = torch.randn(7, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(module(x), full(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "held"),
    [("greff_nig", {"i": 1.0}), ("greff_nfg", {"f": 1.0}), ("greff_nog", {"o": 1.0})],
)
def test_taking_a_gate_out_is_holding_it_at_one(name, held):
    torch.manual_seed(0)
    module, full = random_module(name), random_module("peephole_lstm")
    kept = [k for k in "ifgo" if k not in held]
    with torch.no_grad():
        for own, parameter in module.named_parameters():
            if own.startswith("p_"):
                getattr(full, own).copy_(parameter)
                continue
            for gate, block in zip(kept, parameter.chunk(3), strict=True):
                getattr(full, own)["ifgo".index(gate) * UNITS :][:UNITS].copy_(block)
    x = torch.randn(7, 2, 3, dtype=torch.float64)
    with zoo.clamp(full, **held):
        torch.testing.assert_close(module(x), full(x), rtol=1e-12, atol=1e-12)


def test_gate_recurrence_has_nine_matrices_and_without_them_is_the_vanilla_lstm():
    torch.manual_seed(0)
    module, full = random_module("greff_fgr"), random_module("peephole_lstm")
    added = [name for name, _ in module.named_parameters() if name.startswith("r_")]
    assert len(added) == 9
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.zero_() if name in added else parameter.copy_(full.get_parameter(name))
    x = torch.randn(7, 2, 3, dtype=torch.float64)
    output, (h, c, *_) = module(x)
    torch.testing.assert_close((output, (h, c)), full(x), rtol=1e-12, atol=1e-12)
