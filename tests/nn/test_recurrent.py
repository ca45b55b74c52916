"""The driver, for every cell: carried state, lengths, packing, batch independence, and its own messages."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import lstmzoo.nn as zoo

ALL = zoo.list_cells()
close = torch.testing.assert_close


def as_tuple(state):
    return state if isinstance(state, tuple) else (state,)


def slice_batch(state, b):
    cut = tuple(s[:, b : b + 1] for s in as_tuple(state))
    return cut if len(cut) > 1 else cut[0]


@st.composite
def networks(draw, directions=(False, True)):
    cell = draw(st.sampled_from(ALL))
    hidden = draw(st.integers(2, 5))
    projection = draw(st.integers(0, hidden - 1)) if zoo.get_cell(cell).projectable else 0
    torch.manual_seed(draw(st.integers(0, 999)))
    return zoo.Recurrent(
        cell,
        3,
        hidden,
        draw(st.integers(1, 3)),
        bias=draw(st.booleans()),
        bidirectional=draw(st.sampled_from(directions)),
        proj_size=projection,
        engine=draw(st.sampled_from(["auto", "reference"])),
        dtype=torch.float64,
    )


@given(networks(directions=(False,)), st.integers(1, 5), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_carried_state_two_parts_equal_the_whole(module, first, second):
    x = torch.randn(first + second, 2, 3, dtype=torch.float64)
    whole, last = module(x)
    one, middle = module(x[:first])
    two, end = module(x[first:], middle)
    close(torch.cat([one, two]), whole)
    for a, b in zip(as_tuple(end), as_tuple(last), strict=True):
        close(a, b)


@given(networks(), st.lists(st.integers(1, 6), min_size=1, max_size=4))
@settings(max_examples=80, deadline=None)
def test_lengths_equal_sequences_run_alone(module, lengths):
    """Padded with lengths, packed, and one by one without padding: the same outputs and last states."""
    steps, batch = max(lengths) + 1, len(lengths)  # one step that no sequence reaches
    x = torch.randn(steps, batch, 3, dtype=torch.float64)
    hx = tuple(torch.randn_like(s) for s in as_tuple(module(x)[1]))
    hx = hx if len(hx) > 1 else hx[0]
    output, last = module(x, hx, lengths=lengths)
    packed, packed_last = module(pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False), hx)
    close(pad_packed_sequence(packed, total_length=steps)[0], output)
    for a, b in zip(as_tuple(packed_last), as_tuple(last), strict=True):
        close(a, b)
    for b, length in enumerate(lengths):
        alone, alone_last = module(x[:length, b : b + 1], slice_batch(hx, b))
        close(output[:length, b : b + 1], alone)
        assert output[length:, b].eq(0).all()
        for a, e in zip(as_tuple(slice_batch(last, b)), as_tuple(alone_last), strict=True):
            close(a, e)


@given(networks(), st.integers(1, 4), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_sequences_of_a_batch_do_not_see_each_other(module, batch, steps):
    x = torch.randn(steps, batch, 3, dtype=torch.float64)
    output, _ = module(x)
    for b in range(batch):
        close(module(x[:, b])[0], output[:, b])  # unbatched, too


@given(networks())
@settings(max_examples=40, deadline=None)
def test_engines_agree(module):
    x = torch.randn(5, 3, 3, dtype=torch.float64)
    module.engine = "reference"
    expected = module(x, lengths=[5, 2, 3])
    module.engine = "auto"
    found = module(x, lengths=[5, 2, 3])
    close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("cell", ALL)
def test_batch_first_only_swaps_input_and_output(cell):
    torch.manual_seed(0)
    time_first = zoo.Recurrent(cell, 3, 4, bidirectional=True)
    batch_first = zoo.Recurrent(cell, 3, 4, bidirectional=True, batch_first=True)
    batch_first.load_state_dict(time_first.state_dict())
    x = torch.randn(5, 2, 3)
    expected, last = time_first(x)
    found, found_last = batch_first(x.transpose(0, 1))
    close(found.transpose(0, 1), expected)
    close(found_last, last)
    close(batch_first(x[:, 0])[0], expected[:, 0])  # a single sequence has no batch dimension to swap


def test_messages_name_value_and_remedy():
    with pytest.raises(ValueError, match="unknown cell 'lstn'; did you mean 'lstm'"):
        zoo.Recurrent("lstn", 3, 4)
    with pytest.raises(TypeError, match="registered name, a Cell subclass or a Cell object, got int"):
        zoo.Recurrent(3, 3, 4)
    with pytest.raises(ValueError, match="unknown engine 'fast'; Valid: aten, auto, reference"):
        zoo.Recurrent("lstm", 3, 4, engine="fast")
    with pytest.raises(ValueError, match="proj_size is not possible with the cell"):
        zoo.Recurrent("gru", 3, 4, proj_size=2)
    module = zoo.LSTM(3, 4)
    x = torch.randn(5, 2, 3)
    with pytest.raises(ValueError, match=r"hx must hold 2 state\(s\) \(h, c\), got 1"):
        module(x, torch.zeros(1, 2, 4))
    with pytest.raises(ValueError, match="lengths must lie between 1 and 5, got 0 to 6"):
        module(x, lengths=[0, 6])
    with pytest.raises(ValueError, match=r"one number per sequence, shape \(2,\), got \(3,\)"):
        module(x, lengths=[1, 2, 3])
    with pytest.raises(ValueError, match="cut a single sequence"):
        module(x[:, 0], lengths=[3])
    with pytest.raises(ValueError, match="give the padded input with lengths"):
        module(pack_padded_sequence(x, torch.tensor([5, 5])), lengths=[5, 5])


def test_repr_shows_cell_and_initialisation():
    module = zoo.Recurrent("gru", 3, 4, 2, forget_bias=1.0, orthogonal=True)
    assert repr(module) == "Recurrent('gru', 3, 4, num_layers=2, forget_bias=1.0, orthogonal=True)"
