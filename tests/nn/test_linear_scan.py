"""The scan over time against the loop that it stands for."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from lstmzoo.nn import linear_scan as module
from lstmzoo.nn.linear_scan import linear_scan


def loop(a, b, h):
    outputs = []
    for a_t, b_t in zip(a, b, strict=True):
        h = a_t * h + b_t
        outputs.append(h)
    return torch.stack(outputs)


@pytest.fixture(params=["pairs", "order"])
def way(request, monkeypatch):
    """Both ways of computing it: pairs of steps, and one step after the other, as for wide states on a CPU."""
    monkeypatch.setattr(module, "_WIDE", 1 if request.param == "order" else 10**9)


def drawn(steps, *size, dtype=torch.float64):
    torch.manual_seed(steps)
    return (
        torch.rand(steps, *size, dtype=dtype),
        torch.randn(steps, *size, dtype=dtype),
        torch.randn(*size, dtype=dtype),
    )


@pytest.mark.parametrize("steps", [1, 2, 3, 8, 9, 16, 17, 31, 100, 257])
def test_equals_the_loop(steps, way):
    a, b, first = drawn(steps, 2, 3)
    torch.testing.assert_close(linear_scan(a, b, first), loop(a, b, first), rtol=1e-10, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 19])
def test_derivatives(steps, way):
    given = tuple(x.requires_grad_() for x in drawn(steps, 2))
    assert gradcheck(linear_scan, given, check_forward_ad=True, check_batched_grad=True)
    assert gradgradcheck(linear_scan, given)


def test_transforms(way):
    a, b, first = drawn(20, 3)
    several = torch.stack([a, a / 2])
    mapped = torch.vmap(linear_scan, (0, None, None))(several, b, first)
    torch.testing.assert_close(mapped[1], loop(a / 2, b, first))
    jacobian = torch.func.jacrev(linear_scan)(a, b, first)
    torch.testing.assert_close(jacobian, torch.func.jacfwd(linear_scan)(a, b, first))


def test_sizes_and_types_are_brought_together():
    a, b, first = drawn(20, 2, 3)
    found = linear_scan(a[:, :1, :1].float(), b, first[0])
    torch.testing.assert_close(found, loop(a[:, :1, :1].float(), b, first[0].expand(2, 3)))


def test_single_precision_with_gates_from_exactly_0_to_1(way):
    """2000 steps: products of all gates underflow, and nothing may be divided by them."""
    a, b, first = drawn(2000, 64, dtype=torch.float32)
    a = (a * 6 - 3).clamp(0, 1)
    b.requires_grad_()
    found = linear_scan(a, b, first)
    torch.testing.assert_close(found.double(), loop(a.double(), b.double(), first.double()), rtol=1e-5, atol=1e-5)
    found.sum().backward()
    assert b.grad.isfinite().all()
