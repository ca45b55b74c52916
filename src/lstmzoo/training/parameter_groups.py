"""Groups of parameters that learn at rates of their own."""

from __future__ import annotations

from typing import Any


def encoder_groups(model: Any, lr: float, encoder_lr: float | None) -> list[dict[str, Any]]:
    """Return the groups of parameters for an optimiser: the encoder's learn at a rate of their own, or not at all.

    Args:
        model: what has an ``encoder``.
        lr: peak learning rate of all else.
        encoder_lr: peak learning rate of the encoder; None leaves it out.
    """
    groups: list[dict[str, Any]] = [
        {"params": [p for name, p in model.named_parameters() if not name.startswith("encoder.")]}
    ]
    if encoder_lr is not None:
        groups.append({"params": list(model.encoder.parameters()), "lr_scale": encoder_lr / lr})
    return groups
