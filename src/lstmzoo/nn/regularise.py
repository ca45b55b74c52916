"""Regularisation made for recurrent networks: dropout of h, of R's weights, and of updates (zoneout)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from lstmzoo.nn.cell import Cell
from lstmzoo.nn.weights import Weights


@dataclass(frozen=True)
class Regularisation:
    """What is dropped, and how often; see the arguments of `Recurrent`."""

    variational: bool
    recurrent_dropout: float
    weight_drop: float
    zoneout: tuple[tuple[str, float], ...]  # state → probability, positive ones only

    @classmethod
    def of(
        cls,
        cell: Cell,
        variational: bool,
        recurrent_dropout: float,
        weight_drop: float,
        zoneout: float | Mapping[str, float],
    ) -> Regularisation:
        """Check the arguments of `Recurrent` and put them together.

        Raises:
            ValueError: for a probability outside [0, 1], an unknown state or a counter, or a cell without R.
        """
        rates = _zoneout_rates(cell, zoneout)
        named = {"recurrent_dropout": recurrent_dropout, "weight_drop": weight_drop}
        for name, value in {**named, **{f"zoneout of {k}": v for k, v in rates.items()}}.items():
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be a probability from 0 to 1, got {value}")
        for name, value in named.items():
            if value and not cell.recurrent_gates:
                raise ValueError(f"{name} acts on R, and the cell {cell!r} has none")
        kept = tuple((name, rate) for name, rate in rates.items() if rate > 0)
        return cls(variational, float(recurrent_dropout), float(weight_drop), kept)

    def between_layers(self, x: Tensor, rate: float) -> Tensor:
        """Dropout of (T, B, ...): each element by itself, or, if variational, the same ones in all steps."""
        if not self.variational:
            return F.dropout(x, rate)
        ones = torch.ones_like(x[:1], memory_format=torch.contiguous_format)  # drawn in one order, however x lies
        return x * F.dropout(ones, rate)

    def drop_weights(self, weights: Weights) -> Weights:
        """DropConnect of R."""
        dropped = F.dropout(weights.named["weight_hh"], self.weight_drop)
        return replace(weights, named={**weights.named, "weight_hh": dropped})

    def mask_of_h(self, h: Tensor) -> Tensor:
        """The mask that h is multiplied with on its way into R in all steps, (B, size of h)."""
        return F.dropout(torch.ones_like(h), self.recurrent_dropout)

    def zoneout_masks(self, states: Mapping[str, Tensor], steps: int) -> dict[str, Tensor]:
        """In training, ``zone_<state>`` (T, B, ...): 1 where a unit keeps its old state."""
        return {
            f"zone_{name}": torch.bernoulli(states[name].new_full((steps, *states[name].shape), rate))
            for name, rate in self.zoneout
        }

    def zoneout_means(self) -> dict[str, float]:
        """Outside training, ``zone_<state>``: the share of the old state."""
        return {f"zone_{name}": rate for name, rate in self.zoneout}

    def describe(self) -> list[str]:
        """The options that are on, for a module's repr."""
        named = {"variational": self.variational, "recurrent_dropout": self.recurrent_dropout}
        named |= {"weight_drop": self.weight_drop}
        parts = [f"{name}={value}" for name, value in named.items() if value]
        return parts + ([f"zoneout={dict(self.zoneout)}"] if self.zoneout else [])


def _zoneout_rates(cell: Cell, zoneout: float | Mapping[str, float]) -> dict[str, float]:
    """State → probability."""
    if not isinstance(zoneout, Mapping):
        return {name: float(zoneout) for name in cell.zoneout_states if name in cell.state}
    narrow, wide = cell.state_shapes(512, 512), cell.state_shapes(1024, 1024)
    shared = [name for name in cell.state if narrow[name] == wide[name]]  # one for all units: a clock, a head's scale
    allowed = [name for name in cell.state if name not in shared]
    for name in zoneout:
        if name in shared:
            raise ValueError(
                f"zoneout: the state {name!r} of the cell {cell!r} is not one of its units', so no unit can keep it; "
                f"choose from: {', '.join(allowed)}"
            )
        if name not in allowed:
            raise ValueError(f"zoneout: the cell {cell!r} has no state {name!r}; choose from: {', '.join(allowed)}")
    return dict(zoneout)
