"""The convolutional form: equal to the linear one on 1×1 images, to the papers' equations, to itself in parts."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch.autograd import gradcheck
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_sequence

import lstmzoo.nn as zoo
from lstmzoo.nn.engines.native import arrays

CELLS = [name for name in zoo.list_cells() if zoo.get_cell(name).convolutional]
OPTIONS = [{}, {"bias": False}, {"learn_state": True, "residual": True}]
close = torch.testing.assert_close


class Peephole(zoo.Cell):
    """An LSTM with peepholes, a constant vector and a mask, so that every kind of tensor a cell may have is there."""

    gates = {"i": torch.sigmoid, "f": torch.sigmoid, "g": torch.tanh, "o": torch.sigmoid}
    state = ("h", "c")
    vectors = ("p_i", "p_f", "p_o")
    constants = ("scale",)

    def make_constants(self, hidden_size):
        return {"scale": torch.arange(1.0, hidden_size + 1)}

    def recurrent_mask(self, hidden_size):
        return torch.ones(hidden_size, hidden_size).triu()

    def step(self, z, s, gate, p):
        i, f = gate.i(z.i + p.p_i * s.c), gate.f(z.f + p.p_f * s.c)
        c = f * s.c + i * gate.g(z.g)
        return self.State(h=gate.o(z.o + p.p_o * c) * torch.tanh(c * p.scale), c=c)


class PlainPeephole(Peephole):
    """Shi et al.'s cell: the same without constant and mask."""

    constants = ()

    def recurrent_mask(self, hidden_size):
        return None

    def make_constants(self, hidden_size):
        return {}

    def step(self, z, s, gate, p):
        i, f = gate.i(z.i + p.p_i * s.c), gate.f(z.f + p.p_f * s.c)
        c = f * s.c + i * gate.g(z.g)
        return self.State(h=gate.o(z.o + p.p_o * c) * torch.tanh(c), c=c)


class Twice(zoo.Cell):
    """A simple network of two products that counts its steps, in a state of width 1."""

    gates = {"n": torch.tanh}
    state = ("h", "count")
    matrices = {"up": ("hidden", "input"), "back": ("input", "hidden")}
    manual_projection = True

    def state_shapes(self, hidden_size, output_size):
        return {"h": (output_size,), "count": (1,)}

    def step(self, z, s, gate, p):
        z = z(z.x + p.back(s.h), p.up(z.x))
        return self.State(h=gate.n(z.n) / (1 + s.count), count=s.count + 1)


def as_tuple(state):
    return state if isinstance(state, tuple) else (state,)


def randomise(module):
    """Draw all parameters anew, larger than they start, and none of them 0 or 1."""
    with torch.no_grad():
        for weight in module.parameters():
            weight.uniform_(-0.7, 0.7)
    return module


def conv(cell, *arguments, seed=0, engine="reference", **options):
    torch.manual_seed(seed)
    return randomise(zoo.ConvRecurrent(cell, *arguments, engine=engine, dtype=torch.float64, **options))


def images(*shape, seed=1):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("options", OPTIONS, ids=["plain", "no bias", "learned state, residual"])
@pytest.mark.parametrize("cell", [*CELLS, Peephole, Twice])
def test_kernels_and_images_of_one_pixel_are_the_linear_form(cell, options):
    module = conv(cell, 3, 4, 1, num_layers=2, bidirectional=True, **options)
    linear = zoo.Recurrent(
        cell, 3, 4, num_layers=2, bidirectional=True, engine="reference", dtype=torch.float64, **options
    )
    assert [name for name, _ in module.named_parameters()] == [name for name, _ in linear.named_parameters()]
    linear.load_state_dict({k: v.reshape(linear.state_dict()[k].shape) for k, v in module.state_dict().items()})
    x = images(5, 3, 3)
    kinds = {"lengths": [5, 1, 3]}, {"reset": torch.rand(5, 3) < 0.5}
    for given in kinds:
        found = module(x[..., None, None], return_states=True, **given)
        expected = linear(x, return_states=True, **given)
        close(found.output[..., 0, 0], expected.output, rtol=1e-11, atol=1e-11)
        for a, b in zip(as_tuple(found.last), as_tuple(expected.last), strict=True):
            close(a[..., 0, 0], b, rtol=1e-11, atol=1e-11)
        for name in expected.states:
            close(found.states[name][..., 0, 0], expected.states[name], rtol=1e-11, atol=1e-11)


def split(module, name, count):
    return getattr(module, name).chunk(count)


