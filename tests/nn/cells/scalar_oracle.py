"""Cells one number at a time: a module's parameters as lists, its products as loops, for the papers' equations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

import lstmzoo.nn as zoo

INPUTS, UNITS, STEPS = 3, 4, 6
Numbers = list[float]
States = dict[str, Numbers]


def sigma(z: float) -> float:
    return 1 / (1 + math.exp(-z))


class ByHand:
    """The parameters of one layer, and the products that the papers' equations are made of.

    Args:
        parameters: name without suffix → nested lists.
        gates: the gates in the order of the row blocks of W, one letter each.
        recurrent: those of them that have rows in R, in order.
    """

    def __init__(self, parameters: dict[str, Any], gates: str, recurrent: str) -> None:
        self.parameters, self.gates, self.recurrent = parameters, gates, recurrent

    def __getitem__(self, name: str) -> Any:
        """A parameter by name, e.g. a peephole vector."""
        return self.parameters[name]

    def product(self, name: str, v: Numbers, rows: range | None = None, bias: str | None = None) -> Numbers:
        """M v (+ b), or some rows of it."""
        matrix = self.parameters[name]
        given = self.parameters.get(bias, [0.0] * len(matrix)) if bias else [0.0] * len(matrix)
        result = []
        for row in rows or range(len(matrix)):
            total = given[row]
            for weight, value in zip(matrix[row], v, strict=True):
                total += weight * value
            result.append(total)
        return result

    def of_x(self, gate: str, x: Numbers) -> Numbers:
        """W_k x + b_k."""
        return self.product("weight_ih", x, _block(self.gates, gate), "bias_ih")

    def of_h(self, gate: str, h: Numbers) -> Numbers:
        """R_k h + b'_k."""
        return self.product("weight_hh", h, _block(self.recurrent, gate), "bias_hh")

    def z(self, gate: str, x: Numbers, h: Numbers) -> Numbers:
        """W_k x + b_k + R_k h + b'_k."""
        return [a + b for a, b in zip(self.of_x(gate, x), self.of_h(gate, h), strict=True)]


def _block(gates: str, gate: str) -> range:
    first = gates.index(gate) * UNITS
    return range(first, first + UNITS)


Step = Callable[[ByHand, Numbers, States], States]


def random_module(cell: Any, scale: float = 1.0, engine: str = "reference", **options: Any) -> zoo.Recurrent:
    """A module whose parameters are all drawn from a normal distribution; the reference engine runs `step` itself."""
    module = zoo.Recurrent(cell, INPUTS, UNITS, engine=engine, dtype=torch.float64, **options)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=scale)
    return module


def parameters_of(module: zoo.Recurrent, suffix: str = "_l0") -> dict[str, Any]:
    """Name without suffix → nested lists."""
    named = dict(module.named_parameters())
    return {name.removesuffix(suffix): value.tolist() for name, value in named.items() if name.endswith(suffix)}


def check_equations(
    cell: Any, gates: str, step: Step, states: Sequence[str], recurrent: str | None = None, zero: bool = False
) -> None:
    """Compare a cell over several steps, from a random first state, with a step written out unit by unit.

    Args:
        cell: what `Recurrent` takes.
        gates: see `ByHand`.
        step: (parameters, x, states) → the states after.
        states: their names, in order.
        recurrent: see `ByHand`; the same as ``gates`` if not given.
        zero: whether the first state is 0 instead.
    """
    torch.manual_seed(0)
    module = random_module(cell)
    assert module.cell.state == tuple(states)
    hand = ByHand(parameters_of(module), gates, gates if recurrent is None else recurrent)
    x = torch.randn(STEPS, INPUTS, dtype=torch.float64)
    first = [torch.randn(1, UNITS, dtype=torch.float64) * (0.0 if zero else 1.0) for _ in states]
    output, last = module(x, tuple(first) if len(first) > 1 else first[0])
    s = {name: value[0].tolist() for name, value in zip(states, first, strict=True)}
    for t in range(STEPS):
        s = step(hand, x[t].tolist(), s)
        torch.testing.assert_close(output[t], torch.tensor(s["h"], dtype=torch.float64), rtol=1e-12, atol=1e-12)
    for name, value in zip(states, last if len(first) > 1 else [last], strict=True):
        torch.testing.assert_close(value[0], torch.tensor(s[name], dtype=torch.float64), rtol=1e-12, atol=1e-12)
