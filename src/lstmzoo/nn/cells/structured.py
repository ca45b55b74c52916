"""Cells whose recurrent matrix has a structure: diagonal (every unit sees itself only) or block-triangular."""

import math
from typing import Any

import torch
from torch import Tensor, relu, sigmoid, where

from lstmzoo.nn.cell import Cell
from lstmzoo.nn.cell_registry import register_cell
from lstmzoo.nn.gate_functions import linear


@register_cell("indrnn")
class IndRNN(Cell):
    """Independently recurrent network: every unit sees its own past only.

    h = max(0, W x + b + u ⊙ h₋)

    u is a vector; it starts at 1, so that every unit remembers (the paper draws it from a range up to about 1).

    Source: Li et al. 2018, "Independently recurrent neural network (IndRNN)" (1803.04831), section 3, eq. 3.
    """

    gates = {"n": relu}
    state = ("h",)
    input_only = ("n",)
    vectors = ("u",)
    vector_init = {"u": 1.0}

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        return self.State(h=gate.n(z.n + p.u * s.h))


@register_cell("sru")
class SRU(Cell):
    """Simple recurrent unit, version of 2018: the only recurrence is that of every unit with itself.

    f = σ(W_f x + b_f + v_f ⊙ c₋)    r = σ(W_r x + b_r + v_r ⊙ c₋)    g = W_g x + b_g

    c = f ⊙ c₋ + (1 − f) ⊙ g    h = r ⊙ c + (1 − r) ⊙ (W_y x + b_y)

    f = 1 keeps the memory. The version of 2017 ("Training RNNs as fast as CNNs") has no v and h = r ⊙ tanh c + ...
    The paper's highway takes x itself, which needs inputs of the size of h; a map y = W_y x + b_y stands here for every
    size, and the paper has biases for f and r only. Its scaling of the highway when the weights are drawn is left out.

    Source: Lei et al. 2018, "Simple recurrent units for highly parallelizable recurrence" (1709.02755), section 3.
    """

    gates = {"f": sigmoid, "r": sigmoid, "g": linear, "y": linear}
    state = ("h", "c")
    input_only = ("f", "r", "g", "y")
    vectors = ("v_f", "v_r")
    forget_gate = "f"

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        f = gate.f(z.f + p.v_f * s.c)
        r = gate.r(z.r + p.v_r * s.c)
        c = f * s.c + (1 - f) * gate.g(z.g)
        return self.State(h=r * c + (1 - r) * gate.y(z.y), c=c)


@register_cell("clockwork")
class Clockwork(Cell):
    """Clockwork network: modules of units that are updated every 1, 2, 4, ... steps and keep their state in between.

    h_k = tanh(W x + b + R h₋ + b') at the units k of modules whose period divides t, else h_k = h_k₋

    t is 0 in the first step of a sequence, so all modules run then. R leads from module j to module i only if the
    period of i is not longer than that of j: from slow to fast and within a module. The count of steps is a state,
    ``clock``, modulo the periods' common multiple, so that a carried state goes on in time. It is a number of the
    states' type, which counts exactly up to 2048 in float16 and 256 in bfloat16.

    Args:
        periods: steps between two updates, one for each module; the units are divided among the modules evenly, in
            order, the first ones getting one more where they don't divide evenly.

    Raises:
        ValueError: if there are no periods, or one is not a whole positive number.

    Source: Koutník et al. 2014, "A clockwork RNN" (1402.3511), section 3.
    """

    gates = {"n": torch.tanh}
    state = ("h", "clock")
    constants = ("period",)

    def __init__(self, periods: tuple[int, ...] = (1, 2, 4, 8)) -> None:
        self.periods = tuple(periods)
        if not self.periods or any(not isinstance(k, int) or k < 1 for k in self.periods):
            raise ValueError(f"periods must be whole numbers of steps, at least 1, e.g. (1, 2, 4, 8); got {periods!r}")

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        due = torch.remainder(s.clock, p.period) == 0
        h = where(due, gate.n(z.n), s.h)
        return self.State(h=h, clock=torch.remainder(s.clock + 1, math.lcm(*self.periods)))

    def state_shapes(self, hidden_size: int, output_size: int) -> dict[str, tuple[int, ...]]:
        return {"h": (hidden_size,), "clock": (1,)}

    def make_constants(self, hidden_size: int) -> dict[str, Tensor]:
        each, more = divmod(hidden_size, len(self.periods))
        units = [each + (k < more) for k in range(len(self.periods))]
        return {
            "period": torch.repeat_interleave(torch.tensor(self.periods), torch.tensor(units), output_size=hidden_size)
        }

    def recurrent_mask(self, hidden_size: int) -> Tensor:
        period = self.make_constants(hidden_size)["period"]
        return (period[:, None] <= period[None, :]).long()