@pytest.mark.parametrize("kernel", [3, 5, (1, 3)])
def test_conv_lstm_is_equation_3_of_shi_et_al(kernel):
    """Input and forget gate see C₋, the output gate C, each through its own weight for every channel and pixel."""
    module = conv(PlainPeephole, 2, 3, kernel, peephole="full", image_size=(5, 7))
    w_xi, w_xf, w_xc, w_xo = split(module, "weight_ih_l0", 4)
    w_hi, w_hf, w_hc, w_ho = split(module, "weight_hh_l0", 4)
    b_i, b_f, b_c, b_o = (a + b for a, b in zip(*(split(module, f"bias_{k}_l0", 4) for k in ("ih", "hh")), strict=True))
    x, h, c = images(4, 2, 2, 5, 7), images(2, 3, 5, 7, seed=2), images(2, 3, 5, 7, seed=3)
    output, last = module(x, (h[None], c[None]))
    for t in range(4):
        i = torch.sigmoid(
            F.conv2d(x[t], w_xi, b_i, padding="same") + F.conv2d(h, w_hi, padding="same") + module.p_i_l0 * c
        )
        f = torch.sigmoid(
            F.conv2d(x[t], w_xf, b_f, padding="same") + F.conv2d(h, w_hf, padding="same") + module.p_f_l0 * c
        )
        g = torch.tanh(F.conv2d(x[t], w_xc, b_c, padding="same") + F.conv2d(h, w_hc, padding="same"))
        c = f * c + i * g
        o = torch.sigmoid(
            F.conv2d(x[t], w_xo, b_o, padding="same") + F.conv2d(h, w_ho, padding="same") + module.p_o_l0 * c
        )
        h = o * torch.tanh(c)
        close(output[t], h, rtol=1e-11, atol=1e-11)
    close(last, (h[None], c[None]), rtol=1e-11, atol=1e-11)


@pytest.mark.slow
def test_conv_gru_is_its_equations():
    torch.manual_seed(0)
    module = randomise(zoo.ConvGRU(2, 3, 3, dtype=torch.float64))
    x, h = images(4, 2, 2, 6, 5), images(2, 3, 6, 5, seed=2)
    output, _ = module(x, h[None])
    for t in range(4):
        of_x = F.conv2d(x[t], module.weight_ih_l0, module.bias_ih_l0, padding=1).chunk(3, 1)
        of_h = F.conv2d(h, module.weight_hh_l0, module.bias_hh_l0, padding=1).chunk(3, 1)
        r, z = torch.sigmoid(of_x[0] + of_h[0]), torch.sigmoid(of_x[1] + of_h[1])
        h = (1 - z) * torch.tanh(of_x[2] + r * of_h[2]) + z * h
        close(output[t], h, rtol=1e-11, atol=1e-11)


@pytest.mark.slow
def test_named_classes_are_cells_by_name():
    x = images(3, 2, 2, 4, 4)
    for named, cell in ((zoo.ConvLSTM, "lstm"), (zoo.ConvGRU, "gru")):
        module = named(2, 3, 3, 2, True, False, 0.0, True, dtype=torch.float64)
        twin = zoo.ConvRecurrent(cell, 2, 3, 3, 2, True, False, 0.0, True, dtype=torch.float64)
        twin.load_state_dict(module.state_dict())
        close(twin(x), module(x))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("kernel", [2, 3, (4, 3), (3, 2)])
@pytest.mark.parametrize("size", [(5, 7), (1, 3), (8, 8)])
def test_images_keep_their_size_with_kernels_of_any_size(kernel, size):
    """Against torch's own "same" padding, which puts the odd zero of an even kernel behind."""
    module = conv("rnn_tanh", 2, 3, kernel, recurrent_kernel_size=3)
    x = images(2, 2, 2, *size)
    output, last = module(x)
    assert output.shape == (2, 2, 3, *size)
    assert last.shape == (1, 2, 3, *size)
    first = torch.tanh(F.conv2d(x[0], module.weight_ih_l0, module.bias_ih_l0 + module.bias_hh_l0, padding="same"))
    close(output[0], first)


@pytest.mark.slow
@pytest.mark.parametrize("cell", [*CELLS, Peephole, Twice])
def test_derivatives(cell):
    module = conv(cell, 2, 2, (2, 3), 2, bidirectional=True)
    names = [name for name, _ in module.named_parameters()]
    shapes = module.state_shapes(torch.empty(2, 3)).values()
    states = [0.5 * images(4, 2, *shape, seed=k) for k, shape in enumerate(shapes)]

    def function(x, *rest):
        hx = rest[: len(states)] if len(states) > 1 else rest[0]
        parameters = dict(zip(names, rest[len(states) :], strict=True))
        output, last = torch.func.functional_call(module, parameters, (x, hx), {"lengths": [3, 2]})
        return (output, *as_tuple(last))

    leaves = (images(3, 2, 2, 2, 3), *states, *(w.detach().clone() for w in module.parameters()))
    assert gradcheck(function, tuple(leaf.requires_grad_() for leaf in leaves), fast_mode=True)


