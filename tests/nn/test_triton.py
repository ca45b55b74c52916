"""The GPU engine's kernels, run by Triton's interpreter on the CPU, give what the loop gives."""

from __future__ import annotations

import copy
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.utils.checkpoint
from engine_cases import CASES, assert_case_agrees, assert_engines_agree
from every_cell import NATIVE, assert_same, close_to, first_state, network, on_engines, run, sequences
from test_gradients import arguments, function_of
from torch.autograd import gradcheck, gradgradcheck

import lstmzoo.nn as zoo
from lstmzoo.nn import engines
from lstmzoo.nn.engines import gpu, operator
from lstmzoo.nn.engines.gpu import graphs, library, trial
from lstmzoo.nn.engines.gpu.library import TritonLibrary
from lstmzoo.nn.engines.native import operations

pytest.importorskip("triton")
QUICK = ("lstm", "layer_norm_lstm")


@pytest.fixture
def trusted(monkeypatch):
    """Kernels are not tried out before: the test does that itself."""
    monkeypatch.setattr(trial, "failure", lambda *_: None)


@pytest.fixture(params=["all steps in one kernel", "step by step"])
def route(request, monkeypatch, trusted):
    """Both ways to run a layer in float32; each test runs by the one that it is given, and by no other."""
    whole, ran, run_whole = request.param != "step by step", [], TritonLibrary._run_whole
    if not whole:
        monkeypatch.setattr(library, "LARGEST_WHOLE", 0)
    monkeypatch.setattr(TritonLibrary, "_run_whole", lambda *given: ran.append(run_whole(*given)))
    yield
    assert bool(ran) == whole


