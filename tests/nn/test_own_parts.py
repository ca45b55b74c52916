"""Cells of your own: modules and parameters inside them, and what is said where one of them is wrong."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from every_cell import network, sequences
from torch import nn

import lstmzoo.nn as zoo
from lstmzoo.nn.engines.native import build


def own(step, **attributes):
    """A cell class of one gate and one state, but for what is given."""
    return type("Own", (zoo.Cell,), {"gates": {"n": torch.tanh}, "state": ("h",), "step": step, **attributes})


class Gained(zoo.Cell):
    """h = tanh(z + a ⊙ (M h₋)), M and a being PyTorch's own."""

    gates, state = {"n": torch.tanh}, ("h",)

    def __init__(self):
        self.map = nn.Linear(4, 4)
        self.gain = nn.Parameter(torch.full((4,), 0.5))

    def step(self, z, s, gate, p):
        return self.State(h=gate.n(z.n + self.gain * self.map(s.h)))


INSIDE = {"learned.gain", "learned.map.weight", "learned.map.bias"}


def by_hand(weights, x):
    """The same, of the layer's weights and those inside."""
    h, states = x.new_zeros(x.shape[1], 4), []
    for now in x:
        z = now @ weights["weight_ih_l0"].T + weights["bias_ih_l0"] + h @ weights["weight_hh_l0"].T
        inside = h @ weights["learned.map.weight"].T + weights["learned.map.bias"]
        h = torch.tanh(z + weights["bias_hh_l0"] + weights["learned.gain"] * inside)
        states.append(h)
    return torch.stack(states)


def test_what_a_cell_learns_by_itself_is_trained_saved_and_moved():
    module = zoo.Recurrent(Gained, 3, 4)
    x = torch.randn(5, 2, 3)
    assert set(module.state_dict()) == INSIDE | {"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"}
    torch.testing.assert_close(module(x)[0], by_hand(module.state_dict(), x))
    before = {name: weight.clone() for name, weight in module.named_parameters()}
    optimiser = torch.optim.SGD(module.parameters(), lr=1.0)
    module(x)[0].square().sum().backward()
    optimiser.step()
    assert not [name for name, weight in module.named_parameters() if weight.equal(before[name])]
    for changed in (copy.deepcopy(module).double(), zoo.Recurrent(Gained, 3, 4, dtype=torch.float64)):
        assert {weight.dtype for weight in changed.parameters()} == {torch.float64}
        torch.testing.assert_close(changed(x.double())[0], by_hand(changed.state_dict(), x.double()))
    assert zoo.Recurrent(Gained, 3, 4, device="meta").cell.gain.is_meta


def test_new_weights_for_a_cells_own_are_used():
    """Whether they are loaded, assigned, put in for one call, or come with a pickle."""
    module, other = zoo.Recurrent(Gained, 3, 4), zoo.Recurrent(Gained, 3, 4)
    x, weights = torch.randn(5, 2, 3), other.state_dict()
    expected = other(x)[0]
    assert torch.func.functional_call(module, weights, (x,))[0].equal(expected)
    assert copy.deepcopy(other)(x)[0].equal(expected)
    file = io.BytesIO()
    torch.save(other, file)
    file.seek(0)
    assert torch.load(file, weights_only=False)(x)[0].equal(expected)
    for options in ({"assign": True}, {}):
        module = zoo.Recurrent(Gained, 3, 4)
        module.load_state_dict(weights, **options)
        assert module(x)[0].equal(expected)


def test_layers_directions_and_networks_of_one_object_share_what_it_learns():
    cell = Gained()
    weight = cell.map.weight.detach().clone()
    stack = zoo.Recurrent(cell, 4, 4, 2, bidirectional=True, orthogonal=True)
    assert {name for name, _ in stack.named_parameters() if "learned" in name} == INSIDE
    stack.reset_parameters()
    assert cell.map.weight.equal(weight), "what a cell made is not drawn anew"
    assert zoo.Recurrent(cell, 4, 4).cell.map is cell.map
    assert zoo.Recurrent(Gained, 4, 4).cell.map is not zoo.Recurrent(Gained, 4, 4).cell.map


def test_modules_inside_follow_train_and_eval_and_are_exported():
    def step(self, z, s, gate, p):
        return self.State(h=self.drop(gate.n(z.n)))

    cell = own(step, __init__=lambda self: setattr(self, "drop", nn.Dropout(1.0)))
    module, x = zoo.Recurrent(cell, 3, 4), torch.randn(5, 2, 3)
    assert module(x)[0].eq(0).all()
    assert module.eval()(x)[0].ne(0).all()
    module = zoo.Recurrent(Gained, 3, 4)
    torch.testing.assert_close(torch.export.export(module, (x,)).module()(x)[0], module(x)[0])


