"""Every registered model, with every input and readout: what a user of the zoo may rely on."""

import copy
import inspect
import io
import pickle
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import lstmzoo
from lstmzoo.actions.models.readout import READOUTS
from lstmzoo.errors import LstmzooError
from lstmzoo.models.frame_input import INPUTS, FrameInput
from lstmzoo.models.state import detach
from lstmzoo.registry import models

SMALL = {"num_classes": 5, "hidden_size": 8, "feature_size": 12, "dropout": 0.0}


def arguments_of(name: str) -> list[str]:
    return list(inspect.signature(models.get(name).target).parameters)


def variants() -> list[dict]:
    """Every model × input × readout, where it has them."""
    found = []
    for name in lstmzoo.list_models("action_*"):
        inputs = [{"input": input} for input in INPUTS] if "input" in arguments_of(name) else [{}]
        readouts = [{"readout": readout} for readout in READOUTS] if "readout" in arguments_of(name) else [{}]
        found += [{"name": name} | input | readout for input in inputs for readout in readouts]
    return found


each_variant = pytest.mark.parametrize("variant", variants(), ids=lambda v: "-".join(v.values()))
each_model = pytest.mark.parametrize("name", lstmzoo.list_models("action_*"))


def make(name: str, seed: int = 0, **overrides) -> nn.Module:
    """A small model, as far as it has sizes of these names."""
    torch.manual_seed(seed)
    small = {key: size for key, size in SMALL.items() if key in arguments_of(name)}
    return lstmzoo.create_model(name, **small | overrides)


