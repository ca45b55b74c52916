"""The drop-ins against torch's own modules: outputs, gradients, parameters, state_dict, errors."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils import prune
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import lstmzoo.nn as zoo

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
PAIRS = {
    "LSTM": (zoo.LSTM, torch.nn.LSTM),
    "GRU": (zoo.GRU, torch.nn.GRU),
    "RNN": (zoo.RNN, torch.nn.RNN),
}


@st.composite
def settings_of_a_network(draw):
    """Every constructor option of torch.nn's recurrent networks, an input that fits, and a way to give it."""
    kind = draw(st.sampled_from(sorted(PAIRS)))
    hidden = draw(st.integers(1, 7))
    options = {
        "input_size": draw(st.integers(1, 6)),
        "hidden_size": hidden,
        "num_layers": draw(st.integers(1, 3)),
        "bias": draw(st.booleans()),
        "batch_first": draw(st.booleans()),
        "bidirectional": draw(st.booleans()),
        "dtype": draw(st.sampled_from([torch.float32, torch.float64])),
    }
    if kind == "LSTM" and hidden > 1:
        options["proj_size"] = draw(st.integers(0, hidden - 1))
    if kind == "RNN":
        options["nonlinearity"] = draw(st.sampled_from(["tanh", "relu"]))
    return {
        "kind": kind,
        "options": options,
        "steps": draw(st.integers(1, 6)),
        "batch": draw(st.integers(1, 4)),
        "form": draw(st.sampled_from(["batched", "unbatched", "packed", "packed sorted"])),
        "given_state": draw(st.booleans()),
        "engine": draw(st.sampled_from(["auto", "reference"])),
        "seed": draw(st.integers(0, 2**16)),
    }


def random_inputs(case, module):
    """An input and a first state (or None) for a case, as leaves that take gradients."""
    options, steps, batch = case["options"], case["steps"], case["batch"]
    dtype, features = options["dtype"], options["input_size"]
    layers = options["num_layers"] * (2 if options["bidirectional"] else 1)
    sizes = [options.get("proj_size") or options["hidden_size"]]
    sizes += [options["hidden_size"]] if case["kind"] == "LSTM" else []
    single = case["form"] == "unbatched"
    shape = (
        (steps, features)
        if single
        else (batch, steps, features)
        if options["batch_first"]
        else (steps, batch, features)
    )
    x = torch.randn(shape, dtype=dtype, requires_grad=True)
    if not case["given_state"]:
        return x, None
    states = tuple(
        torch.randn((layers, size) if single else (layers, batch, size), dtype=dtype, requires_grad=True)
        for size in sizes
    )
    return x, states if len(states) > 1 else states[0]


def run(module, case, x, hx):
    """Run a module in the case's form; return all outputs as a flat list."""
    sequence = x
    if case["form"].startswith("packed"):
        generator = torch.Generator().manual_seed(case["seed"])
        lengths = torch.randint(1, case["steps"] + 1, (case["batch"],), generator=generator)
        lengths[0] = case["steps"]
        if case["form"] == "packed sorted":
            lengths = lengths.sort(descending=True).values
        sequence = pack_padded_sequence(
            x, lengths, batch_first=case["options"]["batch_first"], enforce_sorted=case["form"] == "packed sorted"
        )
    output, last = module(sequence, hx)
    if isinstance(output, PackedSequence):
        assert output.batch_sizes.equal(sequence.batch_sizes)
        output = output.data
    return [output, *(last if isinstance(last, tuple) else (last,))]


def gradients(outputs, leaves):
    generator = torch.Generator().manual_seed(0)
    loss = sum((o * torch.randn(o.shape, generator=generator, dtype=o.dtype)).sum() for o in outputs)
    return torch.autograd.grad(loss, leaves, allow_unused=True)


@given(settings_of_a_network())
@settings(max_examples=150, deadline=None)
def test_outputs_and_gradients_equal_torch(case):
    ours_class, torch_class = PAIRS[case["kind"]]
    torch.manual_seed(case["seed"])
    theirs = torch_class(**case["options"])
    ours = ours_class(**case["options"], engine=case["engine"])
    ours.load_state_dict(theirs.state_dict())
    x, hx = random_inputs(case, theirs)
    states = [] if hx is None else list(hx) if isinstance(hx, tuple) else [hx]
    results = []
    for module in (theirs, ours):
        outputs = run(module, case, x, hx)
        results.append((outputs, gradients(outputs, [x, *states, *module.parameters()])))
    tolerance = TOLERANCE[case["options"]["dtype"]]
    (expected, expected_gradients), (found, found_gradients) = results
    for e, f in zip([*expected, *expected_gradients], [*found, *found_gradients], strict=True):
        assert f.shape == e.shape
        torch.testing.assert_close(f, e, rtol=tolerance, atol=tolerance)


