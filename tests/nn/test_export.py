"""Cells outside of eager PyTorch: torch.export and ONNX with a free time axis, torch.compile as one graph, autocast."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from functorch.compile import make_boxed_func
from torch import Tensor
from torch._dynamo.backends.common import aot_autograd
from torch.export import Dim

import lstmzoo.nn as zoo

pytestmark = pytest.mark.slow

FREE = {0: Dim.DYNAMIC, 1: Dim.DYNAMIC}  # steps and sequences
SIZES = ((6, 3), (11, 2), (1, 4))  # of other runs than the exported one


def as_list(result: object) -> list[Tensor]:
    """All tensors of a module's result."""
    if isinstance(result, Tensor):
        return [result]
    return [tensor for part in result for tensor in as_list(part)]  # type: ignore[attr-defined]


def onnx_session(module: torch.nn.Module, example: tuple[Tensor, ...], shapes: object, path: Path):
    """Export a module to ONNX and load it into onnxruntime."""
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    program = torch.onnx.export(module, example, dynamo=True, dynamic_shapes=shapes, verbose=False)
    program.save(str(path))
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def assert_onnx_equals(session, module: torch.nn.Module, *inputs: Tensor) -> None:
    names = [given.name for given in session.get_inputs()]
    found = session.run(None, {n: t.numpy() for n, t in zip(names, inputs, strict=True)})
    with torch.no_grad():
        expected = as_list(module(*inputs))
    assert len(found) == len(expected)
    for f, e in zip(found, expected, strict=True):
        torch.testing.assert_close(torch.from_numpy(f), e, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", zoo.list_cells())
def test_every_cell_goes_to_onnx_with_a_free_time_axis(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = zoo.Recurrent(name, 3, 4).eval()
    session = onnx_session(module, (torch.randn(5, 2, 3),), (FREE,), tmp_path / "cell.onnx")
    for steps, batch in SIZES:
        assert_onnx_equals(session, module, torch.randn(steps, batch, 3))


def test_layers_directions_and_projection_go_to_onnx(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = zoo.LSTM(3, 6, 2, bidirectional=True, proj_size=4, batch_first=True).eval()
    session = onnx_session(module, (torch.randn(2, 5, 3),), (FREE,), tmp_path / "stack.onnx")
    for steps, batch in SIZES:
        assert_onnx_equals(session, module, torch.randn(batch, steps, 3))


def test_a_convolutional_cell_goes_to_onnx(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = zoo.ConvLSTM(2, 3, 3).eval()
    session = onnx_session(module, (torch.randn(5, 2, 2, 6, 7),), (FREE,), tmp_path / "conv.onnx")
    assert_onnx_equals(session, module, torch.randn(8, 3, 2, 6, 7))


class WithLengths(torch.nn.Module):
    """A module whose lengths and first state are inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.core = zoo.Recurrent("peephole_lstm", 3, 4, bidirectional=True)

    def forward(self, x: Tensor, h: Tensor, c: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        output, (h, c) = self.core(x, (h, c), lengths=lengths)
        return output, h, c


def test_lengths_and_states_are_inputs_of_an_export() -> None:
    torch.manual_seed(0)
    module = WithLengths()

    def inputs(steps: int, batch: int) -> tuple[Tensor, ...]:
        lengths = torch.randint(1, steps + 1, (batch,))
        return torch.randn(steps, batch, 3), torch.randn(2, batch, 4), torch.randn(2, batch, 4), lengths

    steps, batch = Dim.DYNAMIC, Dim.DYNAMIC
    shapes = ({0: steps, 1: batch}, {1: batch}, {1: batch}, {0: batch})
    exported = torch.export.export(module, inputs(5, 2), dynamic_shapes=shapes).module()
    for size in SIZES:
        given = inputs(*size)
        for f, e in zip(exported(*given), module(*given), strict=True):
            torch.testing.assert_close(f, e, rtol=1e-5, atol=1e-6)


COMPILED = [
    "lstm",
    "gru",
    "rnn_tanh",
    "peephole_lstm",
    "layer_norm_lstm",
    "mogrifier_lstm",
    "slstm",
    "mlstm",
    "minlstm",
]


@pytest.mark.parametrize("name", COMPILED)
def test_compiles_as_one_graph_for_any_number_of_steps(name: str) -> None:
    torch.manual_seed(0)
    torch._dynamo.reset()
    module = zoo.Recurrent(name, 3, 4, 2, bidirectional=True)
    graphs = 0

    def counting(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        nonlocal graphs
        graphs += 1
        return make_boxed_func(graph)

    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend=aot_autograd(fw_compiler=counting))
    for steps in (4, 7, 9):
        x = torch.randn(steps, 3, 3)
        results = []
        for run in (compiled, module):
            output = as_list(run(x))
            loss = sum((o * torch.linspace(-1, 1, o.numel()).view(o.shape)).sum() for o in output)
            results.append([*output, *torch.autograd.grad(loss, list(module.parameters()))])
        for f, e in zip(*results, strict=True):
            torch.testing.assert_close(f, e, rtol=1e-4, atol=1e-5)
        if steps == 4:
            first = graphs
    assert graphs == first, "a new number of steps was compiled anew"


def test_compiled_training_runs_the_native_operator() -> None:
    torch._dynamo.reset()
    seen: list[str] = []

    def note(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> torch.fx.GraphModule:
        seen.extend(str(node.target) for node in graph.graph.nodes if node.op == "call_function")
        return graph

    module = zoo.Recurrent("peephole_lstm", 3, 4)
    if not _native_works():
        pytest.skip("there is no C compiler here")
    torch.compile(module, fullgraph=True, backend=note)(torch.randn(5, 2, 3))
    assert any("lstmzoo.sequence" in target for target in seen), seen


def test_a_compiled_graph_names_its_plan_by_content() -> None:
    """torch keeps compiled graphs on the disk: in another process, the name must not stand for something else."""
    if not _native_works():
        pytest.skip("there is no C compiler here")
    found: dict[str, list[str]] = {"peephole_lstm": [], "cifg_lstm": []}
    for name in ("peephole_lstm", "cifg_lstm", "cifg_lstm", "peephole_lstm"):  # whatever was compiled before
        torch._dynamo.reset()

        def note(graph: torch.fx.GraphModule, inputs: list[Tensor], name: str = name) -> torch.fx.GraphModule:
            found[name] += [n.args[1] for n in graph.graph.nodes if "lstmzoo.sequence" in str(n.target)]
            return graph

        torch.compile(zoo.Recurrent(name, 3, 4), fullgraph=True, backend=note)(torch.randn(5, 2, 3))
    assert all(len(plans) == 2 and plans[0] == plans[1] for plans in found.values()), found
    assert found["peephole_lstm"] != found["cifg_lstm"]


def _native_works() -> bool:
    try:
        zoo.Recurrent("peephole_lstm", 3, 4, engine="native")(torch.randn(5, 2, 3))
    except ValueError:
        return False
    return True


class OutputOf(torch.nn.Module):
    """The output of a recurrent module alone."""

    def __init__(self, core: torch.nn.Module) -> None:
        super().__init__()
        self.core = core

    def forward(self, x: Tensor) -> Tensor:
        return self.core(x)[0]


@pytest.mark.parametrize("core", [zoo.LSTM(3, 6), zoo.LSTM(3, 64), zoo.GRU(3, 64), zoo.ConvLSTM(3, 4, 3)], ids=repr)
def test_no_ceiling_on_steps_or_sequences_is_exported(core: torch.nn.Module) -> None:
    """Gradients are on, so that the choice of an engine might look at sizes."""
    module = OutputOf(core)
    image = (4, 5) if isinstance(core, zoo.ConvRecurrent) else ()
    exported = torch.export.export(module, (torch.randn(5, 2, 3, *image),), dynamic_shapes=(FREE,))
    for steps, batch in ((4, 400), (300, 1)):
        x = torch.randn(steps, batch, 3, *image)
        torch.testing.assert_close(exported.module()(x), module(x), rtol=1e-4, atol=1e-5)


def test_weights_that_are_ordinary_tensors_may_have_any_size() -> None:
    """As in `torch.func.functional_call`, whose weights the compiler does not know to be parameters."""
    torch._dynamo.reset()

    def run(module: torch.nn.Module, weights: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.func.functional_call(module, weights, (x,))[0]

    compiled = torch.compile(run, fullgraph=True, dynamic=True, backend="eager")
    for units in (4, 6):
        module, x = zoo.Recurrent("peephole_lstm", 3, units), torch.randn(5, 2, 3)
        weights = {name: torch.randn(p.shape) for name, p in module.named_parameters()}
        torch.testing.assert_close(compiled(module, weights, x), run(module, weights, x))


def test_second_derivatives_of_a_compiled_layer_are_refused() -> None:
    if not _native_works():
        pytest.skip("there is no C compiler here")
    torch._dynamo.reset()
    compiled = torch.compile(zoo.Recurrent("peephole_lstm", 3, 4), fullgraph=True, backend="eager")
    x = torch.randn(5, 2, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(compiled(x)[0].square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match=r"torch\.compile"):
        gradient.square().sum().backward()


def test_a_setting_that_changes_is_compiled_anew() -> None:
    torch._dynamo.reset()
    module, x = zoo.Recurrent("janet", 3, 4), torch.randn(5, 2, 3)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    for beta in (1.0, 3.0, -2.0):
        module.cell.beta = beta
        torch.testing.assert_close(compiled(x)[0], module(x)[0])