def test_what_takes_the_place_of_something_learned_is_what_the_cell_has():
    cell = Gained()
    cell.gain = 3.0
    del cell.map
    assert (cell.gain, hasattr(cell, "map"), dict(cell.learned.named_parameters())) == (3.0, False, {})
    cell.gain, cell.map = nn.Parameter(torch.ones(4)), nn.Linear(4, 4, bias=False)
    assert {name for name, _ in zoo.Recurrent(cell, 3, 4).named_parameters()} >= {"learned.gain", "learned.map.weight"}
    assert isinstance(cell.gain, nn.Parameter)
    cell.rounds = 2
    del cell.rounds
    with pytest.raises(AttributeError, match="rounds"):
        del cell.rounds


def test_what_a_property_misses_is_named():
    class Missing(Gained):
        @property
        def weight(self):
            return self.nowhere

    for read in (lambda cell: cell.weight, lambda cell: cell.nowhere):
        with pytest.raises(AttributeError, match=r"'Missing'.*'nowhere'"):
            read(Missing())


@pytest.mark.parametrize("gates", [{"n": torch.relu}, ["hard"], None, torch.relu])
def test_gates_are_a_kind_not_functions(gates):
    with pytest.raises(ValueError, match=r"gates.*: binary, hard, soft"):
        zoo.Recurrent("gru", 3, 4, gates=gates)


def identity(self, z, s, gate, p):
    return self.State(h=gate.n(z.n))


@pytest.mark.parametrize(
    "attributes",
    [
        {"gates": {"n": nn.PReLU()}},
        {"map": nn.Linear(4, 4)},  # of the class: all objects would share it
        {"__init__": lambda self: setattr(self, "maps", [nn.Linear(4, 4)])},
        {"__init__": lambda self: setattr(self, "maps", {"a": (nn.Parameter(torch.ones(4)),)})},
        {"__init__": lambda self: setattr(self, "gain", torch.ones(4, requires_grad=True))},
        {"__init__": lambda self: setattr(self, "gains", [torch.ones(4, requires_grad=True)])},
        {"__init__": lambda self: setattr(self, "gain", 2 * nn.Parameter(torch.ones(4)))},
    ],
)
def test_parameters_where_nobody_would_find_them_are_refused(attributes):
    with pytest.raises(TypeError, match=r"torch\.nn\.ModuleList"):
        zoo.Recurrent(own(identity, **attributes), 4, 4)


SHAPES = {
    "one number": lambda n: n.sum(1, keepdim=True),
    "another batch": lambda n: n[:1],
    "no tensor": lambda n: 1.0,
    "a dimension more": lambda n: n[:, None],
}


@pytest.mark.parametrize("given", [{}, {"lengths": [3, 2]}], ids=str)
@pytest.mark.parametrize("engine", ["auto", "reference", "native"])
@pytest.mark.parametrize("wrong", SHAPES)
def test_a_state_of_another_shape_is_refused_by_every_engine(wrong, engine, given):
    """The result must not hang on whether there is a C compiler."""
    module = network(own(lambda self, z, s, gate, p: self.State(h=SHAPES[wrong](gate.n(z.n)))), engine=engine)
    with pytest.raises(ValueError, match=r"'h' as \((2, 4|B, H)\)|can't run .*(traced|know)"):
        module(sequences(module, 3, 2), **given)


WITHOUT_A_BATCH = {
    "a vector": lambda z, p: p.u,
    "of a vector": lambda z, p: torch.sigmoid(p.u) * 2,
    "of a constant": lambda z, p: 1 - p.k,
    "zeros": lambda z, p: torch.zeros_like(p.u),
    "a number": lambda z, p: 0.0,
}


@pytest.mark.parametrize("compiler", [True, False])
@pytest.mark.parametrize("engine", ["auto", "reference", "native"])
@pytest.mark.parametrize("state", ["h", "c"])
@pytest.mark.parametrize("wrong", WITHOUT_A_BATCH)
def test_a_state_without_a_batch_is_refused_by_every_engine(wrong, state, engine, compiler, cold, monkeypatch):
    def step(self, z, s, gate, p):
        return self.State(**{"h": gate.n(z.n), "c": s.c + z.n, state: WITHOUT_A_BATCH[wrong](z, p)})

    def none():
        raise build.BuildError("no C compiler was found")

    if not compiler:
        monkeypatch.setattr(build, "_compilers", none)
    constants = {"constants": ("k",), "make_constants": lambda self, units: {"k": torch.ones(units)}}
    module = network(own(step, state=("h", "c"), vectors=("u",), **constants), engine=engine)
    with pytest.raises(ValueError, match=rf"'{state}' as \((2|B), .*; got (\((4|7),\)|a float|\(B, f)"):
        module(sequences(module, 3, 2))


def test_a_state_that_only_the_compiler_takes_for_narrow_is_right():
    def step(self, z, s, gate, p):
        return self.State(h=gate.n(z.n).sum(1, keepdim=True) * torch.ones_like(z.n))

    module = network(own(step))
    output, _ = module(sequences(module))
    module.engine = "reference"
    torch.testing.assert_close(output, module(sequences(module))[0])


