"""trace and clamp: right values, no traces left, in streaming and in both directions."""

from __future__ import annotations

import pytest
import torch

import lstmzoo.nn as zoo

close = torch.testing.assert_close


def test_trace_records_the_gates_of_the_equations():
    torch.manual_seed(0)
    module = zoo.LSTM(3, 4)
    x = torch.randn(5, 2, 3)
    with zoo.trace(module) as record:
        output, (_, c) = module(x)
    h, c_before = torch.zeros(2, 4), torch.zeros(2, 4)
    for t in range(5):
        z = x[t] @ module.weight_ih_l0.T + module.bias_ih_l0 + h @ module.weight_hh_l0.T + module.bias_hh_l0
        i, f, g, o = z.detach().chunk(4, dim=-1)
        close(record.gates["f"][0][t], f.sigmoid())
        close(record.gates["g"][0][t], g.tanh())
        c_before = f.sigmoid() * c_before + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c_before.tanh()
        close(record.states["c"][0][t], c_before)
        close(record.states["h"][0][t], h)
    close(output[-1], h)
    close(c[0], c_before)


@pytest.mark.slow
def test_tracing_changes_no_result_and_leaves_nothing_behind():
    module = torch.nn.Sequential(zoo.GRU(3, 4, 2, bidirectional=True))
    x = torch.randn(5, 2, 3)
    before = set(vars(module[0]))
    expected, _ = module(x)
    with zoo.trace(module) as record:
        found, _ = module(x)
    close(found, expected)
    assert record.layers == ["0.l0", "0.l0_reverse", "0.l1", "0.l1_reverse"]
    assert {gate: [tuple(v.shape) for v in values] for gate, values in record.gates.items()} == {
        gate: [(5, 2, 4)] * 4 for gate in "rzn"
    }
    assert set(vars(module[0])) == before
    assert list(module.state_dict()) == [f"0.{name}" for name in module[0].state_dict()]
    module(x)
    assert record.gates["r"][0].shape[0] == 5  # what runs after the context is not recorded


def test_reverse_direction_is_recorded_in_the_order_of_time():
    module = zoo.LSTM(3, 4, bidirectional=True)
    with zoo.trace(module) as record:
        output, _ = module(torch.randn(5, 2, 3))
    close(record.states["h"][1], output[..., 4:])


def test_a_stream_of_steps_is_one_sequence():
    module = zoo.LSTM(3, 4)
    x = torch.randn(6, 2, 3)
    with zoo.trace(module) as whole:
        module(x)
    state = None
    with zoo.trace(module) as stream:
        for t in range(6):
            _, state = module(x[t : t + 1], state)
    close(stream.gates["o"][0], whole.gates["o"][0])


@pytest.mark.slow
def test_clamp_holds_nests_and_is_seen_by_trace():
    module = zoo.LSTM(3, 4)
    x = torch.randn(5, 2, 3)
    with zoo.clamp(module, f=0.25), zoo.clamp(module, i=0.0), zoo.trace(module) as record:
        module(x)
    assert record.gates["f"][0].eq(0.25).all()
    assert record.gates["i"][0].eq(0).all()
    assert record.states["c"][0].eq(0).all()


@pytest.mark.slow
def test_gradients_flow_around_a_clamped_gate():
    module = zoo.LSTM(3, 4)
    with zoo.clamp(module, f=1.0):
        module(torch.randn(5, 2, 3))[0].sum().backward()
    rows = module.weight_ih_l0.grad.split(4)
    assert rows[1].eq(0).all()  # the forget gate has no say
    assert rows[0].ne(0).any()


def test_messages():
    with pytest.raises(ValueError, match=r"'q'.*: i, f, g, o"), zoo.clamp(zoo.LSTM(3, 4), q=1.0):
        pass
    with pytest.raises(ValueError, match=r"Linear .*lstmzoo\.nn\.Recurrent"), zoo.trace(torch.nn.Linear(2, 2)):
        pass
    module = zoo.LSTM(3, 4, engine="aten")
    with pytest.raises(ValueError, match=r"'aten'.*probe"), zoo.trace(module):
        module(torch.randn(5, 2, 3))
