"""What recurrent models of all three tasks share: any cell, its bias, export of a step, frames within their range."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import lstmzoo
from lstmzoo.errors import LstmzooError
from lstmzoo.nn import Recurrent, get_cell, init, list_cells

MODULE = """
import torch
from lstmzoo.nn import Cell

class Learning(Cell):
    gates = {"n": torch.tanh}
    state = ("h",)

    def __init__(self):
        self.gain = torch.nn.Parameter(torch.ones(()))

    def step(self, z, s, gate, p):
        return self.State(h=gate.n(z.n) * self.gain)
"""
SMALL: dict[str, dict[str, Any]] = {
    "action_rnn": {"hidden_size": 4, "feature_size": 4},
    "sequence_rnn": {"hidden_size": 4},
    "segment_recurrent": {"decoder_channels": 8, "levels": [16], "dilations": [1, 2]},
    "segment_guided": {"decoder_channels": 8, "levels": [16]},
    **{
        name: {"hidden_size": 4, "embedding_size": 4, "vocab_size": 9, "pretrained_encoder": False, "encoder": "small"}
        for name in lstmzoo.list_models("caption_*")
        if name != "caption_markov"
    },
}


def model(name: str, cell: str, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    return lstmzoo.create_model(name, cell=cell, **SMALL[name], **options)


def layers_of(network: nn.Module) -> list[Recurrent]:
    return [module for module in network.modules() if isinstance(module, Recurrent)]


@pytest.mark.parametrize("cell", ["lstm", "mgu", "mut1", "mingru", "layer_norm_lstm", "rnn_tanh"])
@pytest.mark.parametrize("name", SMALL)
def test_every_model_sets_the_bias_of_the_gate_that_keeps(name: str, cell: str) -> None:
    """Whether that is a forget gate, or an input gate what is not admitted by which is kept."""
    for layer in layers_of(model(name, cell, forget_bias=3.0)):
        found = layer.cell.retention_gate
        assert (found is None) == (cell == "rnn_tanh")
        if found is not None:
            gate, sign = found
            for first, second in init._gate_biases(layer, gate):
                assert (first + second).eq(3.0 * sign).all()


@pytest.mark.parametrize("cell", ["lstm", "mgu", "layer_norm_lstm", "rnn_tanh"])
@pytest.mark.parametrize("name", SMALL)
def test_every_model_starts_with_a_memory_of_the_length_of_its_sequences(name: str, cell: str) -> None:
    """By default from the length, with chrono from that number, whatever the length."""
    for options, longest in (({}, 100), ({"chrono": 9}, 9), ({"forget_bias": "auto", "chrono": 9}, 9)):
        network = model(name, cell, **options)
        init.fit_length_(network, 100)
        for layer in layers_of(network):
            if cell == "rnn_tanh":
                assert layer.cell.retention_gate is None
                continue
            gate, sign = layer.cell.retention_gate or ("", 0)
            for first, second in init._gate_biases(layer, gate):
                spans = (sign * (first + second)).exp()
                assert spans.min() >= 1 - 1e-4
                assert longest / 10 < spans.max() <= longest - 1 + 1e-2


@pytest.mark.parametrize("name", SMALL)
def test_wrong_settings_of_the_memory_are_one_message(name: str) -> None:
    for wrong, said in (
        ({"forget_bias": "autp"}, r"forget_bias='autp' is not a number, auto or null; its default: 'auto'"),
        ({"forget_bias": True}, r"forget_bias=True"),
        ({"forget_bias": float("nan")}, r"forget_bias.* nan"),
        ({"forget_bias": 1, "chrono": 9}, r"forget_bias=1 and chrono=9"),
        ({"chrono": 2}, r"more than 2 steps, got 2"),
        ({"chrono": "long"}, r"chrono='long' is not a whole number or null"),
    ):
        with pytest.raises(LstmzooError, match=said):
            model(name, "lstm", **wrong)


def test_a_bias_for_any_cell() -> None:
    for name in list_cells():
        bias = init.forget_bias_for(get_cell(name), 1.0)
        Recurrent(name, 3, 4, forget_bias=bias)
        if bias is None:
            with pytest.raises(ValueError, match="forget gate"):
                Recurrent(name, 3, 4, forget_bias=1.0)


@pytest.mark.parametrize("name", SMALL)
def test_every_model_takes_a_cell_by_its_place(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it learns by itself, of which every recurrent layer has its own."""
    (tmp_path / f"cells_for_{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    network = model(name, f"cells_for_{name}:Learning")
    gains = {id(p) for k, p in network.named_parameters() if k.endswith("learned.gain")}
    assert len(gains) == len(layers_of(network)) > 0
    with pytest.raises(LstmzooError, match=r"'Learnin'.*'Learning'"):
        model(name, f"cells_for_{name}:Learnin")
    with pytest.raises(LstmzooError, match=r"'lstn'.*'lstm'"):
        model(name, "lstn")


class Stepping(nn.Module):
    """The step of a model, as a module that can be exported."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, *given: Any) -> Any:
        return self.network.step(*given)


def assert_exported_steps_are_the_models(network: Any, first: tuple[Any, ...], again: Any) -> None:
    """Two steps, the second from the state that the first gave."""
    with torch.no_grad():
        exported = torch.export.export(Stepping(network), first).module()
        found, expected = exported(*first), network.step(*first)
        for _ in range(2):
            torch.testing.assert_close(found[0], expected[0], rtol=1e-4, atol=1e-5)
            found, expected = exported(*again(found[1])), network.step(*again(expected[1]))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["caption_nic", "caption_soft_attention"])
def test_the_step_of_a_captioner_is_exported(name: str) -> None:
    network: Any = model(name, "lstm").eval()
    words = torch.tensor([1, 1])
    state = network.start(torch.randn(2, 9, network.encoder.channels))
    assert_exported_steps_are_the_models(network, (state, words), lambda state: (state, words + 3))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["segment_recurrent", "segment_guided"])
def test_the_step_of_a_segmenter_is_exported(name: str) -> None:
    network: Any = model(name, "lstm").eval()
    frame = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        _, state = network.step(frame)
    assert_exported_steps_are_the_models(network, (frame, state), lambda state: (1 - frame, state))


@pytest.mark.parametrize("name", ["action_rnn", "action_framewise", "action_meanpool", "segment_recurrent"])
def test_floating_video_beyond_its_range_is_refused(name: str) -> None:
    network = lstmzoo.create_model(name).eval()
    video = torch.randint(256, (1, 2, 3, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        whole = network(video)
        torch.testing.assert_close(network(video / 255), whole)
        network(video / 255 * 1.02 - 0.01)  # resizing may overshoot
        for wrong in (video.float(), (video / 255).sub(0.5).div(0.25)):
            with pytest.raises(ValueError, match=r"^video: .*0\.\.1"):
                network(wrong)
            with pytest.raises(ValueError, match=r"0\.\.1"):
                network.step(wrong[:, 0])
            with torch.autocast("cpu", torch.bfloat16), pytest.raises(ValueError, match=r"0\.\.1"):
                network(wrong)


@pytest.mark.slow
def test_the_range_is_not_looked_at_in_a_computation_that_is_traced() -> None:
    network = lstmzoo.create_model("action_rnn", **SMALL["action_rnn"]).eval()
    video = torch.rand(1, 3, 1, 32, 32)
    with torch.no_grad():
        expected = network(video)
        exported = torch.export.export(network, (video,)).module()
        torch.testing.assert_close(exported(video), expected)
        exported(255 * video)
        torch.testing.assert_close(torch.compile(network, backend="eager", fullgraph=True)(video), expected)
        torch.testing.assert_close(torch.func.vmap(network)(video[None])[0], expected)