def clip(batch: int = 2, frames: int = 4, channels: int = 1, height: int = 32, width: int = 32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(batch + frames)
    shape = (batch, frames, channels, height, width)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def nested_tensors(state) -> list[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        return [state]
    values = state.values() if isinstance(state, dict) else state if isinstance(state, tuple) else ()
    return [tensor for value in values for tensor in nested_tensors(value)]


# Every variant


@each_variant
def test_shapes_and_a_finite_gradient_for_every_parameter(variant):
    model = make(**variant)
    video = clip()
    assert model(video).shape == (2, 5)
    logits, _ = model.supervised_logits(video)
    assert logits.shape == (2, 4 if variant["name"] == "action_framewise" else 1, 5)
    nn.functional.cross_entropy(logits.flatten(0, 1), torch.arange(len(logits.flatten(0, 1))) % 5).backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.any(), key


@each_variant
def test_frame_by_frame_and_chunk_by_chunk_equal_the_whole_clip(variant):
    model = make(**variant).eval()
    video = clip(frames=7)
    with torch.no_grad():
        logits, _ = model.forward_frames(video)
        state, steps = None, []
        for frame in video.unbind(1):
            step, state = model.step(frame, state)
            steps.append(step)
        state, chunks = None, []
        for chunk in video.split([3, 1, 2, 1], dim=1):
            part, state = model.forward_frames(chunk, state)
            chunks.append(part)
        whole = model(video)
    torch.testing.assert_close(torch.stack(steps, dim=1), logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.cat(chunks, dim=1), logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(whole, logits[:, -1], atol=1e-5, rtol=0)


@each_variant
def test_logits_after_a_frame_do_not_depend_on_later_frames(variant):
    model = make(**variant).eval()
    video = clip(frames=6)
    changed = torch.cat([video[:, :3], 255 - video[:, 3:]], dim=1)
    torch.testing.assert_close(model.forward_frames(video)[0][:, :3], model.forward_frames(changed)[0][:, :3])


@each_variant
def test_a_clip_gets_the_same_answer_in_any_batch(variant):
    model = make(**variant).eval()
    video = clip(batch=3)
    alone = torch.cat([model(video[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(model(video), alone, atol=1e-5, rtol=0)


@each_variant
def test_supervised_logits_carry_their_state_over_chunks(variant):
    model = make(**variant).eval()
    video = clip(frames=6)
    whole, _ = model.supervised_logits(video)
    first, state = model.supervised_logits(video[:, :4])
    second, _ = model.supervised_logits(video[:, 4:], model.detach_state(state))
    chunks = torch.cat([first, second], dim=1)
    torch.testing.assert_close(chunks[:, -whole.shape[1] :], whole, atol=1e-5, rtol=0)


@each_variant
def test_detached_state_holds_the_same_values_without_a_graph(variant):
    model = make(**variant)
    _, state = model.forward_frames(clip())
    before, after = nested_tensors(state), nested_tensors(model.detach_state(state))
    assert len(before) == len(after) > 0
    for a, b in zip(before, after, strict=True):
        assert torch.equal(a, b)
        assert not b.requires_grad
    assert detach(None) is None


# Every model


@each_model
def test_state_dict_round_trip(name):
    model, other = make(name), make(name, seed=1)
    video = clip()
    assert not torch.equal(model(video), other(video))
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(model(video), other(video))


@each_model
def test_deepcopy_and_pickle_give_the_same_model(name):
    model, video = make(name), clip()
    for same in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(same(video), model(video))
        assert same.model_args == model.model_args


@each_model
@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 47), (61, 35), (120, 160)])
def test_any_size_from_32_up(name, height, width):
    assert make(name)(clip(batch=1, frames=2, height=height, width=width)).shape == (1, 5)


@each_model
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("input", INPUTS)
def test_uint8_and_float_videos_are_the_same_video(name, input, channels):
    model = make(name, input=input)
    video = clip(channels=channels)
    torch.testing.assert_close(model(video), model(video.float() / 255), atol=1e-5, rtol=0)


@each_model
@pytest.mark.parametrize(
    ("video", "message"),
    [
        (torch.zeros(2, 1, 64, 64), r"\(2, 1, 64, 64\)"),
        (torch.zeros(2, 4, 64, 64, 1), r"\(2, 4, 64, 64, 1\)"),
        (torch.zeros(2, 4, 2, 64, 64), r"\(2, 4, 2, 64, 64\)"),
        (torch.zeros(2, 0, 1, 64, 64), r"empty video.*\(2, 0, 1, 64, 64\)"),
        (torch.zeros(2, 4, 1, 64, 31), r"at least 32 x 32.*31\)"),
        (torch.zeros(2, 4, 1, 64, 64, dtype=torch.int64), "int64"),
    ],
)
def test_wrong_videos_get_a_message_that_names_the_shape(name, video, message):
    if "encoder" not in arguments_of(name) and "32 x 32" in message:
        pytest.skip("its encoder takes any size")
    with pytest.raises(ValueError, match=message):
        make(name)(video)


@each_model
def test_double_precision_takes_uint8(name):
    assert make(name).double()(clip()).dtype == torch.float64


def test_the_lstm_and_its_baselines_are_of_one_size():
    sizes = [
        sum(p.numel() for p in lstmzoo.create_model(name).parameters())
        for name in ("action_rnn", "action_framewise", "action_meanpool")
    ]
    assert max(sizes) / min(sizes) < 1.01


# What the models are for


@pytest.mark.parametrize("name", ["action_framewise", "action_meanpool"])
def test_the_baselines_are_blind_to_order_and_the_lstm_is_not(name):
    video = clip(frames=6)
    shuffled = video[:, [3, 0, 5, 1, 4, 2]]
    baseline, rnn = make(name).eval(), make("action_rnn").eval()
    torch.testing.assert_close(baseline(video), baseline(shuffled), atol=1e-5, rtol=0)
    assert (rnn(video) - rnn(shuffled)).abs().max() > 1e-4


def test_framewise_frames_are_answered_alone():
    model = make("action_framewise").eval()
    video, order = clip(frames=6), [3, 0, 5, 1, 4, 2]
    logits, _ = model.supervised_logits(video)
    shuffled, _ = model.supervised_logits(video[:, order])
    torch.testing.assert_close(shuffled, logits[:, order], atol=1e-5, rtol=0)
    expected = torch.stack([logits[:, t].log_softmax(1) for t in range(6)]).mean(0)
    torch.testing.assert_close(model(video), expected)


def test_the_lstm_carries_what_only_the_first_frame_showed():
    model = make("action_rnn").eval()
    video = clip(frames=8)
    changed = torch.cat([255 - video[:, :1], video[:, 1:]], dim=1)
    assert (model(video) - model(changed)).abs().max() > 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("cell", lstmzoo.nn.list_cells())
def test_any_cell_by_name_and_forget_bias_only_where_there_is_a_forget_gate(cell):
    model = make("action_rnn", cell=cell, num_layers=2, dropout=0.5)
    assert model(clip()).shape == (2, 5)
    if cell == "lstm":
        rnn = model.rnn
        bias = rnn.bias_ih_l0 + rnn.bias_hh_l0
        torch.testing.assert_close(bias[8:16], torch.ones(8))
        plain = make("action_rnn", forget_bias=None).rnn
        assert not torch.allclose(plain.bias_ih_l0[8:16] + plain.bias_hh_l0[8:16], torch.ones(8))


def test_dropout_acts_in_training_only():
    model, video = make("action_rnn", dropout=0.5), clip()
    assert not torch.equal(model(video), model(video))
    model.eval()
    assert torch.equal(model(video), model(video))


def test_tracing_finds_the_gates_of_a_whole_model():
    model = make("action_rnn").eval()
    with lstmzoo.nn.trace(model) as trace:
        model(clip(frames=4))
    assert trace.gates["f"][0].shape == (4, 2, 8)


# The input


@settings(max_examples=20, deadline=None)
@given(chunks=st.lists(st.integers(1, 3), min_size=1, max_size=4), input=st.sampled_from(sorted(INPUTS)))
def test_input_streams(chunks, input):
    frame_input, video = FrameInput(input), clip(frames=sum(chunks), channels=3)
    whole, _ = frame_input(video)
    previous, parts = None, []
    for chunk in video.split(chunks, dim=1):
        part, previous = frame_input(chunk, previous)
        parts.append(part)
    assert torch.equal(torch.cat(parts, dim=1), whole)
    assert whole.shape[2] == frame_input.channels


def test_input_values():
    video = torch.tensor([[0, 255], [51, 204]], dtype=torch.uint8).view(1, 2, 1, 1, 2)
    grey, _ = FrameInput("grey")(video)
    torch.testing.assert_close(grey.flatten(), torch.tensor([-2.0, 2.0, -1.2, 1.2]))
    both, last = FrameInput("grey+difference")(video)
    torch.testing.assert_close(both[0, :, 0].flatten(), grey.flatten())
    torch.testing.assert_close(both[0, :, 1].flatten(), torch.tensor([0.0, 0.0, 0.8, -0.8]))
    assert torch.equal(last, grey[:, -1])
    rgb, _ = FrameInput("rgb")(video)
    assert rgb.shape == (1, 2, 3, 1, 2)
    torch.testing.assert_close(rgb[0, 0, 1, 0], torch.tensor([-0.456 / 0.224, 0.544 / 0.224]))
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 1, 3, 1, 1)
    torch.testing.assert_close(FrameInput("grey")(red)[0].item(), (0.299 - 0.5) / 0.25)


# Encoders


# The registry


def test_list_models_is_sorted_and_filters():
    assert {"action_framewise", "action_meanpool", "action_rnn"} <= set(lstmzoo.list_models("action_*"))
    assert lstmzoo.list_models() == sorted(lstmzoo.list_models())
    assert lstmzoo.list_models("no such *") == []


def test_models_remember_name_and_all_arguments():
    model = lstmzoo.create_model("action_rnn", hidden_size=8)
    assert model.model_name == "action_rnn"
    assert model.model_args["hidden_size"] == 8
    assert model.model_args["readout"] == "linear"


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("action_rn", {}, r"'action_rn'.*'action_rnn'"),
        ("action_rnn", {"hiden_size": 3}, "'hiden_size'.*'hidden_size'.*num_classes"),
        ("action_rnn", {"cell": "lstn"}, r"'lstn'.*'lstm'"),
        ("action_rnn", {"cell": nn.LSTM}, "cell=.*LSTM.*register"),
        ("action_rnn", {"input": "gray"}, r"'gray'.*'grey'"),
        ("action_rnn", {"readout": "lat"}, r"'lat'.*'last'"),
        ("action_rnn", {"encoder": "resnet19"}, r"'resnet19'.*'resnet"),
        ("action_rnn", {"num_classes": 0}, "num_classes.* 1"),
        ("action_rnn", {"pretrained": True}, "'action_rnn'.*True.*kth_sim_lstm"),
    ],
)
def test_wrong_requests_get_one_clear_message(name, arguments, message):
    with pytest.raises(LstmzooError, match=message):
        lstmzoo.create_model(name, **arguments)


def test_registering(monkeypatch):
    monkeypatch.setattr(models, "entries", dict(models.entries))

    @lstmzoo.register_model("mine")
    def mine(num_classes: int, width: int = 2) -> nn.Module:
        return nn.Linear(width, num_classes)

    assert lstmzoo.create_model("mine", num_classes=3).model_args == {"num_classes": 3, "width": 2}
    with pytest.raises(LstmzooError, match=r"'mine'.*num_classes"):
        lstmzoo.create_model("mine")
    with pytest.raises(LstmzooError, match=r"'mine'.*registered"):
        lstmzoo.register_model("mine")(mine)


def test_package_names():
    assert set(lstmzoo.__all__) <= set(dir(lstmzoo))
    for name in lstmzoo.__all__:
        assert getattr(lstmzoo, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = lstmzoo.nonsense


@pytest.mark.parametrize(
    "wrong",
    [
        {"hidden_size": 0},
        {"hidden_size": 12.5},
        {"num_layers": 0},
        {"dropout": 2},
        {"feature_size": -1},
        {"num_classes": "6"},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", lstmzoo.list_models("action_*"))
def test_impossible_arguments_get_one_message(name: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(LstmzooError, match=next(iter(wrong))):
        lstmzoo.create_model(name, **wrong)
