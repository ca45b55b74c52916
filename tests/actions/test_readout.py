"""Readouts against their definitions, and chunk by chunk against all at once."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lstmzoo.actions.models.readout import READOUTS, build_readout
from lstmzoo.errors import LstmzooError


def definition(name: str, readout: torch.nn.Module, h: torch.Tensor) -> torch.Tensor:
    """The readout of one whole sequence h (T, H), straight from its formula."""
    if name == "last":
        return h[-1]
    if name == "max":
        return h.max(0).values
    if name == "mean":
        weights = torch.ones(len(h), dtype=h.dtype)
    elif name == "linear":
        weights = torch.tensor([float(s) for s in range(1, len(h) + 1)], dtype=h.dtype)
    else:
        weights = torch.stack([(readout.score.weight[0] * v).sum() for v in h]).exp()
    return sum(w * v for w, v in zip(weights, h, strict=True)) / weights.sum()


@pytest.mark.slow
@pytest.mark.parametrize("name", READOUTS)
@settings(max_examples=30, deadline=None)
@given(
    batch=st.integers(1, 3),
    size=st.integers(1, 5),
    chunks=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    seed=st.integers(0, 1000),
)
def test_every_frame_is_by_definition_and_chunks_make_no_difference(name, batch, size, chunks, seed):
    torch.manual_seed(seed)
    readout = build_readout(name, size).double()
    h = torch.randn(batch, sum(chunks), size, dtype=torch.float64)
    whole, _ = readout(h)
    for b in range(batch):
        for t in range(h.shape[1]):
            torch.testing.assert_close(whole[b, t], definition(name, readout, h[b, : t + 1]))
    state, parts = None, []
    for chunk in h.split(chunks, dim=1):
        pooled, state = readout(chunk, state)
        parts.append(pooled)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)


@pytest.mark.parametrize("name", READOUTS)
def test_gradient_through_chunks_equals_gradient_through_the_whole(name):
    torch.manual_seed(0)
    readout = build_readout(name, 3).double()
    h = torch.randn(2, 6, 3, dtype=torch.float64, requires_grad=True)
    (whole,) = torch.autograd.grad(readout(h)[0][:, -1].square().sum(), h)
    _, state = readout(h[:, :4])
    (chunked,) = torch.autograd.grad(readout(h[:, 4:], state)[0][:, -1].square().sum(), h)
    torch.testing.assert_close(chunked, whole)


@pytest.mark.parametrize("name", READOUTS)
def test_later_frames_do_not_change_earlier_results(name):
    torch.manual_seed(0)
    readout = build_readout(name, 3)
    h = torch.randn(2, 6, 3)
    changed = torch.cat([h[:, :4], torch.randn(2, 2, 3) * 10], dim=1)
    torch.testing.assert_close(readout(h)[0][:, :4], readout(changed)[0][:, :4])


def test_attention_survives_huge_scores():
    readout = build_readout("attention", 1)
    torch.nn.init.constant_(readout.score.weight, 1.0)
    h = torch.tensor([[[-1e4], [1e4], [0.0], [1e4], [2e4]]], requires_grad=True)  # exp of these overflows
    expected = torch.tensor([-1e4, 1e4, 1e4, 1e4, 2e4])
    torch.testing.assert_close(readout(h)[0][0, :, 0], expected)
    state, stepwise = None, []
    for frame in h.split(1, dim=1):
        pooled, state = readout(frame, state)
        stepwise.append(pooled)
    pooled = torch.cat(stepwise, dim=1)
    torch.testing.assert_close(pooled[0, :, 0], expected)
    pooled.sum().backward()
    assert h.grad is not None
    assert h.grad.isfinite().all()


def test_unknown_readout_names_the_choices():
    with pytest.raises(LstmzooError, match=r"'men'.*'mean'"):
        build_readout("men", 4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["mean", "linear"])
def test_half_precision_counts_long_streams(name: str, dtype: torch.dtype) -> None:
    readout, state = build_readout(name, 2), None
    for _ in range(1000):
        pooled, state = readout(torch.ones(1, 1, 2, dtype=dtype), state)
    assert pooled.dtype == dtype
    assert torch.equal(pooled, torch.ones(1, 1, 2, dtype=dtype))
