"""Means over the units of a layer, and layer normalisation made of them."""

from typing import Any

import torch
from torch import Tensor, rsqrt, square

EPSILON = 1e-5  # added to variances; torch's value


def unit_mean(x: Any) -> Any:
    """Mean over all dimensions but the first: over the units, and in the convolutional form over the image as well.

    Args:
        x: (B, H) or (B, C, H, W).

    Returns:
        (B, 1) or (B, 1, 1, 1).
    """
    if not isinstance(x, Tensor):  # what stands for a tensor while a step is compiled has no dimensions
        return x.unit_mean()
    return x.mean(dim=tuple(range(1, x.dim())), keepdim=True)


def normalise(*parts: Any) -> tuple[Any, ...]:
    """(x − μ) / √(σ² + ε), with μ and σ² over the units of all parts together, as if they were one long vector.

    Half precision is computed in float32, as by torch.nn.LayerNorm: where all units are equal, as R h is for h = 0, the
    derivative of the root exceeds what float16 can hold.

    Source: Ba, Kiros & Hinton 2016, "Layer normalization", equation 4, without gain and bias.

    Args:
        *parts: tensors of one shape, (B, H) or (B, C, H, W).

    Returns:
        The parts, normalised.
    """
    if isinstance(parts[0], Tensor) and parts[0].dtype in (torch.float16, torch.bfloat16):
        return tuple(x.to(parts[0].dtype) for x in normalise(*(x.float() for x in parts)))
    mean = sum(unit_mean(x) for x in parts) / len(parts)
    centred = [x - mean for x in parts]
    variance = sum(unit_mean(square(x)) for x in centred) / len(parts)
    return tuple(x * rsqrt(variance + EPSILON) for x in centred)