def first_slow(names):
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", first_slow(NATIVE))
@pytest.mark.usefixtures("trusted")
def test_every_cell(name):
    module = network(name)
    x = sequences(module, 3, 2)
    assert_engines_agree(module, x, first_state(module, x), "triton", return_states=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", NATIVE)
@pytest.mark.usefixtures("route")
def test_directions_lengths_and_all_states(name):
    module = network(name, bidirectional=True, dtype=torch.float32)
    x = sequences(module, 3, 2)
    assert_engines_agree(module, x, first_state(module, x), "triton", lengths=[1, 3], return_states=True)


@pytest.mark.slow
@pytest.mark.parametrize(("title", "name"), [(title, case.cells[-1]) for title, case in CASES.items()])
@pytest.mark.usefixtures("route")
def test_options(title, name):
    assert_case_agrees(title, name, 0, "triton")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gru", "peephole_lstm", "layer_norm_lstm"])
@pytest.mark.usefixtures("trusted")
def test_convolutions(name):
    module = network(name, 2, 3, kernel=3, bidirectional=True, dtype=torch.float32)
    x = sequences(module, 3, 2, (3, 2))
    assert_engines_agree(module, x, first_state(module, x), "triton", lengths=[3, 1], return_states=True)


@pytest.mark.parametrize("name", first_slow(["lstm", "layer_norm_lstm", "mogrifier_lstm", "gru_reset_before"]))
@pytest.mark.parametrize(("steps", "batch"), [(1, 17), (3, 1)])
@pytest.mark.usefixtures("route")
def test_sizes_that_fill_no_tile_or_several(name, steps, batch):
    assert_a_size_agrees(name, 37, steps, batch)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm", "layer_norm_lstm", "mogrifier_lstm"])
@pytest.mark.usefixtures("trusted")
def test_more_units_than_a_block(name):
    assert_a_size_agrees(name, 1100, 2, 1)


def assert_a_size_agrees(name, units, steps, batch):
    module = network(name, 3, units, dtype=torch.float32)
    with torch.no_grad():
        for weight in module.parameters():
            weight.mul_(units**-0.5)
    x = sequences(module, steps, batch)
    assert_engines_agree(module, x, first_state(module, x), "triton")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gru", "sru"])
@pytest.mark.usefixtures("trusted")
def test_first_and_second_derivatives(name):
    module = network(name, 2, 2, engine="triton")
    inputs = arguments(module, sequences(module, steps=2, batch=2))
    assert gradcheck(function_of(module), inputs, fast_mode=True)
    assert gradgradcheck(function_of(module), inputs, fast_mode=True)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_compiled_training_runs_it_as_one_operator(dtype, monkeypatch):
    """torch.compile on a GPU; here the kernels are those of the interpreter."""
    monkeypatch.setitem(operator.COMPILERS, "cpu", gpu)
    module = network("peephole_lstm", 3, 4, bidirectional=True, dtype=dtype)
    seen, compiled = compiled_with_its_graph(module)
    near = 1e-4 if dtype == torch.float32 else 5e-2
    for lengths in ([1, 6], [7, 5, 2]):
        x = sequences(module, max(lengths), len(lengths))
        found, expected = (trained(run, module, x, torch.tensor(lengths)) for run in (compiled, module))
        for f, e in zip(found, expected, strict=True):
            torch.testing.assert_close(f, e, rtol=near, atol=near)
    assert sum("lstmzoo.sequence" in target for target in seen) == 2, seen


@pytest.mark.slow
def test_what_does_not_hold_on_a_device_is_compiled_as_a_scan(monkeypatch):
    monkeypatch.setitem(operator.COMPILERS, "cpu", gpu)
    monkeypatch.setattr(trial, "failure", lambda *_: "it is off by a mile")
    module = network("peephole_lstm", 3, 4, dtype=torch.float32)
    seen, compiled = compiled_with_its_graph(module)
    x = sequences(module, 3, 2)
    for f, e in zip(trained(compiled, module, x), trained(module, module, x), strict=True):
        torch.testing.assert_close(f, e, rtol=1e-4, atol=1e-5)
    assert seen
    assert not any("lstmzoo.sequence" in target for target in seen), seen


def compiled_with_its_graph(module):
    """A module under torch.compile, and what will be called in its graph."""
    torch._dynamo.reset()
    seen = []

    def note(graph, inputs):
        seen.extend(str(node.target) for node in graph.graph.nodes if node.op == "call_function")
        return graph

    return seen, torch.compile(module, fullgraph=True, dynamic=True, backend=note)


def trained(run, module, x, lengths=None):
    """The output, and the weights' gradients."""
    output = run(x, lengths=lengths)[0]
    along = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view(output.shape)
    return [output, *torch.autograd.grad((output * along).sum(), list(module.parameters()))]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.usefixtures("trusted")
def test_half_precision_in_and_out_is_closer_to_float32_than_the_loop_in_half_precision(dtype):
    """The state stays in float32 from step to step."""
    module = network("lstm", 8, 8, dtype=dtype)
    x = sequences(module, 20, 2)
    exact = copy.deepcopy(module).float()
    exact.engine = "reference"
    expected = exact(x.float())[0]
    found, loop = (m(x)[0] for m in on_engines(module, "triton", "reference"))
    assert found.dtype == dtype
    assert (found.float() - expected).abs().max() < (loop.float() - expected).abs().max()
    found.float().square().sum().backward()
    assert all(p.grad.dtype == dtype and p.grad.isfinite().all() for p in module.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["lstm", "rnn_relu", "layer_norm_lstm", "slstm"])
@pytest.mark.usefixtures("route")
def test_nan_and_infinity_go_through_as_in_the_loop(name, value):
    module = network(name, dtype=torch.float32)
    x = sequences(module, 3, 2)
    x[1, 1, 0] = value
    with torch.no_grad():
        found, expected = (m(x) for m in on_engines(module, "triton", "reference"))
    torch.testing.assert_close(found, expected, equal_nan=True, rtol=1e-5, atol=1e-6)
    assert found[0][:, 0].isfinite().all()


@pytest.mark.parametrize(
    ("function", "low"), [("tanh", -20), ("expm1", -20), ("log1p", -0.9), ("softplus", -50), ("log_sigmoid", -50)]
)
@pytest.mark.usefixtures("trusted")
def test_functions_are_exact_near_zero_and_far_from_it(function, low):
    """Each is the step of a cell: h = f(x), whose value and derivative torch's own function gives."""

    class Applied(zoo.Cell):
        gates = {"z": torch.relu}
        state = ("h",)

        def step(self, z, s, gate, p):
            return self.State(h=_functions[function](z.z))

    module = zoo.Recurrent(Applied(), 1, 1, engine="triton", bias=False, dtype=torch.float64)
    torch.nn.init.ones_(module.weight_ih_l0)
    torch.nn.init.zeros_(module.weight_hh_l0)
    x = torch.cat([torch.linspace(low, 20, 7), 10.0 ** -torch.arange(1, 12, 2), -(10.0 ** -torch.arange(1, 12, 2))])
    x = x.double().view(1, -1, 1).requires_grad_()
    y, (expected,) = module(x)[0], (_functions[function](x),)
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-300)
    torch.testing.assert_close(*(torch.autograd.grad(v.sum(), x) for v in (y, expected)), rtol=1e-12, atol=1e-12)


_functions = {
    "tanh": torch.tanh,
    "expm1": torch.expm1,
    "log1p": torch.log1p,
    "softplus": torch.nn.functional.softplus,
    "log_sigmoid": torch.nn.functional.logsigmoid,
}


