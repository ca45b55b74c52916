"""How objects looked in the first frame, and where that is seen again."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

MOST_PLACES = 512  # of the first frame that a pixel is compared with


class Looks(NamedTuple):
    """The first frame, on a grid of n places.

    Attributes:
        places: (B, D, n), features of length 1.
        masks: (B, K, n) in 0..1, how much of each place every object covers.
    """

    places: Tensor
    masks: Tensor


def remember_looks(x: Tensor, masks: Tensor) -> Looks:
    """Keep what a map shows, averaged to a grid of at most `MOST_PLACES` places or so.

    Args:
        x: (B, D, h, w), features of the first frame.
        masks: (B, K, H, W) in 0..1, its objects.
    """
    side = math.ceil(math.sqrt(x.shape[-2] * x.shape[-1] / MOST_PLACES))
    covered = F.interpolate(masks, x.shape[-2:], mode="area")
    places, covered = (F.avg_pool2d(maps, side, ceil_mode=True) for maps in (x, covered))
    return Looks(F.normalize(places, dim=1).flatten(2), covered.flatten(2))


def find_looks(x: Tensor, looks: Looks) -> Tensor:
    """Say for every pixel how much it is like the objects, and like what is not them.

        a_k(p) = max_q m_k(q) s(p, q)        b_k(p) = max_q (1 − m_k(q)) s(p, q)        s = (1 + cos(x(p), x₁(q))) / 2

    Source: Hu et al. 2018, "VideoMatch", section 3; Voigtlaender et al. 2019, "FEELVOS", section 3.3 (with the mean of
    the best matches, or the distance of the nearest, in place of the best weighted by the mask).

    Args:
        x: (B, D, h, w), features of a later frame.
        looks: of the first frame.

    Returns:
        a and b, (B, K, 2, h, w) in 0..1.
    """
    cosine = torch.einsum("bdp,bdn->bpn", F.normalize(x, dim=1).flatten(2), looks.places)
    alike = ((1 + cosine) / 2).unsqueeze(1)  # (B, 1, p, n)
    inside = looks.masks.unsqueeze(2)  # (B, K, 1, n)
    best = [(alike * share).max(dim=3).values for share in (inside, 1 - inside)]  # (B, K, p)
    return torch.stack(best, dim=2).unflatten(3, x.shape[-2:])