@given(settings_of_a_network())
@settings(max_examples=40, deadline=None)
def test_parameters_and_repr_equal_torch(case):
    ours_class, torch_class = PAIRS[case["kind"]]
    modules = []
    for cls in (ours_class, torch_class):
        torch.manual_seed(case["seed"])
        modules.append(cls(**case["options"]))
    ours, theirs = modules
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, value in theirs.state_dict().items():  # same seed, same network
        assert ours.state_dict()[name].equal(value)
    theirs.load_state_dict(ours.state_dict())
    assert repr(ours) == repr(theirs)
    assert [len(w) for w in ours.all_weights] == [len(w) for w in theirs.all_weights]
    assert ours.mode == theirs.mode


@pytest.mark.parametrize("kind", PAIRS)
def test_dropout_between_layers_equals_torch(kind):
    ours_class, torch_class = PAIRS[kind]
    theirs, ours = torch_class(3, 5, 2, dropout=0.5), ours_class(3, 5, 2, dropout=0.5)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(6, 2, 3)
    torch.manual_seed(1)
    expected, _ = theirs(x)
    torch.manual_seed(1)
    found, _ = ours(x)
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(ours(x)[0], ours(x)[0])  # it does drop
    ours.eval()
    torch.testing.assert_close(ours(x)[0], ours(x)[0])


def test_reference_engine_drops_between_layers_only():
    module = zoo.LSTM(3, 64, 2, dropout=1.0, engine="reference")
    single = zoo.LSTM(64, 64)
    single.load_state_dict({k.replace("_l1", "_l0"): v for k, v in module.state_dict().items() if "_l1" in k})
    output, _ = module(torch.randn(4, 2, 3))
    torch.testing.assert_close(output, single(torch.zeros(4, 2, 64))[0])  # the second layer saw nothing, the output all
    module.eval()
    found, _ = module(torch.ones(4, 2, 3))
    torch.testing.assert_close(found, module(torch.ones(4, 2, 3))[0])
    assert not torch.allclose(found, output)


@pytest.mark.parametrize("name", ["LSTMCell", "GRUCell", "RNNCell", "RNNCellBase"])
def test_single_steps_are_torchs_own(name):
    assert getattr(zoo, name) is getattr(torch.nn, name)


ARGUMENT_ERRORS = [
    {"hidden_size": 0},
    {"hidden_size": 2.5},
    {"input_size": 0},
    {"input_size": "3"},
    {"num_layers": 0},
    {"bias": 1},
    {"batch_first": "yes"},
    {"dropout": 1.5},
    {"dropout": True},
    {"dropout": "0.1"},
    {"proj_size": -1},
    {"proj_size": 5},
]


@pytest.mark.parametrize("wrong", ARGUMENT_ERRORS, ids=str)
@pytest.mark.parametrize("kind", PAIRS)
def test_constructor_errors_equal_torch(kind, wrong):
    arguments = {"input_size": 3, "hidden_size": 5} | wrong
    messages = []
    for cls in PAIRS[kind]:
        with pytest.raises((ValueError, TypeError)) as error:
            cls(**arguments)
        messages.append((type(error.value), " ".join(str(error.value).split())))
    assert messages[0] == messages[1]


INPUT_ERRORS = {
    "features": lambda n: (torch.randn(4, 2, 7), None),
    "dimensions": lambda n: (torch.randn(4, 2, 3, 1), None),
    "no steps": lambda n: (torch.randn(0, 2, 3), None),
    "type": lambda n: (torch.randn(4, 2, 3, dtype=torch.float64), None),
    "batch of the state": lambda n: (torch.randn(4, 2, 3), hidden(n, 1, 9, 5)),
    "layers of the state": lambda n: (torch.randn(4, 2, 3), hidden(n, 3, 2, 5)),
    "size of the state": lambda n: (torch.randn(4, 2, 3), hidden(n, 1, 2, 6)),
    "state without batch": lambda n: (torch.randn(4, 2, 3), hidden(n, 1, 5)),
    "state with batch": lambda n: (torch.randn(4, 3), hidden(n, 1, 2, 5)),
}


def hidden(states, *shape):
    return tuple(torch.zeros(shape) for _ in range(states)) if states > 1 else torch.zeros(shape)


