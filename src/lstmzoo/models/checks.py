"""Checks of models' arguments and inputs."""

from __future__ import annotations

import torch
from torch import Tensor

from lstmzoo.errors import LstmzooError

MARGIN = 0.5  # beyond 0..1 that is let pass: interpolation overshoots


def check_sizes(**sizes: int) -> None:
    """Raise `LstmzooError` for a size that is no whole number of at least 1."""
    for name, size in sizes.items():
        if type(size) is not int or size < 1:
            raise LstmzooError(f"{name} must be a whole number of at least 1, got {size!r}")


def check_range(name: str, values: Tensor) -> None:
    """Raise `ValueError` for numbers far out of 0..1.

    Only on the CPU, where a look at them costs next to nothing: a GPU would have to finish its queue first.
    """
    if values.device.type != "cpu" or torch.compiler.is_compiling() or not values.numel():
        return
    least, most = (float(one) for one in values.detach().aminmax())
    if least < -MARGIN or most > 1 + MARGIN:
        raise ValueError(
            f"{name}: numbers from {least:g} to {most:g}, but they lie in 0..1; divide them, or, for pictures, give "
            "uint8 in 0..255"
        )
