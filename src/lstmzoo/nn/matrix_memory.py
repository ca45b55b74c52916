"""The matrix memory of the mLSTM for all steps at once: products within chunks of time, a scan from chunk to chunk.

Chunks of L steps cost O(T L) within and O(T/L) memories between them, where one step after the other needs T memories.

Source: Beck et al. 2024, "xLSTM" (2405.04517), appendix A (parallel form), here cut into chunks.
"""

import math
from typing import Any

import torch
from torch import Tensor, exp

from lstmzoo.nn.linear_scan import linear_scan

_CHUNK = 32  # steps


def log_of(f: Tensor) -> Tensor:
    """log f, finite where the forget gate is 0: what is so small is as good as 0, and its inverse is finite."""
    return torch.log(f.clamp(min=math.sqrt(torch.finfo(f.dtype).tiny)))


def largest_scale(log_f: Tensor, log_i: Tensor, first: Tensor) -> Tensor:
    """m_t = max(log f_t + m_{t−1}, log i_t): the logarithm that all of the memory is divided by.

    Args:
        log_f: (T, B, heads).
        log_i: (T, B, heads).
        first: m_0, (B, heads).

    Returns:
        m_1 to m_T, (T, B, heads).
    """
    total = _chunks(log_f, log_f.new_zeros(())).cumsum(1)  # (chunks, L, B, heads)
    inside = total + (_chunks(log_i, log_i.new_full((), -math.inf)) - total).cummax(1).values
    starts = [first]
    for kept, new in zip(total[:-1, -1], inside[:-1, -1], strict=True):
        starts.append(torch.maximum(starts[-1] + kept, new))
    m = torch.maximum(inside, torch.stack(starts)[:, None] + total)
    return m.flatten(0, 1)[: log_f.shape[0]]


def read_all(
    q: Tensor, k: Tensor, v: Tensor, i: Tensor, log_f: Tensor, m: Tensor, s: Any
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """C_t q_t and n_tᵀ q_t of all steps, C_t = f_t e^{m_{t−1} − m_t} C_{t−1} + i_t v_t k_tᵀ and n_t with k for v kᵀ.

    Args:
        q: queries, (T, B, heads, d).
        k: keys, the same.
        v: values, the same.
        i: input gates divided by e^m, (T, B, heads).
        log_f: logarithms of the forget gates, (T, B, heads).
        m: `largest_scale` of the gates, (T, B, heads).
        s: first state, with ``C`` (B, heads, d, d), ``n`` (B, heads, d) and ``m`` (B, heads).

    Returns:
        C q (T, B, heads, d), nᵀ q (T, B, heads), the last C and the last n.
    """
    steps, zero = q.shape[0], q.new_zeros(())
    v = torch.cat([v, torch.ones_like(v[..., :1])], -1)  # n is one more row of C, of the value 1
    q, k, v = (_chunks(x, zero).permute(0, 2, 3, 1, 4) for x in (q, k, v))  # (chunks, B, heads, L, d)
    i, log_f, m = (_chunks(x, end).permute(0, 2, 3, 1) for x, end in ((i, zero), (log_f, zero), (m, m[-1])))
    start = torch.cat([s.m[None], m[:-1, ..., -1]])[..., None]  # m before every chunk
    since_start = exp(
        log_f.cumsum(-1) + start - m
    )  # what is left of the memory before the chunk, (chunks, B, heads, L)
    fading = exp(_log_fading(log_f) + m[..., None, :] - m[..., :, None]) * i[..., None, :]  # (chunks, B, heads, L, L)
    stored = (v * fading[..., -1, :, None]).mT @ k  # (chunks, B, heads, d + 1, d)
    first = torch.cat([s.C, s.n[..., None, :]], -2)
    memory = linear_scan(since_start[..., -1, None, None], stored, first)  # after every chunk
    before = torch.cat([first[None], memory[:-1]])
    read = ((q @ k.mT) * fading) @ v + since_start[..., None] * (q @ before.mT)
    read = read.permute(0, 3, 1, 2, 4).flatten(0, 1)[:steps]
    return read[..., :-1], read[..., -1], memory[-1, ..., :-1, :], memory[-1, ..., -1, :]


def _log_fading(log_f: Tensor) -> Tensor:
    """log f_{b+1} + ... + log f_a in row a and column b, −∞ where b > a: summed up apart, so that no digits are lost.

    Args:
        log_f: (..., L).

    Returns:
        (..., L, L).
    """
    length = log_f.shape[-1]
    causal = torch.ones(length, length, dtype=torch.bool, device=log_f.device).tril()
    sums = torch.where(causal.tril(-1), log_f[..., None], 0.0).cumsum(-2)
    return torch.where(causal, sums, -math.inf)


def _chunks(x: Tensor, end: Tensor) -> Tensor:
    """(T, ...) to (chunks, L, ...), filled up at the end."""
    count = math.ceil(x.shape[0] / _CHUNK)
    length = math.ceil(x.shape[0] / count)
    missing = count * length - x.shape[0]
    if missing:
        x = torch.cat([x, end.expand(missing, *x.shape[1:])])
    return x.unflatten(0, (count, length))
