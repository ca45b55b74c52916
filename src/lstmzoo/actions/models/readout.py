"""Readouts: from the outputs of a recurrent layer over time to one vector for all frames so far.

Every readout is causal and streams: ``readout(h, state) -> (pooled, state)`` takes outputs h (B, T, H) and returns the
pooled vectors (B, T, H) after every frame, and the state with which the next frames of the same video go on. Chunk by
chunk and all at once give the same result; the pooled vector after the last frame is the readout of the whole video.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lstmzoo.errors import LstmzooError, unknown_choice

State = tuple[Tensor, ...] | None


class Last(nn.Module):
    """The newest output: r_t = h_t."""

    def forward(self, h: Tensor, state: State = None) -> tuple[Tensor, State]:
        return h, None


class Max(nn.Module):
    """The largest value so far, feature by feature: r_t = max_{s≤t} h_s."""

    def forward(self, h: Tensor, state: State = None) -> tuple[Tensor, State]:
        largest = h.cummax(1).values
        if state is not None:
            largest = torch.maximum(largest, state[0].unsqueeze(1))
        return largest, (largest[:, -1],)


class WeightedMean(nn.Module):
    """The mean of the outputs so far, the s-th weighing w_s: r_t = Σ_{s≤t} w_s h_s / Σ_{s≤t} w_s.

    Args:
        linear: w_s = s, for later outputs have seen more of the video (Ng et al., "Beyond Short Snippets: Deep
            Networks for Video Classification", CVPR 2015); otherwise w_s = 1, the plain mean.
    """

    def __init__(self, *, linear: bool = False) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, h: Tensor, state: State = None) -> tuple[Tensor, State]:
        wide = torch.promote_types(h.dtype, torch.float32)  # half precision can't count beyond a few hundred frames
        steps = torch.arange(1, h.shape[1] + 1, device=h.device, dtype=wide)  # (T,)
        past, seen = state if state is not None else (torch.zeros_like(h[:, 0], dtype=wide), torch.zeros_like(steps[0]))
        s = seen + steps
        weighted = h * s[:, None] if self.linear else h.to(wide)
        sums = past.unsqueeze(1) + weighted.cumsum(1)  # (B, T, H)
        weight_sums = s * (s + 1) / 2 if self.linear else s  # (T,)
        return (sums / weight_sums[:, None]).to(h.dtype), (sums[:, -1], s[-1])

    def extra_repr(self) -> str:
        return f"linear={self.linear}"


class Attention(nn.Module):
    """The mean weighted by how much every output asks for attention.

    e_s = v·h_s        r_t = Σ_{s≤t} a_ts h_s        a_t = softmax(e_1 .. e_t)

    All past frames together act as one more frame: its vector is r of the past, and its score is log Σ exp e of the
    past. So the softmax stays exact over chunks, and as stable as softmax itself.

    Args:
        size: H, the number of features.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.score = nn.Linear(size, 1, bias=False)  # softmax would cancel a bias

    def forward(self, h: Tensor, state: State = None) -> tuple[Tensor, State]:
        scores = self.score(h).squeeze(2)  # (B, T)
        future = torch.ones(h.shape[1], h.shape[1], dtype=torch.bool, device=h.device).triu(1)
        if state is not None:
            past, past_score = state  # (B, H), (B,)
            h = torch.cat([past.unsqueeze(1), h], dim=1)
            scores = torch.cat([past_score.unsqueeze(1), scores], dim=1)
            future = nn.functional.pad(future, (1, 0))
        weights = scores.unsqueeze(1).masked_fill(future, -torch.inf).softmax(2)  # (B, T, T or 1 + T)
        pooled = weights @ h
        return pooled, (pooled[:, -1], scores.logsumexp(1))


READOUTS: dict[str, Callable[[int], nn.Module]] = {
    "last": lambda size: Last(),
    "mean": lambda size: WeightedMean(),
    "max": lambda size: Max(),
    "linear": lambda size: WeightedMean(linear=True),
    "attention": Attention,
}


def build_readout(name: str, size: int) -> nn.Module:
    """Build a readout.

    Args:
        name: ``last``, ``mean``, ``max``, ``linear`` or ``attention``.
        size: H, the number of features it pools.

    Raises:
        LstmzooError: unknown name.
    """
    if name not in READOUTS:
        raise LstmzooError(unknown_choice("readout", name, READOUTS))
    return READOUTS[name](size)
