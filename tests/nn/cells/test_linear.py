"""Cells with a parallel form: their equations, and the form for all steps at once against one step after the other."""

from __future__ import annotations

from math import exp, sqrt

import pytest
import torch
from scalar_oracle import INPUTS, UNITS, check_equations, parameters_of, random_module, sigma
from torch.nn.functional import logsigmoid

import lstmzoo.nn as zoo
from lstmzoo.nn import matrix_memory
from lstmzoo.nn.cells.linear import MLSTM, MinGRU

CELLS = ["mingru", "minlstm", MLSTM(1), MLSTM(2)]


def min_gru(w, x, s):
    z, n = [sigma(v) for v in w.of_x("z", x)], w.of_x("n", x)
    return {"h": [(1 - z[j]) * s["h"][j] + z[j] * n[j] for j in range(UNITS)]}


def min_lstm(w, x, s):
    f, i = ([sigma(v) for v in w.of_x(k, x)] for k in "fi")
    n = w.of_x("n", x)
    return {"h": [(f[j] * s["h"][j] + i[j] * n[j]) / (f[j] + i[j]) for j in range(UNITS)]}


def test_equations():
    check_equations("mingru", "zn", min_gru, ["h"])
    check_equations("minlstm", "fin", min_lstm, ["h"])


def test_minlstm_with_both_gates_shut_keeps_nothing_and_adds_nothing():
    module = zoo.Recurrent("minlstm", 3, 4)
    with zoo.clamp(module, f=0.0, i=0.0):
        assert module(torch.randn(5, 2, 3), torch.randn(1, 2, 4))[0].eq(0).all()


def matrix_memory_by_hand(module, x, heads):
    """xLSTM, section 2.3, not stabilised: numbers one by one, one head after the other."""
    w = parameters_of(module)
    d = UNITS // heads
    names = [*(f"{k}{j}" for k in "qkv" for j in range(UNITS)), *(f"{k}{j}" for k in "if" for j in range(heads))]
    names += [f"o{j}" for j in range(UNITS)]
    C = [[[0.0] * d for _ in range(d)] for _ in range(heads)]
    n = [[0.0] * d for _ in range(heads)]
    outputs = []
    for x_t in x.tolist():
        of_x = [sum(a * b for a, b in zip(row, x_t, strict=True)) for row in w["weight_ih"]]
        z = dict(zip(names, [a + b for a, b in zip(of_x, w["bias_ih"], strict=True)], strict=True))
        h = []
        for head in range(heads):
            units = range(head * d, head * d + d)
            q, k, v = [z[f"q{j}"] for j in units], [z[f"k{j}"] / sqrt(d) for j in units], [z[f"v{j}"] for j in units]
            i, f = exp(z[f"i{head}"]), sigma(z[f"f{head}"])
            C[head] = [[f * C[head][a][b] + i * v[a] * k[b] for b in range(d)] for a in range(d)]
            n[head] = [f * n[head][a] + i * k[a] for a in range(d)]
            norm = max(abs(sum(n[head][a] * q[a] for a in range(d))), 1.0)
            read = [sum(C[head][a][b] * q[b] for b in range(d)) for a in range(d)]
            h += [sigma(z[f"o{j}"]) * value / norm for j, value in zip(units, read, strict=True)]
        outputs.append(h)
    return torch.tensor(outputs, dtype=torch.float64)


@pytest.mark.parametrize("engine", ["reference", "parallel"])
@pytest.mark.parametrize("heads", [1, 2, 4])
def test_mlstm_equations(heads, engine):
    torch.manual_seed(0)
    module = random_module(MLSTM(heads), engine=engine)
    x = torch.randn(7, INPUTS, dtype=torch.float64)
    expected = matrix_memory_by_hand(module, x, heads)
    torch.testing.assert_close(module(x)[0], expected, rtol=1e-12, atol=1e-12)


def test_mlstm_equals_the_papers_quadratic_form():
    """Appendix A: D_ab = exp(Σ log f + z_i − max), H = (Q Kᵀ/√d ⊙ D) V / max(|row sums|, exp(−max))."""
    torch.manual_seed(0)
    steps = 100
    module = random_module("mlstm", engine="parallel")
    x = torch.randn(steps, INPUTS, dtype=torch.float64)
    z = x @ module.weight_ih_l0.T + module.bias_ih_l0
    q, k, v, i, f, o = z.split([UNITS] * 3 + [1, 1, UNITS], dim=1)
    total = logsigmoid(f).cumsum(0)
    log_D = (total - total.T + i.T).masked_fill(torch.ones(steps, steps).triu(1).bool(), -torch.inf)
    largest = log_D.max(1, keepdim=True).values
    S = q @ k.T / sqrt(UNITS) * (log_D - largest).exp()
    expected = o.sigmoid() * (S @ v) / torch.maximum(S.sum(1, keepdim=True).abs(), (-largest).exp())
    torch.testing.assert_close(module(x)[0], expected, rtol=1e-10, atol=1e-10)