def test_projected_states_and_images_keep_their_shapes():
    for module in (network("peephole_lstm", proj_size=2), network("clockwork", kernel=3)):
        module.engine = "reference"
        image = (3, 2) if isinstance(module, zoo.ConvRecurrent) else ()
        assert module(sequences(module, image=image))[0].isfinite().all()


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda self, z, s, gate, p: self.State(h=gate.m(z.n)), "gate 'm'.*: n"),
        (lambda self, z, s, gate, p: self.State(h=gate.n(z.q)), "gate 'q'.*: n"),
        (lambda self, z, s, gate, p: self.State(h=s.c), "state 'c'.*: h"),
        (lambda self, z, s, gate, p: self.State(h=p.pi * z.n), r"'pi'.*'p_i'"),
        (lambda self, z, s, gate, p: s.h, r"self\.State\(\.\.\.\).*(Tensor|Symbol)"),
        (lambda self, z, s, gate, p: (s.h,), r"self\.State\(\.\.\.\).*tuple"),
    ],
)
def test_slips_of_the_pen_are_named(step, message):
    module = network(own(step, vectors=("p_i",)))
    for engine in ("auto", "native"):
        module.engine = engine
        with pytest.raises((AttributeError, TypeError, ValueError), match=message):
            module(sequences(module))


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"state_shapes": lambda self, h, o: {"past": (3, h)}, "state": ("h", "past")}, "state_shapes.*'h', 'past'"),
        ({"state_shapes": lambda self, h, o: {"c": (h,), "h": (o,)}, "state": ("h", "c")}, "in this order"),
        ({"gate_sizes": lambda self, h: {}}, r"gate_sizes.*\('n',\)"),
        ({"constants": ("speed",)}, "make_constants.*speed"),
    ],
)
def test_hooks_that_leave_something_out_are_named(attributes, message):
    with pytest.raises(ValueError, match=message):
        zoo.Recurrent(own(identity, **attributes), 3, 4)


def test_cells_that_are_not_whole_are_refused_before_their_first_use():
    for attributes in ({"gates": {"n": torch.tanh}}, {"state": ("h",)}, {}):
        cell = type("Half", (zoo.Cell,), {"step": identity, **attributes})
        with pytest.raises(TypeError, match=r"Half.*gates.*state"):
            zoo.Recurrent(cell, 3, 4)


def test_declarations_that_name_what_is_not_there_are_refused():
    for attributes in ({"vector_init": {"u": 1.0}}, {"initial_values": {"c": 1.0}}, {"matrices": {"q": "hidden"}}):
        with pytest.raises(TypeError, match=f"Own.{next(iter(attributes))}"):
            own(identity, **attributes)


class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, g):
        return 2 * g


def test_a_function_with_a_derivative_of_its_own_runs_in_the_loop_which_says_so():
    module = network(own(lambda self, z, s, gate, p: self.State(h=gate.n(Twice.apply(z.n)))))
    module(sequences(module))[0].sum().backward()
    module.engine = "native"
    with pytest.raises(ValueError, match=r"torch\.autograd\.Function"):
        module(sequences(module))


def test_a_batch_of_no_sequences():
    for engine in ("auto", "native", "reference"):
        output, last = network("peephole_lstm", engine=engine)(torch.zeros(5, 0, 3, dtype=torch.float64))
        assert output.shape == (5, 0, 4)
        assert last[0].shape == (1, 0, 4)


FUNCTIONS = {
    "relu": torch.relu,
    "clamp": lambda x: x.clamp(-0.5, 0.5),
    "clamp from below": lambda x: x.clamp_min(0.0),
    "clamp from above": lambda x: torch.clamp(x, max=0.0),
    "hardtanh": nn.functional.hardtanh,
    "hardsigmoid": nn.functional.hardsigmoid,
    "elu": nn.functional.elu,
    "maximum": lambda x: torch.maximum(x, torch.zeros_like(x)),
    "minimum": lambda x: torch.minimum(x, torch.zeros_like(x)),
}


def test_corners_have_torchs_derivatives():
    """At bounds, infinity and NaN: the loss is lost, but two engines should not disagree on how."""
    corners = torch.tensor([-3.0, -1, -0.5, 0, 0.5, 1, 3, torch.nan, torch.inf, -torch.inf])

    for name, function in FUNCTIONS.items():
        cell = own(lambda self, z, s, gate, p, f=function: self.State(h=f(z.n)), input_only=("n",))
        found = []
        for engine in ("auto", "reference"):
            module = zoo.Recurrent(cell, 1, 10, engine=engine)
            with torch.no_grad():
                module.bias_ih_l0.copy_(corners)
            module(torch.zeros(1, 1, 1))[0].sum().backward()
            found.append(module.bias_ih_l0.grad)
        torch.testing.assert_close(*found, msg=name)
