"""What foreign code does with torch.nn's modules beside running them: graphs, pickles, base classes."""

from __future__ import annotations

import copy
import io
from abc import ABC
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

import lstmzoo.nn as zoo

NAMES = ["LSTM", "GRU", "RNN"]


class Around(nn.Module):
    """A model with a recurrent module in it."""

    def __init__(self, core: nn.Module) -> None:
        super().__init__()
        self.core = core

    def forward(self, x: Tensor) -> Any:
        return self.core(x)[0] * 2


@pytest.mark.parametrize("name", NAMES)
def test_fx_takes_a_drop_in_for_one_node_as_it_takes_torchs(name: str) -> None:
    """torch.fx knows torch's modules by their package: is_leaf_module in torch/fx/_symbolic_trace.py."""
    found, expected = (torch.fx.symbolic_trace(Around(getattr(package, name)(3, 4))) for package in (zoo, nn))
    assert found.code == expected.code


@pytest.mark.parametrize(
    ("core", "size"),
    [
        (zoo.Recurrent("mgu", 3, 4, batch_first=True, engine="reference"), (2, 5, 3)),
        (zoo.ConvLSTM(3, 4, 3), (5, 2, 3, 4, 4)),
    ],
    ids=repr,
)
def test_an_fx_graph_gives_the_modules_results(core: nn.Module, size: tuple[int, ...]) -> None:
    module, x = Around(core), torch.randn(size)
    assert torch.fx.symbolic_trace(module)(x).equal(module(x))


def test_an_fx_graph_passes_states_and_options_on() -> None:
    class WithState(Around):
        def forward(self, x: Tensor, h: Tensor, c: Tensor) -> Any:
            return self.core(x, (h, c), lengths=[4, 2])[0]

    module = WithState(zoo.LSTM(3, 4, engine="reference"))
    given = torch.randn(4, 2, 3), torch.randn(1, 2, 4), torch.randn(1, 2, 4)
    assert torch.fx.symbolic_trace(module)(*given).equal(module(*given))


def changed(cls: type) -> type:
    """A subclass with a forward of its own, around that of its base."""

    def forward(self: Any, x: Tensor, hx: Any = None) -> Any:
        first, *more = super(subclass, self).forward(x * 2, hx)
        return (first * 3, *more)

    subclass = type(cls.__name__, (cls,), {"forward": forward})
    return subclass


@pytest.mark.parametrize("name", [*NAMES, "ConvLSTM", "Recurrent"])
@pytest.mark.parametrize("around", ["nothing", "subclass", "hooks", "parametrisation", "subclass of a subclass"])
def test_what_lies_around_a_modules_forward_runs_once_in_a_graph(name: str, around: str) -> None:
    cls = getattr(zoo, name)
    for _ in range(around.count("subclass")):
        cls = changed(cls)
    core = {"ConvLSTM": lambda: cls(3, 4, 3), "Recurrent": lambda: cls("mgu", 3, 4)}.get(name, lambda: cls(3, 4))()
    if around == "hooks":
        core.register_forward_pre_hook(lambda module, given: (given[0] * 2,))
        core.register_forward_hook(lambda module, given, output: (output[0] * 3, *output[1:]))
    if around == "parametrisation":
        nn.utils.parametrizations.weight_norm(core, next(iter(dict(core.named_parameters()))))
    module = Around(core)
    x = torch.randn((5, 2, 3, 4, 4) if name == "ConvLSTM" else (5, 2, 3))
    graph = torch.fx.symbolic_trace(module)
    torch.testing.assert_close(graph(x), module(x))
    assert [node.target for node in graph.graph.nodes if node.op == "call_module"] == ["core"]


@pytest.mark.parametrize("cls", [*(getattr(zoo, name) for name in NAMES), changed(zoo.GRU)])
def test_fx_is_told_that_it_cannot_look_inside(cls: type) -> None:
    """As for torch's modules, traced by themselves or through their forward."""

    class Direct(Around):
        def forward(self, x: Tensor) -> Any:
            return self.core.forward(x)[0]

    for module in (cls(3, 4), Direct(cls(3, 4))):
        with pytest.raises(torch.fx.proxy.TraceError, match=cls.__name__):
            torch.fx.symbolic_trace(module)


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_module_in_a_file_names_one_class_as_torchs_does(name: str) -> None:
    """As in pytorch/examples, word_language_model/main.py, which lists the safe globals of its checkpoint."""
    module = getattr(zoo, name)(3, 4, zoneout={"h": 0.1}, engine="reference")
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    assert torch.serialization.get_unsafe_globals_in_checkpoint(file) == [f"{type(module).__module__}.{name}"]
    file.seek(0)
    with torch.serialization.safe_globals([type(module)]):
        loaded = torch.load(file, weights_only=True).eval()
    assert repr(loaded) == repr(module)
    x = torch.randn(5, 2, 3)
    for found, expected in zip(loaded(x), module.eval()(x), strict=True):
        torch.testing.assert_close(found, expected)