@pytest.mark.parametrize("wrong", INPUT_ERRORS)
@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_input_errors_equal_torch(kind, wrong, engine):
    ours, theirs = PAIRS[kind][0](3, 5, engine=engine), PAIRS[kind][1](3, 5)
    x, hx = INPUT_ERRORS[wrong](2 if kind == "LSTM" else 1)
    messages = []
    for module in (theirs, ours):
        with pytest.raises((ValueError, RuntimeError)) as error:
            module(x, hx)
        messages.append((type(error.value), str(error.value)))
    assert messages[1] == messages[0]


def test_projection_is_refused_where_torch_refuses_it():
    for cls in (zoo.GRU, zoo.RNN):
        with pytest.raises(ValueError, match=r"proj_size.*LSTM"):
            cls(3, 5, proj_size=2)
    with pytest.raises(ValueError, match="Unknown nonlinearity 'sine'"):
        zoo.RNN(3, 5, nonlinearity="sine")


@pytest.mark.slow
@pytest.mark.parametrize("kind", PAIRS)
def test_compiled_training_equals_eager(kind):
    module = PAIRS[kind][0](3, 5)
    x = torch.randn(4, 2, 3)
    expected = module(x)[0]
    found = torch.compile(module, backend="aot_eager")(x)[0]
    torch.testing.assert_close(found, expected)
    (gradient,) = torch.autograd.grad(expected.sum(), [module.weight_ih_l0])
    (compiled,) = torch.autograd.grad(found.sum(), [module.weight_ih_l0])
    torch.testing.assert_close(compiled, gradient)


@pytest.mark.parametrize("kind", PAIRS)
def test_autocast_takes_float32_input(kind):
    ours, theirs = PAIRS[kind][0](3, 5), PAIRS[kind][1](3, 5)
    theirs.load_state_dict(ours.state_dict())
    with torch.autocast("cpu", torch.bfloat16):
        x = torch.randn(4, 2, 3, dtype=torch.bfloat16)  # what an autocast layer below hands on
        torch.testing.assert_close(ours(x)[0], theirs(x)[0])


def test_dropout_of_a_single_layer_warns():
    with pytest.warns(UserWarning, match="dropout.*num_layers"):
        zoo.LSTM(3, 5, dropout=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        zoo.LSTM(3, 5, 2, dropout=0.5)


@pytest.mark.parametrize("kind", PAIRS)
def test_life_as_a_module(kind):
    """deepcopy, pickle, torch.save, meta device, double, non-contiguous input, an empty batch."""
    ours = PAIRS[kind][0](3, 5, 2, bidirectional=True)
    x = torch.randn(4, 2, 3)
    expected = ours(x)[0]
    for copied in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        torch.testing.assert_close(copied(x)[0], expected)
    buffer = io.BytesIO()
    torch.save(ours.state_dict(), buffer)
    buffer.seek(0)
    ours.load_state_dict(torch.load(buffer, weights_only=True))
    torch.testing.assert_close(ours(x.mT.contiguous().mT)[0], expected)
    torch.testing.assert_close(ours.double()(x.double())[0].float(), expected)
    assert ours.float()(torch.randn(4, 0, 3))[0].shape == (4, 0, 10)
    assert PAIRS[kind][0](3, 5, device="meta")(torch.randn(4, 2, 3, device="meta"))[0].shape == (4, 2, 5)


def test_reparametrised_and_replaced_weights_are_used():
    ours, theirs = zoo.LSTM(3, 5), torch.nn.LSTM(3, 5)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(4, 2, 3)
    replaced = {k: torch.randn_like(v) for k, v in ours.state_dict().items()}
    torch.testing.assert_close(
        torch.func.functional_call(ours, replaced, (x,))[0], torch.func.functional_call(theirs, replaced, (x,))[0]
    )
    for module in (ours, theirs):
        torch.nn.utils.parametrizations.weight_norm(module, "weight_hh_l0")
        prune.l1_unstructured(module, "weight_ih_l0", amount=0.5)
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x)[0], theirs(x)[0])
    assert (ours.weight_ih_l0 == 0).float().mean() == 0.5


@pytest.mark.slow
def test_torchs_own_module_samples():
    """The inputs with which PyTorch's test suite exercises its recurrent modules, given to both.

    In a process of their own: importing them forbids the whole process to set cudnn flags, as Lightning's Trainer does.
    """
    pytest.importorskip("expecttest")  # the samples need it
    samples = Path(__file__).with_name("torch_module_samples.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(samples)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