@pytest.mark.parametrize("options", [{}, {"peephole": "full", "image_size": (5, 4)}, {"peephole": "none"}])
def test_carried_state_and_batch_first(options):
    module = conv(Peephole, 2, 3, 3, 2, **options)
    x = images(6, 2, 2, 5, 4)
    whole, last = module(x)
    first, middle = module(x[:4])
    second, end = module(x[4:], middle)
    close(torch.cat([first, second]), whole)
    close(end, last)
    twin = conv(Peephole, 2, 3, 3, 2, batch_first=True, **options)
    found, found_last = twin(x.transpose(0, 1))
    close(found.transpose(0, 1), whole)
    close(found_last, last)
    alone, alone_last = twin(x[:, 1], tuple(torch.zeros_like(s[:, 1]) for s in last))  # one sequence
    close(alone, whole[:, 1])
    close(alone_last, tuple(s[:, 1] for s in last))


@pytest.mark.parametrize("cell", [*CELLS, Twice])
def test_lengths_equal_sequences_run_alone(cell):
    module = conv(cell, 2, 3, 3, 2, bidirectional=True)
    x = images(5, 3, 2, 4, 3)
    output, last = module(x, lengths=[2, 4, 1])
    for b, length in enumerate([2, 4, 1]):
        alone, alone_last = module(x[:length, b])
        close(output[:length, b], alone)
        assert output[length:, b].eq(0).all()
        close(tuple(s[:, b] for s in as_tuple(last)), as_tuple(alone_last))


def test_reset_begins_with_the_learned_state():
    module = conv("lstm", 2, 3, 3, learn_state=True)
    assert module.first_h_l0.shape == (3, 1, 1)  # one number per channel, for any image size
    x = images(5, 2, 2, 4, 6)
    reset = torch.zeros(5, 2, dtype=torch.bool)
    reset[3, 1] = True
    output, _ = module(x, reset=reset)
    close(output[:, 0], module(x[:, 0])[0])
    close(output[:, 1], torch.cat([module(x[:3, 1])[0], module(x[3:, 1])[0]]))


@pytest.mark.parametrize("peephole", ["none", "channel"])
def test_inside_the_border_a_shifted_film_gives_a_shifted_output(peephole):
    module = conv(Peephole, 2, 3, 3, peephole=peephole)
    x = images(3, 1, 2, 14, 15)
    output, _ = module(x)
    shifted, _ = module(x.roll((2, 1), (-2, -1)))
    seen = 3  # pixels: three steps of a 3×3 kernel, one pixel each
    inside = (..., slice(seen + 2, -seen), slice(seen + 1, -seen))
    close(shifted[inside], output.roll((2, 1), (-2, -1))[inside])
    assert not torch.allclose(shifted, output)


