"""Every engine gives what the plain loop gives, for every cell: values, states, gates and gradients."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from engine_cases import CASES, LENGTHS, assert_case_agrees, assert_engines_agree
from every_cell import (
    ALL,
    CONVOLUTIONAL,
    NATIVE,
    PARALLEL,
    close_to,
    first_state,
    network,
    on_engines,
    sequences,
)
from torch.nn.utils.rnn import pack_padded_sequence

import lstmzoo.nn as zoo


def test_all_cells_but_those_with_a_matrix_memory_are_compiled():
    assert set(ALL) - set(NATIVE) == {"mlstm"}


@pytest.mark.slow
@pytest.mark.parametrize("name", NATIVE)
def test_native_layers_directions_lengths_and_all_states(name):
    module = network(name, num_layers=2, bidirectional=True, residual=True, dtype=torch.float32)
    x = sequences(module)
    hx = first_state(module, x)
    assert_engines_agree(module, x, hx, lengths=LENGTHS, return_states=True)
    packed = pack_padded_sequence(x, torch.tensor(LENGTHS), enforce_sorted=False)
    assert_engines_agree(module, packed, hx, return_states=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", NATIVE)
def test_native_sequences_of_any_number_and_length(name):
    module = network(name)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        for steps, batch in ((5, 9), (4, 1), (1, 5)):  # 9 sequences are shared out among two threads
            x = sequences(module, steps, batch)
            assert_engines_agree(module, x, first_state(module, x))
            with torch.no_grad():  # states are not kept over time
                found, expected = (m(x) for m in on_engines(module, "native", "reference"))
            torch.testing.assert_close(found, expected, **close_to(torch.float64))
    finally:
        torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in CONVOLUTIONAL if n in NATIVE])
def test_native_convolutions(name):
    """The same kernels as in the linear form, with torch's convolutions between their stages."""
    module = network(name, 2, 3, kernel=3, num_layers=2, bidirectional=True, dtype=torch.float32)
    x = sequences(module, 3, 3, (4, 3))
    assert_engines_agree(module, x, first_state(module, x), lengths=[3, 1, 2], return_states=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gru", {"kernel": (2, 3), "recurrent_kernel_size": (3, 4)}),
        ("peephole_lstm", {"kernel": 2, "peephole": "full", "image_size": (4, 3)}),
        ("peephole_lstm", {"kernel": 1, "peephole": "none"}),
    ],
    ids=str,
)
def test_native_kernels_of_any_size_and_peepholes(name, options):
    module = network(name, 2, 3, **options)
    x = sequences(module, 4, 3, (4, 3))
    assert_engines_agree(module, x, first_state(module, x))


@pytest.mark.parametrize("name", ["lstm", "gru", "layer_norm_lstm", "mogrifier_lstm"])
def test_native_sizes_that_fill_no_register(name):
    module = network(name, 19, 37)
    with torch.no_grad():
        for weight in module.parameters():
            weight.mul_(0.3)
    x = sequences(module, 3, 17)
    assert_engines_agree(module, x, first_state(module, x))


def test_native_in_several_python_threads_at_once():
    module = network("mgu", 8, 32, engine="native")
    x = sequences(module, 40, 4)
    with torch.no_grad(), ThreadPoolExecutor(4) as pool:
        expected = module(x)[0]
        assert all(found.equal(expected) for found in pool.map(lambda _: module(x)[0], range(20)))


def test_native_weights_changed_before_the_backward_pass_are_noticed():
    module = network("mgu", engine="native")
    total = module(sequences(module))[0].sum()
    with torch.no_grad():
        module.weight_hh_l0.mul_(2)
    with pytest.raises(RuntimeError, match="inplace"):
        total.backward()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", PARALLEL)
def test_parallel(name, dtype):
    module = network(name, num_layers=2, bidirectional=True, dtype=dtype)
    x = sequences(module)
    hx = first_state(module, x)
    kept = {"return_states": True} if module.cell.state == ("h",) else {}
    for given in (
        {"lengths": LENGTHS, **kept},
        {"traced": True} if kept else {},
        {"clamped": {first_gate(module): 0.3}},
    ):
        assert_engines_agree(module, x, hx, "parallel", **given)
    for steps, batch in ((1, 5), (4, 1)):
        x = sequences(module, steps, batch)
        assert_engines_agree(module, x, first_state(module, x), "parallel")


def first_gate(module: Any) -> str:
    return next(iter(module.cell.gates))


@pytest.mark.slow
@pytest.mark.parametrize("kernel", [0, 3], ids=["linear", "convolutional"])
@pytest.mark.parametrize(("title", "name"), [(title, name) for title, case in CASES.items() for name in case.cells])
def test_native_options(title, name, kernel):
    assert_case_agrees(title, name, kernel, "native")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "gate"), [(name, gate) for name in ("lstm", "mgu", "sru") for gate in zoo.get_cell(name).gates]
)
def test_native_with_each_gate_clamped(name, gate):
    module = network(name, bidirectional=True)
    x = sequences(module)
    assert_engines_agree(module, x, first_state(module, x), clamped={gate: 0.3})


def test_native_with_all_gates_clamped_does_not_look_at_the_input():
    module = network("lstm")
    x = sequences(module)
    assert_engines_agree(module, x, first_state(module, x), clamped=dict.fromkeys(module.cell.gates, 0.3))


@pytest.mark.parametrize("name", ["lstm", "mogrifier_lstm", "layer_norm_lstm"])
def test_native_with_gradients_for_some_tensors_only(name):
    for wanted in ("weight_ih", "weight_hh", "bias" if zoo.get_cell(name).biased else "a_c", "x", "state"):
        module = network(name)
        x = sequences(module)
        hx = first_state(module, x)
        for parameter_name, parameter in module.named_parameters():
            parameter.requires_grad_(parameter_name.startswith(wanted))
        leaves = [p for p in module.parameters() if p.requires_grad]
        leaves += [x.requires_grad_()] if wanted == "x" else [s.requires_grad_() for s in hx if wanted == "state"]
        sums = [m(x, hx)[0].square().sum() for m in on_engines(module, "native", "reference")]
        found, expected = (torch.autograd.grad(total, leaves) for total in sums)
        torch.testing.assert_close(found, expected, **close_to(torch.float64))


@pytest.mark.slow
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", NATIVE)
def test_nan_and_infinity_go_through_as_in_the_loop(name, value):
    """Whatever is not finite shows, and shows in its own sequence only."""
    module = network(name)
    x = sequences(module)
    x[2, 1, 0] = value
    with torch.no_grad():
        found, expected = (m(x) for m in on_engines(module, "native", "reference"))
    torch.testing.assert_close(found, expected, equal_nan=True, **close_to(torch.float64))
    assert found[0][:, [0, 2]].isfinite().all()
    if value != value:
        assert found[0][2, 1].isnan().any()
