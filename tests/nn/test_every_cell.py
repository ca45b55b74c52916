"""What holds of every cell, by whatever engine runs it: time, batches, lengths, and the forms of the input."""

from __future__ import annotations

import pytest
import torch
from every_cell import ALL, CONVOLUTIONAL, as_tuple, first_state, network, sequences, unwrapped
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import lstmzoo.nn as zoo

pytestmark = pytest.mark.slow  # every cell is compiled

close = torch.testing.assert_close
LENGTHS = [2, 5, 3]


def states_of(state, b):
    """The state of one sequence of a batch, in a batch of one."""
    return unwrapped(tuple(s[:, b : b + 1] for s in as_tuple(state)))


@pytest.mark.parametrize("name", ALL)
def test_two_parts_and_single_steps_equal_the_whole(name):
    module = network(name, num_layers=2)
    x = sequences(module, 6)
    hx = unwrapped(first_state(module, x))
    whole, last = module(x, hx)
    for cuts in ([2, 4], [1] * 6):
        outputs, state = [], hx
        for part in x.split(cuts):
            output, state = module(part, state)
            outputs.append(output)
        close(torch.cat(outputs), whole)
        close(state, last)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_single_images_equal_the_film(name):
    module = network(name, 2, 3, kernel=3)
    x = sequences(module, 3, 2, (4, 3))
    whole, last = module(x)
    outputs, state = [], None
    for part in x.split(1):
        output, state = module(part, state)
        outputs.append(output)
    close(torch.cat(outputs), whole)
    close(state, last)


@pytest.mark.parametrize("name", ALL)
def test_sequences_of_a_batch_do_not_see_each_other(name):
    module = network(name, num_layers=2, bidirectional=True)
    x = sequences(module)
    hx = first_state(module, x)
    output, last = module(x, unwrapped(hx))
    for b in range(3):
        alone, alone_last = module(x[:, b : b + 1], states_of(hx, b))
        close(alone, output[:, b : b + 1])
        close(alone_last, states_of(last, b))
        unbatched, _ = module(x[:, b], unwrapped(tuple(s[:, b] for s in hx)))
        close(unbatched, output[:, b])


@pytest.mark.parametrize("name", ALL)
def test_lengths_equal_sequences_run_alone(name):
    """Padded with lengths, packed, and one by one without padding; nothing behind the end is read."""
    module = network(name, num_layers=2, bidirectional=True, dtype=torch.float32)
    x = sequences(module, 6)  # one step that no sequence reaches
    hx = first_state(module, x)
    output, last, states = module(x, unwrapped(hx), lengths=LENGTHS, return_states=True)
    packed = module(
        pack_padded_sequence(x, torch.tensor(LENGTHS), enforce_sorted=False), unwrapped(hx), return_states=True
    )
    close(pad_packed_sequence(packed[0], total_length=6)[0], output)
    close(packed[1], last)
    module.engine = "reference"
    for b, length in enumerate(LENGTHS):
        alone, alone_last, alone_states = module(x[:length, b : b + 1], states_of(hx, b), return_states=True)
        close(output[:length, b : b + 1], alone, rtol=1e-4, atol=1e-5)
        assert output[length:, b].eq(0).all()
        close(states_of(last, b), alone_last, rtol=1e-4, atol=1e-5)
        for key in states:
            close(states[key][:, :length, b : b + 1], alone_states[key], rtol=1e-4, atol=1e-5)
    module.engine = "auto"
    x[LENGTHS[0] :, 0] = float("nan")
    assert module(x, unwrapped(hx), lengths=LENGTHS, return_states=True)[0].equal(output)


@pytest.mark.parametrize("name", ALL)
def test_batch_first_only_swaps_input_and_output(name):
    module = network(name, bidirectional=True)
    twin = network(name, bidirectional=True, batch_first=True)
    x = sequences(module)
    expected, last = module(x)
    found, found_last = twin(x.transpose(0, 1))
    close(found.transpose(0, 1), expected)
    close(found_last, last)
    close(twin(x[:, 0])[0], expected[:, 0])  # a single sequence has no batch dimension to swap


@pytest.mark.parametrize("name", ALL)
def test_the_reverse_direction_is_the_forward_one_on_the_reversed_sequence(name):
    module = network(name, bidirectional=True)
    forward = network(name)
    forward.load_state_dict(
        {k.removesuffix("_reverse"): v for k, v in module.state_dict().items() if k.endswith("_reverse")}
    )
    x = sequences(module)
    output, last = module(x)
    expected, expected_last = forward(x.flip(0))
    close(output.flip(0)[..., output.shape[2] // 2 :], expected)
    close(tuple(s[1:] for s in as_tuple(last)), as_tuple(expected_last))


@pytest.mark.parametrize("name", ALL)
def test_a_reset_restarts_from_the_initial_state(name):
    """On the plain loop, which the other engines are compared with."""
    module = network(name, learn_state=True, engine="reference")
    x = sequences(module)
    reset = torch.zeros(5, 3, dtype=torch.bool)
    reset[3, 1] = True
    output, _ = module(x, reset=reset)
    close(output[:, [0, 2]], module(x[:, [0, 2]])[0])
    close(output[:, 1], torch.cat([module(x[:3, 1])[0], module(x[3:, 1])[0]]))


@pytest.mark.parametrize(
    ("name", "engine"), [("rnn_tanh", "auto"), ("mingru", "native"), ("mingru", "parallel"), ("mingru", "reference")]
)
@pytest.mark.parametrize("probe", [lambda m: zoo.clamp(m, n=0.3), zoo.trace], ids=["clamp", "trace"])
def test_probes_leave_nothing_behind_even_after_an_exception(name, engine, probe):
    module = network(name, engine=engine, dtype=torch.float32)
    x = sequences(module)
    before, expected = dict(vars(module)), module(x)[0]
    with probe(module):
        module(x)
    with pytest.raises(RuntimeError, match="equal to input_size"), probe(module):
        module(x[..., :1])
    with pytest.raises(KeyboardInterrupt), probe(module):
        raise KeyboardInterrupt
    assert vars(module) == before
    assert module(x)[0].equal(expected)


@pytest.mark.parametrize("name", ALL)
def test_tracing_changes_no_result_and_records_every_gate_and_state(name):
    """On the plain loop, which the other engines are compared with."""
    module = network(name, bidirectional=True, engine="reference")
    x = sequences(module)
    expected = module(x)
    with zoo.trace(module) as record:
        found = module(x)
    close(found, expected, rtol=0, atol=0)
    assert set(record.gates) == set(module.cell.gates)
    assert set(record.states) == set(module.cell.state)
    close(torch.cat(record.states["h"], dim=2), expected[0])