def test_peepholes_none_channel_full():
    """Zero peepholes are none; equal ones at all pixels are those per channel."""
    none = conv(Peephole, 2, 3, 3, peephole="none")
    channel = conv(Peephole, 2, 3, 3)
    full = conv(Peephole, 2, 3, 3, peephole="full", image_size=4)
    assert not [name for name, _ in none.named_parameters() if name.startswith("p_")]
    assert channel.p_i_l0.shape == (3, 1, 1)
    assert full.p_i_l0.shape == (3, 4, 4)
    x = images(4, 2, 2, 4, 4)
    weights = channel.state_dict()
    full.load_state_dict({k: v.expand_as(full.state_dict()[k]) for k, v in weights.items()})
    close(full(x), channel(x))
    none.load_state_dict({k: v for k, v in weights.items() if not k.startswith("p_")})
    channel.load_state_dict({k: v * (0 if k.startswith("p_") else 1) for k, v in weights.items()})
    close(none(x), channel(x))


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"peephole": "full", "image_size": (5, 4)}, {"checkpoint_steps": 2}])
@pytest.mark.parametrize("kernel", [3, (2, 5)])
def test_the_fast_engine_gives_the_numbers_and_gradients_of_the_plain_loop(kernel, options):
    found, expected = (conv(Peephole, 2, 3, kernel, 2, engine=e, **options) for e in ("auto", "reference"))
    x = images(5, 2, 2, 5, 4)
    for module in (found, expected):
        output, last = module(x, lengths=[5, 3])
        (output.square().sum() + last[1].sum()).backward()
    close(found(x), expected(x))
    close([w.grad for w in found.parameters()], [w.grad for w in expected.parameters()])


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("cell", [Peephole, Twice, "gru", "mingru", "layer_norm_lstm", "depth_gated_lstm"])
def test_the_fast_engine_works_in_pieces_of_time(cell, steps, monkeypatch):
    """W x and the gradients of W, R and x are computed for some steps at a time: here one, or two and one left over."""
    options = {"peephole": "full", "image_size": (4, 3)} if cell is Peephole else {}
    modules = [conv(cell, 2, 3, (3, 2), 2, bidirectional=True, engine=e, **options) for e in ("native", "reference")]
    gates, pixels = len(modules[0].cell.gates), 2 * 4 * 3
    monkeypatch.setattr(arrays, "PIECE", steps * gates * 3 * pixels * 8)
    x = images(5, 2, 2, 4, 3).requires_grad_()
    results = []
    for module in modules:
        output, last = module(x, lengths=[5, 3])
        total = output.square().sum() + sum(s.sum() for s in as_tuple(last))
        first = torch.autograd.grad(total, [x, *module.parameters()], create_graph=True, materialize_grads=True)
        second = torch.autograd.grad(first[0].square().sum(), [x, *module.parameters()], materialize_grads=True)
        again = torch.autograd.grad(module(x)[0].square().sum(), [x, *module.parameters()], materialize_grads=True)
        results.append([output, *as_tuple(last), *first, *second, *again])
    close(*results, rtol=1e-9, atol=1e-9)


def test_the_fast_engine_shares_rows_out_among_threads():
    modules = [conv(Peephole, 2, 3, 3, engine=e) for e in ("native", "reference")]
    x, threads = images(3, 2, 2, 5, 7), torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        found, expected = (torch.autograd.grad(m(x)[0].square().sum(), list(m.parameters())) for m in modules)
    finally:
        torch.set_num_threads(threads)
    close(found, expected)


def test_trace_and_clamp_see_images():
    module = conv("lstm", 2, 3, 3, 2, bidirectional=True)
    x = images(4, 2, 2, 5, 6)
    with zoo.trace(module) as t:
        expected, _ = module(x)
    assert [gate.shape for gate in t.gates["f"]] == [(4, 2, 3, 5, 6)] * 4
    close(torch.cat([t.states["h"][2], t.states["h"][3]], dim=2), expected)
    c = images(4, 2, 3, 5, 6)
    with zoo.clamp(module, f=1.0, i=0.0):
        _, (_, kept) = module(x, (torch.zeros_like(c), c))
    close(kept, c)  # the memory of every pixel is kept as it is


def test_options_of_recurrent_work_on_images():
    x = images(6, 2, 2, 4, 5)
    keep_all = conv("lstm", 2, 3, 3, zoneout=1.0)
    assert keep_all(x)[0].eq(0).all()  # every unit keeps its first state
    dropped = conv("lstm", 2, 3, 3, 2, dropout=0.5, variational=True, recurrent_dropout=0.3, weight_drop=0.3)
    assert not torch.equal(dropped(x)[0], dropped(x)[0])
    plain = conv("lstm", 2, 3, 3, 2)
    plain.load_state_dict(dropped.state_dict())
    close(dropped.eval()(x), plain(x))
    segments = conv("lstm", 2, 3, 3, 2, checkpoint_steps=2)
    for module in (plain, segments):
        module.load_state_dict(plain.state_dict())
        module(x)[0].square().sum().backward()
    close([w.grad for w in segments.parameters()], [w.grad for w in plain.parameters()])
    projected = conv("lstm", 2, 3, 3, proj_size=2)
    assert projected(x)[0].shape == (6, 2, 2, 4, 5)
    hard = conv("lstm", 2, 3, 3, gates="hard")
    assert not torch.equal(hard(x)[0], conv("lstm", 2, 3, 3)(x)[0])


def test_initialisation_keeps_the_range_of_the_sums():
    module = zoo.ConvLSTM(3, 32, 3, forget_bias=1.0, orthogonal=True, recurrent_kernel_size=1)
    bound = 1 / (3 * 3 * 3) ** 0.5
    assert 0.95 * bound < module.weight_ih_l0.abs().max() <= bound
    close((module.bias_ih_l0 + module.bias_hh_l0)[32:64], torch.ones(32))
    block = module.weight_hh_l0[:32].flatten(1)
    close(block @ block.T, torch.eye(32), atol=1e-5, rtol=0)
    assert zoo.ConvGRU(3, 16, 3).weight_hh_l0.abs().max() <= 1 / (16 * 9) ** 0.5


