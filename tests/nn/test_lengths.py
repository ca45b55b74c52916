"""Sequences of different lengths: trained by the fast engine, with the reference's numbers; padding is never read."""

from __future__ import annotations

import pytest
import torch
from every_cell import assert_same, close_to, first_state, network, on_engines, run, sequences
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import lstmzoo.nn as zoo
from lstmzoo.nn.engines import aten, native
from lstmzoo.nn.layer import Step

LENGTHS = [3, 6, 1, 4]
STACKS = {
    "lstm": {},
    "gru": {},
    "rnn_relu": {},
    "lstm, layers and directions": {"num_layers": 2, "bidirectional": True},
    "gru, directions, batch first": {"bidirectional": True, "batch_first": True},
    "lstm, projected": {"num_layers": 2, "bidirectional": True, "proj_size": 3},
}


def no_compiler() -> bool:
    return isinstance(native.find(Step(zoo.get_cell("indrnn")), True, False, torch.float32), str)


needs_compiler = pytest.mark.skipif(no_compiler(), reason="there is no C compiler here")


@needs_compiler
@pytest.mark.parametrize("form", ["lengths", "packed", "packed, sorted"])
@pytest.mark.parametrize("name", STACKS)
def test_training_takes_the_native_engine_and_gives_the_reference(name, form, monkeypatch):
    """torch's packed kernels are several times slower (https://github.com/pytorch/pytorch/issues/149194)."""
    cell, options = name.partition(",")[0], STACKS[name]
    module = network(cell, dtype=torch.float32, **options)
    lengths = sorted(LENGTHS, reverse=True) if form == "packed, sorted" else LENGTHS
    x, given = sequences(module, 6, 4), {}
    hx = first_state(module, x)
    if options.get("batch_first"):
        x = x.transpose(0, 1)
    if form == "lengths":
        given["lengths"] = lengths
    else:
        x = pack_padded_sequence(x, torch.tensor(lengths), module.batch_first, enforce_sorted=form != "packed")
    monkeypatch.setattr(aten, "run", lambda call: pytest.fail("torch's kernel ran"))
    found, expected = (run(m, x, hx, **given) for m in on_engines(module, "auto", "reference"))
    assert_same(found, expected, **close_to(torch.float32))


@pytest.mark.parametrize("form", ["lengths", "packed"])
def test_torchs_module_gives_the_same(form):
    """And its packed output has the same order."""
    torch.manual_seed(0)
    theirs = torch.nn.LSTM(3, 4, 2, bidirectional=True)
    ours = zoo.LSTM(3, 4, 2, bidirectional=True)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(6, 4, 3)
    packed = pack_padded_sequence(x, torch.tensor(LENGTHS), enforce_sorted=False)
    expected, expected_last = theirs(packed)
    found, last = ours(packed) if form == "packed" else ours(x, lengths=LENGTHS)
    if form == "packed":
        for a, b in zip(found[1:], expected[1:], strict=True):
            assert a.equal(b)
        found = pad_packed_sequence(found)[0]
    torch.testing.assert_close(found, pad_packed_sequence(expected)[0])
    torch.testing.assert_close(last, expected_last)
    found.square().sum().backward()
    pad_packed_sequence(expected)[0].square().sum().backward()
    for ours_, theirs_ in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(ours_.grad, theirs_.grad)


@needs_compiler
def test_torchs_kernels_run_what_they_are_faster_at():
    """Wide layers with much padding, and inference."""
    wide, narrow = zoo.LSTM(512, 512), zoo.LSTM(4, 4)
    full, padded = [9] * 64, [3] * 64
    wide_input, narrow_input = torch.zeros(10, 64, 512), torch.zeros(10, 64, 4)
    assert not native.beats_torch(wide.describe(wide_input, lengths=padded))
    assert native.beats_torch(wide.describe(wide_input, lengths=full))
    assert native.beats_torch(narrow.describe(narrow_input, lengths=padded))
    packed = pack_padded_sequence(torch.zeros(10, 64, 4), [10, *padded[1:]])
    assert native.beats_torch(narrow.describe(packed))
    with torch.no_grad():
        assert not native.beats_torch(narrow.describe(narrow_input, lengths=padded))


def test_lengths_that_end_no_sequence_early_mask_nothing():
    module, x = network("mgu"), torch.zeros(6, 4, 3, dtype=torch.float64)
    full, early = (module.describe(x, lengths=[*lengths]) for lengths in ([6] * 4, [6, 6, 6, 5]))
    assert (full.lengths, full.step.masked) == (None, False)
    assert (early.lengths.tolist(), early.step.masked) == ([6, 6, 6, 5], True)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["auto", "reference", "native", "parallel"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "peephole_lstm", "mogrifier_lstm", "mingru"])
def test_nan_in_the_padding_reaches_no_gradient(cell, engine):
    if (engine == "parallel" and cell != "mingru") or (engine == "native" and no_compiler()):
        pytest.skip("this engine can't run it")
    module = network(cell, bidirectional=True, dtype=torch.float32)
    x = sequences(module, 6, 4)
    hx = first_state(module, x)
    clean = x.clone()
    for b, length in enumerate(LENGTHS):
        clean[length:, b], x[length:, b] = 0, float("nan")
    module.engine = engine
    found, expected = (run(module, given, hx, lengths=LENGTHS) for given in (x, clean))
    assert all(value.isfinite().all() for value in found.values())
    assert_same(found, expected, rtol=0, atol=0)
