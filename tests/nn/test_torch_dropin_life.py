"""The drop-ins where foreign code reaches inside: methods of RNNBase, subclasses, replicas, gradients per sample."""

from __future__ import annotations

import pytest
import torch
from torch import _VF
from torch.autograd import forward_ad
from torch.nn.utils import parametrizations
from torch.nn.utils._per_sample_grad import call_for_per_sample_grads
from torch.nn.utils.rnn import pack_sequence
from torch.utils.flop_counter import FlopCounterMode

import lstmzoo.nn as zoo

NETWORKS = ("LSTM", "GRU", "RNN")


def both(name, *arguments, **options):
    """torch's module and ours, with equal weights."""
    theirs = getattr(torch.nn, name)(*arguments, **options)
    ours = getattr(zoo, name)(*arguments, **options)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def states(name, *shape):
    """A state of this shape, as the module takes it."""
    return (torch.randn(shape), torch.randn(shape)) if name.startswith("LSTM") else torch.randn(shape)


def outcome(call):
    """What a call returns, or the error that it raises."""
    try:
        return call()
    except Exception as error:
        return type(error), str(error)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("batch_first", [False, True])
def test_methods_of_the_base_class_equal_torch(name, batch_first):
    theirs, ours = both(name, 3, 5, 2, batch_first=batch_first, bidirectional=True)
    padded, batch_sizes = torch.randn(4, 2, 3), torch.tensor([2, 2, 1])
    batch = 4 if batch_first else 2
    fitting, wrong = states(name, 4, batch, 5), states(name, 4, 7, 5)
    order = torch.randperm(batch)
    calls = {
        "input": lambda m: m.check_input(padded, None),
        "empty batch or no steps": lambda m: m.check_input(torch.randn(0, 2, 3), None),
        "packed input": lambda m: m.check_input(torch.randn(5, 3), batch_sizes),
        "input of other size": lambda m: m.check_input(torch.randn(4, 2, 7), None),
        "input of other type": lambda m: m.check_input(padded.double(), None),
        "packed input with time": lambda m: m.check_input(padded, batch_sizes),
        "hidden size": lambda m: m.get_expected_hidden_size(padded, None),
        "hidden size packed": lambda m: m.get_expected_hidden_size(torch.randn(5, 3), batch_sizes),
        "size of a state": lambda m: m.check_hidden_size(torch.randn(1, 2, 5), (1, 2, 5)),
        "other size of a state": lambda m: m.check_hidden_size(torch.randn(1, 2, 5), (1, 3, 5), "wanted {}, got {}"),
        "arguments": lambda m: m.check_forward_args(padded, fitting, None),
        "arguments that don't fit": lambda m: m.check_forward_args(padded, wrong, None),
        "order": lambda m: m.permute_hidden(fitting, order),
        "same order": lambda m: m.permute_hidden(fitting, None),
    }
    if name == "LSTM":
        calls["cell size"] = lambda m: m.get_expected_cell_size(padded, None)
        calls["cell size packed"] = lambda m: m.get_expected_cell_size(torch.randn(5, 3), batch_sizes)
    for what, call in calls.items():
        expected, found = outcome(lambda call=call: call(theirs)), outcome(lambda call=call: call(ours))
        if isinstance(found, torch.Tensor) or (isinstance(found, tuple) and isinstance(found[0], torch.Tensor)):
            torch.testing.assert_close(found, expected)
        else:
            assert found == expected, what


def test_projection_has_sizes_of_its_own():
    theirs, ours = both("LSTM", 3, 5, proj_size=2)
    x = torch.randn(4, 2, 3)
    assert ours.get_expected_hidden_size(x, None) == theirs.get_expected_hidden_size(x, None) == (1, 2, 2)
    assert ours.get_expected_cell_size(x, None) == theirs.get_expected_cell_size(x, None) == (1, 2, 5)


