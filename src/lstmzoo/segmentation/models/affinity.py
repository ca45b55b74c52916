"""Matching of pixels: how those that look most alike in another frame are labelled."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

LEAST = 1e-9  # added to sums before their logarithm is taken
FAR = -1e4  # log weight of what is not to be seen


class Window(NamedTuple):
    """The pixels around every pixel of a map of N = h · w."""

    pixels: Tensor  # (N, W), long: their places in the flattened map
    exists: Tensor  # (N, W), bool: false beyond the border


def window(size: tuple[int, int], radius: int, device: torch.device) -> Window:
    """Find the pixels at most so many rows and columns away, W = (2 · radius + 1)²."""
    height, width = size
    places = torch.arange(height * width, dtype=torch.float64, device=device).view(1, 1, height, width)
    around = F.unfold(F.pad(places, (radius,) * 4, value=-1.0), 2 * radius + 1)[0].T.long()  # (N, W)
    return Window(around.clamp(min=0), around >= 0)


def similarity(queries: Tensor, keys: Tensor) -> Tensor:
    """Dot products of two maps (B, D, h, w), (B, N, N): cosines where vectors are of length 1."""
    return queries.flatten(2).transpose(1, 2) @ keys.flatten(2)


def similarity_near(queries: Tensor, keys: Tensor, radius: int) -> Tensor:
    """Dot products of every pixel of a map (B, D, h, w) and those in its `window` in another one, (B, N, W).

    Every row is compared with the 2 · radius + 1 rows around it, and each pixel takes what lies in its window.
    """
    side, width = 2 * radius + 1, keys.shape[3]
    rows = F.pad(keys, (radius,) * 4).unfold(2, side, 1).permute(0, 2, 1, 4, 3)  # (B, h, D, side, w + 2 radius)
    alike = (queries.permute(0, 2, 3, 1) @ rows.flatten(3)).unflatten(3, (side, -1))  # (B, h, w, side, w + 2 radius)
    steps = [torch.arange(size, device=keys.device) for size in (width, side)]
    columns = steps[0].view(width, 1, 1) + steps[1]
    return alike.gather(4, columns.expand(*alike.shape[:4], side)).flatten(3).flatten(1, 2)


def log_weights(alike: Tensor, temperature: Tensor, near: Window | None = None) -> Tensor:
    """Turn similarities s, 1 at most, into log w = (s − 1) / τ.

    Args:
        alike: (B, N, M), of N pixels to the M of another frame, or to those of a window.
        temperature: τ.
        near: the window.

    Returns:
        Of the same shape.
    """
    weights = (alike - 1) / temperature
    return weights if near is None else weights.masked_fill(~near.exists, FAR)


def read(weights: Tensor, masks: Tensor, top_k: int, near: Window | None = None) -> tuple[Tensor, Tensor]:
    """Read masks m from the pixels j that look most alike: Σ w_j m_j / Σ w_j.

    Source: Cheng et al. 2021, "Rethinking space-time networks with improved memory coverage for efficient video object
    segmentation" (STCN), section 3.

    Args:
        weights: of `log_weights`.
        masks: (B, K, M) in 0..1, of the other frame.
        top_k: how many pixels are read from.
        near: the window that the weights are of.

    Returns:
        (B, K, N), and log Σ w_j, (B, 1, N).
    """
    best, places = weights.topk(min(top_k, weights.shape[2]), dim=2, sorted=False)  # (B, N, k)
    if near is not None:
        places = near.pixels.expand(weights.shape[0], -1, -1).gather(2, places)
    labels = masks.gather(2, places.flatten(1).unsqueeze(1).expand(-1, masks.shape[1], -1))
    value = torch.einsum("bnj,bknj->bkn", best.softmax(2), labels.unflatten(2, places.shape[1:]))
    return value, best.logsumexp(2).unsqueeze(1)


def largest(weights: Tensor, masks: Tensor, near: Window | None = None) -> Tensor:
    """How much the most similar pixels of every object, and those outside of it, look alike, smoothly.

    With M masks m these are log Σ w_j m_j and log Σ w_j (1 − m_j), near (s − 1) / τ of the largest similarity s.

    Source: nearest neighbours inside and outside, in all of a frame and in a window: Voigtlaender et al. 2019,
    "FEELVOS", sections 3.3 and 3.4.

    Args:
        weights: of `log_weights`.
        masks: (B, K, M) in 0..1, of the other frame.
        near: the window that the weights are of.

    Returns:
        (2, B, K, N), inside and outside.
    """
    labels = torch.stack([masks, 1 - masks])  # (2, B, K, M)
    if near is None:
        sums = labels @ weights.exp().transpose(1, 2)
    else:
        sums = torch.einsum("bnj,sbknj->sbkn", weights.exp(), labels[..., near.pixels])
    return torch.log1p(sums / LEAST) + math.log(LEAST)  # log(sums + LEAST), in a form whose small constant ONNX keeps


def merge(found: Sequence[tuple[Tensor, Tensor, Tensor]], known: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Bring together what was found in several frames: as if the best pixels of each were those of one frame.

    Args:
        found: of each, what `read` and `largest` returned: (B, K, N), (B, 1, N) and (2, B, K, N).
        known: (B, K) bool of each, of which objects there are masks.

    Returns:
        (B, K, N) and (2, B, K, N); of an object that is known nowhere, numbers without meaning.
    """
    unknown = [torch.where(one, 0.0, FAR).unsqueeze(2) for one in known]  # (B, K, 1)
    shares = torch.stack([one[1] + far for one, far in zip(found, unknown, strict=True)]).softmax(0)
    value = (shares * torch.stack([one[0] for one in found])).sum(0)
    return value, torch.stack([one[2] + far for one, far in zip(found, unknown, strict=True)]).logsumexp(0)