def test_cells_with_settings_are_saved_with_them() -> None:
    janet = type(zoo.get_cell("janet"))(beta=2.0)
    for module in (zoo.Recurrent(janet, 3, 4), zoo.LSTM(3, 4, gates="hard"), zoo.ConvGRU(3, 4, 3)):
        file = io.BytesIO()
        torch.save(module, file)
        file.seek(0)
        loaded = torch.load(file, weights_only=False)
        assert repr(loaded) == repr(module)
        assert loaded.cell.gates == module.cell.gates
        assert vars(loaded.cell).keys() == vars(module.cell).keys()


@pytest.mark.slow
@pytest.mark.parametrize(
    "module",
    [zoo.LSTM(3, 4, zoneout={"h": 0.1}), zoo.Recurrent("mgu", 3, 4, weight_drop=0.5), zoo.ConvGRU(3, 4, 3)],
    ids=lambda module: type(module).__name__,
)
def test_whole_modules_that_were_saved_with_their_objects_can_be_read(
    module: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As files had it before cell and regularisation were put down in plain values."""
    file = io.BytesIO()
    with monkeypatch.context() as before:
        before.setattr(zoo.Recurrent, "__getstate__", lambda self: dict(vars(self)))
        torch.save(module, file)
    file.seek(0)
    assert any("Regularisation" in name for name in torch.serialization.get_unsafe_globals_in_checkpoint(file))
    file.seek(0)
    loaded = torch.load(file, weights_only=False).eval()
    assert repr(loaded) == repr(module)
    x = torch.randn((5, 2, 3, 4, 4) if isinstance(module, zoo.ConvRecurrent) else (5, 2, 3))
    torch.testing.assert_close(loaded(x), module.eval()(x))
    copied = copy.deepcopy(loaded)
    torch.testing.assert_close(copied(x), loaded(x))


def test_a_name_in_a_strangers_file_imports_nothing() -> None:
    state = zoo.LSTM(3, 4).__getstate__() | {"cell": "this:Zen"}
    with pytest.raises(ValueError, match="unknown cell 'this:Zen'"):
        zoo.LSTM.__new__(zoo.LSTM).__setstate__(state)


def test_base_classes_take_the_place_of_torchs() -> None:
    """As pytorch-forecasting has it: an abstract class over RNNBase, and networks that are both."""

    class Network(ABC, zoo.RNNBase):
        pass

    class Own(Network, zoo.LSTM):
        pass

    torch.manual_seed(0)
    module, x = Own(3, 4, 2), torch.randn(5, 2, 3)
    assert isinstance(module, zoo.RNNBase)
    theirs = nn.LSTM(3, 4, 2)
    theirs.load_state_dict(module.state_dict())
    torch.testing.assert_close(module(x)[0], theirs(x)[0])


@pytest.mark.parametrize("mode", ["LSTM", "GRU", "RNN_TANH", "RNN_RELU"])
def test_rnn_base_is_made_by_mode(mode: str) -> None:
    options = (3, 4, 2, True, True, 0.0, True)
    ours, theirs = zoo.RNNBase(mode, *options), nn.RNNBase(mode, *options)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 5, 3)
    assert ours.mode == mode
    with torch.no_grad():
        torch.testing.assert_close(ours(x)[0], _run_torchs(theirs, mode, x))


def _run_torchs(module: nn.RNNBase, mode: str, x: Tensor) -> Tensor:
    """torch's base class has a forward for the simple RNN only; the others' are in their own classes."""
    network = {"LSTM": nn.LSTM, "GRU": nn.GRU}.get(mode, nn.RNN)
    options = {"nonlinearity": "relu"} if mode == "RNN_RELU" else {}
    full = network(3, 4, num_layers=2, batch_first=True, bidirectional=True, **options)
    full.load_state_dict(module.state_dict())
    return full(x)[0]


def test_rnn_base_wants_a_mode_that_there_is() -> None:
    with pytest.raises(ValueError, match=r"LSTMS.*: LSTM, GRU, RNN_TANH, RNN_RELU"):
        zoo.RNNBase("LSTMS", 3, 4)


def test_a_packed_sequence_in_an_export_names_the_way_out() -> None:
    class Packing(Around):
        def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
            return self.core(pack_padded_sequence(x, lengths))[0].data

    with pytest.raises(ValueError, match=r"PackedSequence.*lengths"):
        torch.export.export(Packing(zoo.LSTM(3, 4)), (torch.randn(3, 2, 3), torch.tensor([3, 2])))