def test_state_dict_copies_and_pickles():
    module = conv(Peephole, 2, 3, (3, 2), 2, peephole="none")
    x = images(3, 2, 2, 4, 4)
    twin = conv(Peephole, 2, 3, (3, 2), 2, peephole="none", seed=9)
    twin.load_state_dict(module.state_dict())
    for other in (twin, copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        close(other(x), module(x), rtol=0, atol=0)


def test_messages_name_value_and_remedy():
    class Flat(zoo.Cell):
        gates = {"n": torch.tanh}
        state = ("h",)
        convolutional = False

        def step(self, z, s, gate, p):
            return self.State(h=gate.n(z.n))

    with pytest.raises(ValueError, match=r"Flat\(\).*: .*gru.*lstm"):
        zoo.ConvRecurrent(Flat, 2, 3, 3)
    with pytest.raises(ValueError, match=r"^kernel_size.*got 0"):
        zoo.ConvLSTM(2, 3, 0)
    with pytest.raises(ValueError, match=r"recurrent_kernel_size must be .*; got \(3, 3, 3\)"):
        zoo.ConvLSTM(2, 3, 3, recurrent_kernel_size=(3, 3, 3))
    with pytest.raises(ValueError, match=r"'ful'.*'full'"):
        zoo.ConvLSTM(2, 3, 3, peephole="ful")
    with pytest.raises(ValueError, match=r"peephole='full'.*LSTM\(\)"):
        zoo.ConvLSTM(2, 3, 3, peephole="full", image_size=4)
    with pytest.raises(ValueError, match=r"image_size=\(H, W\).*peephole='channel'"):
        zoo.ConvRecurrent(Peephole, 2, 3, 3, peephole="full")
    with pytest.raises(ValueError, match=r"image_size=\(4, 4\).*peephole='full'"):
        zoo.ConvRecurrent(Peephole, 2, 3, 3, image_size=4)
    full = zoo.ConvRecurrent(Peephole, 2, 3, 3, peephole="full", image_size=(4, 6))
    with pytest.raises(RuntimeError, match=r"\(4, 6\), got \(4, 5\)"):
        full(torch.zeros(3, 1, 2, 4, 5))
    module = zoo.ConvLSTM(2, 3, 3)
    with pytest.raises(RuntimeError, match=r"ConvLSTM: .*2 .*, got 5 .*in_channels=5"):
        module(torch.zeros(3, 1, 5, 4, 4))
    with pytest.raises(ValueError, match=r"\(T, B, C, H, W\).*\(T, C, H, W\).*got 3"):
        module(torch.zeros(2, 4, 4))
    with pytest.raises(TypeError, match=r"PackedSequence.*lengths"):
        module(pack_sequence([torch.zeros(3, 2, 4, 4)]))
    wrong = torch.zeros(1, 1, 3, 4, 5)
    with pytest.raises(RuntimeError, match=r"Expected hidden\[0\] size \(1, 1, 3, 4, 4\), got \[1, 1, 3, 4, 5\]"):
        module(torch.zeros(3, 1, 2, 4, 4), (wrong, wrong))
    with pytest.raises(RuntimeError, match=r"5-D.*hx and cx.*5-D"):
        module(torch.zeros(3, 1, 2, 4, 4), (wrong[0], wrong[0]))
    with pytest.raises(ValueError, match="engine 'aten' can't run"):
        zoo.ConvLSTM(2, 3, 3, engine="aten")(torch.zeros(3, 1, 2, 4, 4))


def test_repr_shows_cell_kernels_and_peepholes():
    module = zoo.ConvRecurrent("gru", 2, 3, 3, 2, recurrent_kernel_size=(1, 5), batch_first=True)
    sizes = "2, 3, kernel_size=(3, 3), recurrent_kernel_size=(1, 5), num_layers=2, batch_first=True"
    assert repr(module) == f"ConvRecurrent('gru', {sizes})"
    assert repr(zoo.ConvLSTM(2, 3, (3, 5))) == "ConvLSTM(2, 3, kernel_size=(3, 5))"
    full = zoo.ConvRecurrent(Peephole(), 2, 3, 1, peephole="full", image_size=4)
    assert "Peephole(), 2, 3, kernel_size=(1, 1), peephole='full', image_size=(4, 4)" in repr(full)
