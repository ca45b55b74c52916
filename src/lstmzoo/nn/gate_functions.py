"""What a gate does with its pre-activation: soft (σ), hard (piecewise linear) or binary (exactly 0 or 1)."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from lstmzoo.errors import unknown_choice
from lstmzoo.nn.cell import Cell


def hard_sigmoid(z: Tensor) -> Tensor:
    """min(1, max(0, z/6 + 1/2)): torch's hard sigmoid, which is 0 below −3 and 1 above 3.

    Args:
        z: pre-activation, any shape.

    Returns:
        The gate, same shape.

    Source: Courbariaux, Bengio & David 2015, BinaryConnect (there with slope 1/2; the slope here is torch's).
    """
    return F.hardsigmoid(z)


def linear(z: Tensor) -> Tensor:
    """z itself, for what a cell calls a gate and gives no activation.

    Args:
        z: pre-activation, any shape.

    Returns:
        The same.
    """
    return z


def binary(z: Tensor) -> Tensor:
    """1 where z > 0, else 0, exactly; the gradient is that of σ(z) (straight-through estimator).

    Args:
        z: pre-activation, any shape.

    Returns:
        The gate, same shape.

    Source: Bengio, Léonard & Courville 2013, "Estimating or propagating gradients through stochastic neurons", sec. 4.
    """
    soft = torch.sigmoid(z)
    # soft − soft is 0 to the last bit, so the value is exactly 0 or 1 and the gradient that of soft
    return torch.where(z > 0, 1.0, 0.0) + (soft - soft.detach())


GATE_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {"soft": torch.sigmoid, "hard": hard_sigmoid, "binary": binary}


def with_gate_functions(cell: Cell, kind: str) -> Cell:
    """Return a cell whose σ gates are of a kind.

    Args:
        cell: the cell.
        kind: ``"soft"``, ``"hard"`` or ``"binary"``.

    Raises:
        ValueError: for another kind, or if the cell has no σ gates.
    """
    if not isinstance(kind, str) or kind not in GATE_FUNCTIONS:
        raise ValueError(unknown_choice("kind of gates", kind, GATE_FUNCTIONS))
    if kind == "soft":
        return cell
    if torch.sigmoid not in cell.gates.values():
        raise ValueError(f"gates={kind!r} replaces σ, and the cell {cell!r} has no σ gate")
    changed = copy.copy(cell)
    function = GATE_FUNCTIONS[kind]
    changed.gates = {k: function if f is torch.sigmoid else f for k, f in cell.gates.items()}  # type: ignore[misc]
    changed.aten = None  # type: ignore[misc]
    return changed