@pytest.mark.parametrize("wrong", ["m_sigmoid({0})", "m_missing({0})"], ids=["wrong numbers", "no such function"])
def test_a_kernel_that_fails_its_trial_is_not_used(wrong, monkeypatch, caplog):
    """The loop runs in its place, and one warning says so."""
    monkeypatch.setitem(operations.OPERATIONS, "tanh", operations.OPERATIONS["tanh"]._replace(expression=wrong))

    class Mine(zoo.Cell):
        gates = {"z": torch.tanh}
        state = ("h",)

        def step(self, z, s, gate, p):
            return self.State(h=gate.z(z.z))

    module = network(Mine())
    x = sequences(module)
    with caplog.at_level(logging.WARNING):
        found, expected = (run(m, x) for m in on_engines(module, "triton", "reference"))
        run(module, x)
    assert_same(found, expected)
    assert len([r for r in caplog.records if "runs in PyTorch's own operations" in r.getMessage()]) == 1


def test_where_one_kernel_for_all_steps_fails_its_trial_a_layer_runs_step_by_step(monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("so large a kernel can't be started")

    monkeypatch.setattr(TritonLibrary, "_run_whole", fail)

    class Mine(zoo.Cell):
        gates = {"z": torch.tanh}
        state = ("h",)

        def step(self, z, s, gate, p):
            return self.State(h=gate.z(z.z))

    module = network(Mine(), dtype=torch.float32)
    x = sequences(module)
    with caplog.at_level(logging.WARNING):
        found, expected = (run(m, x) for m in on_engines(module, "triton", "reference"))
        run(module, x)
    assert_same(found, expected, **close_to(torch.float32))
    (warning,) = caplog.records
    assert "runs step by step" in warning.getMessage()


@pytest.mark.slow
def test_every_function_compiles_for_gpus_that_are_not_there():
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    script = Path(__file__).with_name("compile_every_function.py")
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 6


def test_a_trial_leaves_random_numbers_alone():
    trial.verdicts.clear()
    module = network("mgu", engine="triton")
    torch.manual_seed(7)
    module(sequences(module))
    drawn = torch.rand(3)
    torch.manual_seed(7)
    assert drawn.equal(torch.rand(3))


class Doubled(zoo.Cell):
    gates = {"z": torch.tanh}
    state = ("h",)

    def step(self, z, s, gate, p):
        return self.State(h=gate.z(2 * z.z))


class Stepping(Doubled):
    """Has no gradient."""

    def step(self, z, s, gate, p):
        return self.State(h=torch.where(z.z > 0, torch.ones_like(z.z), torch.zeros_like(z.z)))


class Rooted(Doubled):
    """Is finite only where its state has been before."""

    def step(self, z, s, gate, p):
        return self.State(h=torch.sqrt(s.h + torch.exp(z.z)))


def checkpointed(module, x):
    return torch.utils.checkpoint.checkpoint(module, x, use_reentrant=False)


@pytest.mark.parametrize(
    ("cell", "options", "call"),
    [
        (Stepping, {}, None),
        (Rooted, {}, None),
        (Doubled, {"checkpoint_steps": 2}, None),
        (Doubled, {"dtype": torch.float64}, checkpointed),
        (Doubled, {"bias": False}, torch.inference_mode()(lambda module, x: module(x))),
        (Doubled, {}, lambda module, x: module(x[:, :0])),
    ],
)
def test_the_first_call_is_tried_out_and_right_however_it_is_made(cell, options, call, caplog):
    trial.verdicts.clear()
    module = zoo.Recurrent(cell(), 3, 4, **options)
    x = torch.randn(3, 2, 3, dtype=options.get("dtype"))
    outputs = []
    for m in on_engines(module, "triton", "reference"):
        outputs.append((call or type(m).__call__)(m, x)[0])
        if outputs[-1].requires_grad:
            outputs[-1].sum().backward()
    torch.testing.assert_close(*outputs)
    assert not caplog.records
    assert [*trial.verdicts.values()] == ([None] if outputs[0].numel() else [])


@pytest.mark.parametrize(
    ("of", "name"),
    [
        (torch.backends.cudnn, "allow_tf32"),
        (torch.backends.cudnn, "benchmark"),
        (torch.backends.cuda.matmul, "allow_tf32"),
    ],
)
def test_a_graph_is_told_apart_by_every_setting_of_a_product(of, name):
    before, found = getattr(of, name), set()
    try:
        for value in (True, False):
            setattr(of, name, value)
            found.add(graphs._modes())
    finally:
        setattr(of, name, before)
    assert len(found) == 2


def test_auto_does_not_take_the_interpreter(monkeypatch):
    calls = []
    monkeypatch.setitem(engines.ENGINES, "triton", SimpleNamespace(prepare=calls.append))
    module = network("mgu", dtype=torch.bfloat16)  # not compiled to C: the loop runs
    module(sequences(module))
    assert not calls
