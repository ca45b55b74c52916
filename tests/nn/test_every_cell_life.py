"""Every cell as a module among torch's: copies, files, other types, other devices, torch.func, autocast."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from every_cell import ALL, as_tuple, dtype_of, network, run, sequences
from torch.func import functional_call, grad, stack_module_state, vmap

import lstmzoo.nn as zoo

close = torch.testing.assert_close


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_copies_pickles_and_state_dicts_give_the_same(name):
    module = network(name, num_layers=2, learn_state=True)
    x = sequences(module)
    expected = module(x)
    expected[0].sum().backward()
    twin = zoo.Recurrent(name, 3, 4, 2, learn_state=True, dtype=torch.float64)
    twin.load_state_dict(module.state_dict())
    for other in (twin, copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        close(other(x), expected, rtol=0, atol=0)
        assert repr(other) == repr(module) == repr(zoo.Recurrent(name, 3, 4, 2, learn_state=True))


@pytest.mark.parametrize("name", ALL)
def test_without_memory_on_the_meta_device(name):
    module = zoo.Recurrent(name, 3, 4, 2, bidirectional=True, device="meta")
    real = zoo.Recurrent(name, 3, 4, 2, bidirectional=True, engine="reference")
    found, expected = module(torch.empty(5, 2, 3, device="meta")), real(torch.empty(5, 2, 3))
    assert found[0].is_meta
    assert found[0].shape == expected[0].shape
    assert [s.shape for s in as_tuple(found[1])] == [s.shape for s in as_tuple(expected[1])]
    module.to_empty(device="cpu").load_state_dict(real.state_dict())
    close(sum(w.sum() for w in module.parameters()), sum(w.sum() for w in real.parameters()))


@pytest.mark.parametrize("name", ALL)
def test_a_batch_of_no_sequences(name):
    module = network(name, bidirectional=True)
    output, last = module(torch.zeros(5, 0, 3, dtype=torch.float64, requires_grad=True))
    assert output.shape == (5, 0, 8)
    assert all(s.shape[:2] == (2, 0) for s in as_tuple(last))
    output.sum().backward()
    assert all(w.grad is None or w.grad.eq(0).all() for w in module.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_vmap_over_batch_and_over_networks_and_grad(name):
    module = network(name)
    x = sequences(module)
    expected = module(x)
    each = vmap(lambda one: module(one)[0], in_dims=1, out_dims=1)(x)
    close(each, expected[0])
    networks = [network(name) for _ in range(2)]
    with torch.no_grad():
        for weight in networks[1].parameters():
            weight.mul_(0.5)
    parameters, buffers = stack_module_state(networks)
    together = vmap(lambda p, b: functional_call(module, (p, b), (x,))[0])(parameters, buffers)
    close(together, torch.stack([m(x)[0] for m in networks]))
    found = grad(lambda p: functional_call(module, p, (x,))[0].square().sum())(dict(module.named_parameters()))
    module(x)[0].square().sum().backward()
    for key, weight in module.named_parameters():
        close(found[key], weight.grad)


def single(name, **options):
    """A network in float32, with moderate weights, on the plain loop."""
    module = network(name, num_layers=2, dtype=torch.float32, engine="reference", **options)
    with torch.no_grad():
        for weight in module.parameters():
            weight.mul_(0.5)
    return module


@pytest.mark.parametrize("name", ALL)
def test_autocast_is_close_to_single_precision(name):
    module = single(name)
    x = sequences(module)
    expected = run(module, x)
    module.engine = "auto"
    with torch.autocast("cpu", torch.bfloat16):
        found = run(module, x)
    for key, value in expected.items():
        assert found[key].isfinite().all()
        close(found[key].float(), value, rtol=0.05, atol=0.05 * max(1.0, float(value.abs().max())))
    assert all(weight.grad.dtype == torch.float32 for weight in module.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ALL)
def test_parameters_of_half_precision(name, dtype, capfd):
    """The plain loop takes over, and says nothing."""
    module = single(name)
    x = sequences(module)
    expected = run(module, x)
    module.engine = "auto"
    module.to(dtype)
    assert dtype_of(module) == dtype
    found = run(module, x.to(dtype))
    for key, value in expected.items():
        assert found[key].isfinite().all()
        close(found[key].float(), value, rtol=0.05, atol=0.05 * max(1.0, float(value.abs().max())))
    assert capfd.readouterr() == ("", "")