def both(cell, steps, **call):
    """Outputs, last states and gradients of the parallel form and of the loop."""
    results = []
    for engine in ("parallel", "reference"):
        torch.manual_seed(0)
        module = random_module(cell, scale=0.5, num_layers=2, bidirectional=True, engine=engine)
        x = torch.randn(steps, 3, INPUTS, dtype=torch.float64, requires_grad=True)
        _, state = module(torch.randn(4, 3, INPUTS, dtype=torch.float64))
        output, last = module(x, state, **call)
        loss = output.square().sum() + sum(s.sum() for s in (last if isinstance(last, tuple) else [last]))
        results.append((output, last, torch.autograd.grad(loss, (x, *module.parameters()))))
    return results


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 2, 9, 32, 33, 67])
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_all_steps_at_once_equal_one_after_the_other(cell, steps):
    torch.testing.assert_close(*both(cell, steps), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_sequences_of_several_lengths(cell):
    torch.testing.assert_close(*both(cell, 40, lengths=[40, 1, 17]), rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_second_derivatives(cell, monkeypatch):
    monkeypatch.setattr(matrix_memory, "_CHUNK", 2)
    torch.manual_seed(0)
    module = random_module(cell, engine="parallel")
    names = [name for name, _ in module.named_parameters()]

    def run(x, *weights):
        output, last = torch.func.functional_call(module, dict(zip(names, weights, strict=True)), (x,))
        return output, *(last if isinstance(last, tuple) else (last,))

    x = torch.randn(5, 1, INPUTS, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(run, (x, *module.parameters()))
    assert torch.autograd.gradgradcheck(run, (x, *module.parameters()), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_single_precision_over_2000_steps(cell):
    """As near to double precision as the loop is, whatever the gates; nothing overflows."""
    torch.manual_seed(0)
    exact = random_module(cell, scale=2.0, engine="reference")
    x = torch.randn(2000, 1, INPUTS, dtype=torch.float64)
    expected = exact(x)[0]
    errors = []
    for engine in ("parallel", "reference"):
        module = zoo.Recurrent(cell, INPUTS, UNITS, engine=engine)
        module.load_state_dict(exact.state_dict())
        errors.append((module(x.float())[0] - expected).abs().max() / expected.abs().max())
    assert errors[0] < max(2 * errors[1], 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["parallel", "reference"])
@pytest.mark.parametrize("i", [-3e4, 0.0, 3e4])
@pytest.mark.parametrize("f", [-3e4, 0.0, 3e4])
def test_mlstm_with_extreme_gates_is_finite(i, f, engine):
    torch.manual_seed(0)
    module = zoo.Recurrent("mlstm", INPUTS, UNITS, engine=engine)
    with torch.no_grad():
        module.bias_ih_l0[3 * UNITS] = i
        module.bias_ih_l0[3 * UNITS + 1] = f
    x = torch.randn(50, 2, INPUTS, requires_grad=True)
    output, _ = module(x)
    output.sum().backward()
    assert output.isfinite().all()
    assert all(w.grad.isfinite().all() for w in (x, *module.parameters()))


@pytest.mark.parametrize("engine", ["parallel", "reference"])
def test_mlstm_memory_is_kept_with_f_at_1_and_i_at_0(engine):
    """What is read from it later is what was read at first, with the same query."""
    torch.manual_seed(0)
    module = random_module("mlstm", engine=engine)
    x = torch.randn(3, 1, INPUTS, dtype=torch.float64)
    output, state = module(x)
    with zoo.clamp(module, f=1.0, i=0.0):
        later, _ = module(torch.cat([torch.randn(70, 1, INPUTS, dtype=torch.float64), x[-1:]]), state)
    torch.testing.assert_close(later[-1], output[-1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("cell", ["mingru", "minlstm"])
def test_probes_see_the_same_gates_and_states(cell):
    torch.manual_seed(0)
    module = random_module(cell, bidirectional=True)
    x = torch.randn(9, 2, INPUTS, dtype=torch.float64)
    found = []
    for module.engine in ("parallel", "reference"):
        with zoo.trace(module) as record, zoo.clamp(module, n=0.5):
            module(x)
        found.append((record.gates, record.states))
    torch.testing.assert_close(*found)


def test_what_has_no_parallel_form_is_left_to_other_engines():
    x = torch.randn(4, 2, INPUTS)
    for cell, options in (("lstm", {}), ("mingru", {"zoneout": 0.1}), ("mlstm", {"gates": "binary"})):
        with pytest.raises(ValueError, match="'parallel'"):
            zoo.Recurrent(cell, INPUTS, UNITS, engine="parallel", **options)(x)
    states = zoo.Recurrent("mlstm", INPUTS, UNITS)(x, return_states=True).states
    assert states["C"].shape == (1, 4, 2, 1, UNITS, UNITS)

    class Derived(MinGRU):
        def step(self, z, s, gate, p):
            return self.State(h=gate.n(z.n))

    assert Derived.parallel is None


def test_heads_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match=r"num_heads.*1, got 0"):
        MLSTM(0)
    with pytest.raises(ValueError, match=r"num_heads.*4, got 3"):
        zoo.Recurrent(MLSTM(3), 3, 4)
