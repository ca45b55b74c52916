"""What the native engine does where there is no compiler, or a step that it can't compile."""

from __future__ import annotations

import errno

import pytest
import torch
from every_cell import assert_same, close_to, first_state, network, on_engines, run, sequences
from torch import sigmoid, tanh
from torch.nn import functional as F

import lstmzoo.nn as zoo
from lstmzoo.nn.engines.native import build


def assert_the_loop_takes_over_silently(module, x, capfd, reason):
    """The engine declines, says why if it was asked for, and is not missed otherwise."""
    hx = first_state(module, x)
    found, expected = (run(m, x, hx) for m in on_engines(module, "auto", "reference"))
    assert_same(found, expected, rtol=1e-12, atol=1e-12)  # torch's kernel may be the one that takes over
    assert capfd.readouterr() == ("", "")
    module.engine = "native"
    with pytest.raises(ValueError, match=f"(?s)engine 'native' can't run .*{reason}.*use engine='auto'"):
        module(x)


def no_compiler():
    raise build.BuildError("no C compiler (cc, gcc or clang) was found")


@pytest.mark.parametrize("kernel_size", [0, 3])
@pytest.mark.parametrize("name", ["gru", "peephole_lstm", "mogrifier_lstm"])
def test_without_a_compiler(name, kernel_size, cold, monkeypatch, capfd):
    monkeypatch.setattr(build, "_compilers", no_compiler)
    module = network(name, kernel=kernel_size)
    x = sequences(module, image=(3, 2) if kernel_size else ())
    assert_the_loop_takes_over_silently(module, x, capfd, "no C compiler")


def test_a_compiler_that_fails(cold, tmp_path, monkeypatch, capfd):
    compiler = tmp_path / "broken"
    compiler.write_text("#!/bin/sh\necho cannot open the licence >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setattr(build, "_compilers", lambda: [str(compiler)])
    monkeypatch.setenv("LSTMZOO_CACHE", str(tmp_path / "cache"))
    module = network("indrnn")
    assert_the_loop_takes_over_silently(module, sequences(module), capfd, "cannot open the licence")
    assert not list((tmp_path / "cache").iterdir())


def test_a_full_disk(cache, monkeypatch, capfd):
    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(build.tempfile, "TemporaryDirectory", full)
    module = network("indrnn")
    assert_the_loop_takes_over_silently(module, sequences(module), capfd, "No space left on device")


def cell(formula):
    """A cell without R, which is compiled quickly: h is a formula of two functions of x and of h before."""

    class Own(zoo.Cell):
        gates = {"a": tanh, "b": tanh}
        state = ("h",)
        input_only = ("a", "b")

        def step(self, z, s, gate, p):
            return self.State(h=formula(z.a, z.b, s.h))

    return Own


def branching(a, b, h):
    return a + h if a.sum() > 0 else b - h


def switching_gradients_off(a, b, h):
    with torch.no_grad():
        scale = h * 0.5
    return a * scale + b


def in_place(a, b, h):
    c = a * h
    torch.relu_(c)
    return c + b


def looking_at_the_type(a, b, h):
    if not isinstance(a, torch.Tensor):
        raise ValueError("no tensor")
    return a + b * h


@pytest.mark.parametrize(
    "formula",
    [
        branching,
        switching_gradients_off,
        in_place,
        looking_at_the_type,
        lambda a, b, h: torch.cat([a[:, :2], b[:, 2:]], dim=1) + h,
        lambda a, b, h: a.view(a.shape[0], 2, 2).flatten(1) + b * h,
        lambda a, b, h: torch.rand(()) * a + b * h,  # another number in every step
        lambda a, b, h: a * torch.ones(4, dtype=a.dtype) + b * h,
        lambda a, b, h: a.clamp(min=h) + b,  # the bound has a gradient
        lambda a, b, h: F.softplus(a, threshold=0.1) + b * h,
        lambda a, b, h: a - a.mean(dim=0, keepdim=True) + b * h,  # over the sequences
        lambda a, b, h: a - a.mean(dim=-2, keepdim=True) + b * h,
        lambda a, b, h: torch.softmax(a, dim=1) * h + b,
    ],
)
def test_steps_that_are_not_compiled(formula, capfd):
    module = network(cell(formula))
    assert_the_loop_takes_over_silently(module, sequences(module), capfd, "")


def test_sums_over_the_channels_of_images_are_not_compiled(capfd):
    """Of a vector, dimension 1 is all the units; of an image, it is not."""
    module = network(cell(lambda a, b, h: a - a.mean(dim=1, keepdim=True) + b * h), kernel=3)
    assert_the_loop_takes_over_silently(module, sequences(module, image=(3, 2)), capfd, "unit_mean")


@pytest.mark.parametrize(
    "formula",
    [
        lambda a, b, h: sigmoid(a) * h + a.tanh() * torch.exp(-b * b),
        lambda a, b, h: F.relu(a) + b.abs() * h + F.elu(a) + F.silu(b) + F.gelu(a),
        lambda a, b, h: F.softplus(a, beta=2) + F.logsigmoid(b) * h + F.softsign(a) + F.leaky_relu(b),
        lambda a, b, h: a**3 + torch.sqrt(b * b + 1) + h.square() / (a * a + 1) + torch.rsqrt(h * h + 2),
        lambda a, b, h: torch.log(a * a + 1) + torch.log1p(b * b) + torch.expm1(-h * h) + torch.erf(a) * h,
        lambda a, b, h: torch.maximum(a, h) + torch.minimum(b, h) + a.clamp(-0.5, 0.7) + b.clamp_min(0.1),
        lambda a, b, h: torch.where(a > b, h, a) + (b >= 0) * a + torch.where(a == 0, b, h),
        lambda a, b, h: a.sum(-1, keepdim=True) * h + torch.mean(b, dim=1, keepdim=True) + h.mean((-1,), keepdim=True),
        lambda a, b, h: torch.remainder(a, 0.3) + b % 0.7 + a.detach() * h + torch.sign(b) * h,
        lambda a, b, h: 1 - a + 2 / (b * b + 1) + torch.lerp(a, h, 0.3) + torch.addcmul(a, b, h, value=0.5),
        lambda a, b, h: torch.add(a, b, alpha=0.3) - torch.ones_like(a) * h + torch.full_like(b, 0.5) * h,
        lambda a, b, h: a * 0.5,  # looks neither at the last gate nor at the state
        lambda a, b, h: h * 0.5 + 1,  # nor at the input
    ],
)
def test_functions_that_are_compiled_equal_torchs(formula):
    """With zeros, too, where functions have their corners."""
    module = network(cell(lambda a, b, h: tanh(formula(a, b, h))))
    x = sequences(module)
    x[1] = 0
    with torch.no_grad():
        module.bias_ih_l0.zero_()
    hx = first_state(module, x)
    found, expected = (run(m, x, hx) for m in on_engines(module, "native", "reference"))
    assert_same(found, expected, **close_to(torch.float64))