def scaled(base):
    """A subclass as one writes it for torch.nn: its own forward, with the base class's checks, weights and kernels."""

    class Scaled(base):
        def forward(self, input, hx):
            packed, batch_sizes, order, back = input
            hx = self.permute_hidden(hx, order)
            self.check_forward_args(packed, hx, batch_sizes)
            kernel = {"LSTM": _VF.lstm, "GRU": _VF.gru, "RNN_TANH": _VF.rnn_tanh}[self.mode]
            weights = [2.0 * w for w in self._flat_weights]
            options = (self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
            data, *last = kernel(packed, batch_sizes, hx, weights, *options)
            return data, self.permute_hidden(tuple(last) if len(last) > 1 else last[0], back)

    return Scaled


@pytest.mark.parametrize("name", NETWORKS)
def test_subclass_written_for_torch(name):
    theirs = scaled(getattr(torch.nn, name))(3, 5, 2, bidirectional=True)
    ours = scaled(getattr(zoo, name))(3, 5, 2, bidirectional=True)
    ours.load_state_dict(theirs.state_dict())
    packed = pack_sequence([torch.randn(n, 3) for n in (2, 4, 3)], enforce_sorted=False)
    hx = states(name, 4, 3, 5)
    torch.testing.assert_close(ours(packed, hx), theirs(packed, hx))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("wrong", [(3,), (4, 1, 2, 3)])
def test_errors_of_derived_networks_name_torchs_class(name, wrong):
    messages = []
    for module in both(name, 3, 5):
        parametrizations.weight_norm(module, "weight_hh_l0")
        with pytest.raises(ValueError, match=f"^{name}: Expected input") as error:
            module(torch.randn(wrong))
        messages.append(str(error.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("name", NETWORKS)
def test_weight_may_be_missing_while_the_module_is_converted(name):
    module = getattr(zoo, name)(3, 5)
    x = torch.randn(4, 2, 3)
    expected = module(x)[0]
    weight = module.weight_hh_l0
    del module.weight_hh_l0
    assert [w is None for w in module._flat_weights] == [False, True, False, False]
    module.double()
    module.flatten_parameters()
    module.weight_hh_l0 = torch.nn.Parameter(weight.double())
    torch.testing.assert_close(module(x.double())[0].float(), expected)


@pytest.mark.parametrize("name", NETWORKS)
def test_replica_of_data_parallel_uses_the_weights_it_is_given(name):
    _, ours = both(name, 3, 5, 2)
    x = torch.randn(4, 2, 3)
    replica = ours._replicate_for_data_parallel()
    for key, weight in ours.named_parameters():
        setattr(replica, key, 0.5 * weight)  # a tensor in the graph, as broadcasting to a device gives
    replica.flatten_parameters()
    halved = {key: 0.5 * weight for key, weight in ours.named_parameters()}
    output = replica(x)[0]
    torch.testing.assert_close(output, torch.func.functional_call(ours, halved, (x,))[0])
    output.sum().backward()
    assert all(weight.grad is not None for weight in ours.parameters())


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, torch.float64) for name in NETWORKS] + [("GRU", torch.float32), ("RNN", torch.float32)],
)  # torch's LSTM can't do it in float32
@pytest.mark.parametrize("batch_first", [False, True])
def test_one_gradient_per_sample(name, dtype, batch_first):
    """torch's per-sample gradients hand the module weights of a tensor type of their own."""
    _, ours = both(name, 3, 5, batch_first=batch_first, dtype=dtype)
    at = 0 if batch_first else 1
    x = torch.randn((2, 4, 3) if batch_first else (4, 2, 3), dtype=dtype)
    per_sample = call_for_per_sample_grads(ours, batch_size=2, loss_reduction="sum", batch_first=batch_first)
    per_sample(x)[0].sum().backward()
    for k in range(2):
        alone = torch.autograd.grad(ours(x.narrow(at, k, 1))[0].sum(), list(ours.parameters()))
        for weight, gradient in zip(ours.parameters(), alone, strict=True):
            torch.testing.assert_close(weight.grad_sample[k], gradient, rtol=1e-4, atol=1e-5)


SIZES = [(4, 2, 3, 5), (3, 16, 4, 80)]  # T, B, I, H; the second is large enough for an LSTM to train natively


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("where", ["weights", "state"])
def test_errors_of_devices_equal_torch(name, sizes, where):
    steps, batch, features, hidden = sizes
    messages = []
    for library in (torch.nn, zoo):
        module = getattr(library, name)(features, hidden, device="meta" if where == "weights" else None)
        state = torch.zeros(1, batch, hidden, device="meta" if where == "state" else None)
        with pytest.raises(RuntimeError, match="device") as error:
            module(torch.randn(steps, batch, features), (state, state) if name == "LSTM" else state)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("name", ["GRU", "RNN"])  # torch's LSTM has no forward mode in float32
@pytest.mark.parametrize("sizes", SIZES)
def test_forward_mode_differentiation_equals_reverse(name, sizes):
    steps, batch, features, hidden = sizes
    module = getattr(zoo, name)(features, hidden)
    x = torch.randn(steps, batch, features, requires_grad=True)
    tangents = {key: torch.randn_like(weight) for key, weight in module.named_parameters()}
    with forward_ad.dual_level():
        dual = {key: forward_ad.make_dual(w.detach(), tangents[key]) for key, w in module.named_parameters()}
        found = forward_ad.unpack_dual(torch.func.functional_call(module, dual, (x.detach(),))[0]).tangent
    output = module(x)[0]
    direction = torch.randn_like(output)
    gradients = torch.autograd.grad((output * direction).sum(), list(module.parameters()))
    expected = sum((g * t).sum() for g, t in zip(gradients, tangents.values(), strict=True))
    torch.testing.assert_close((found * direction).sum(), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["GRU", "RNN"])
def test_all_operations_are_counted(name):
    steps, batch, features, hidden = 4, 2, 3, 5
    with FlopCounterMode(display=False) as counter:
        getattr(zoo, name)(features, hidden)(torch.randn(steps, batch, features))
    rows = (3 if name == "GRU" else 1) * hidden
    assert counter.get_total_flops() == 2 * steps * batch * rows * (features + hidden)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("sizes", SIZES)
def test_gradient_of_the_first_state_alone(name, sizes):
    steps, batch, features, hidden = sizes
    x, first, gradients = torch.randn(steps, batch, features), torch.randn(1, batch, hidden), []
    for module in both(name, features, hidden):
        module.requires_grad_(False)
        state = first.clone().requires_grad_()
        module(x, (state, state) if name == "LSTM" else state)[0].square().sum().backward()
        gradients.append(state.grad)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_parametrised_weight_is_computed_as_seldom_as_torch_does(name):
    """Spectral normalisation in training takes a step of its power iteration whenever its weight is looked at."""

    class Count(torch.nn.Module):
        looks = 0

        def forward(self, weight):
            self.looks += 1
            return weight

    counts = []
    for module in both(name, 3, 5):
        count = Count()
        torch.nn.utils.parametrize.register_parametrization(module, "weight_hh_l0", count)
        count.looks = 0
        module(torch.randn(4, 2, 3))
        counts.append(count.looks)
    assert 1 <= counts[1] <= counts[0]
