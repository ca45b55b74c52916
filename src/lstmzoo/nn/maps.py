"""The learned maps of one layer and direction, and the pre-activations they give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lstmzoo.nn.cell import Cell, Late, Raw, Split


@dataclass(frozen=True)
class Maps:
    """W, R, their biases, the projection and the cell's own vectors and maps, of one layer and direction.

    Rows are blocks of H: of W in the order of ``cell.gates``, of R in that of ``cell.recurrent_gates``.

    Args:
        cell: the cell they serve.
        hidden_size: H.
        weight_ih: W, (G·H, I), or with a kernel (G·H, I, K, K).
        weight_hh: R, (G·H, size of h), or None if no gate has a recurrent product.
        bias_ih: b, (G·H,), or None.
        bias_hh: b', (G·H,), or None.
        weight_hr: projection of h, (P, H), or None.
        own: the cell's vectors, constants and matrices by name.
    """

    cell: Cell
    hidden_size: int
    weight_ih: Tensor
    weight_hh: Tensor | None
    bias_ih: Tensor | None
    bias_hh: Tensor | None
    weight_hr: Tensor | None
    own: Mapping[str, Tensor]

    @property
    def tensors(self) -> list[Tensor]:
        """All of them that there are."""
        matrices = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, self.weight_hr)
        return [t for t in (*matrices, *self.own.values()) if t is not None]

    def product(self, weight: Tensor, bias: Tensor | None, v: Tensor) -> Tensor:
        """Apply one map: a matrix product here, a convolution in `lstmzoo.nn.conv`."""
        return F.linear(v, weight, bias)

    def input(self, x: Tensor) -> Tensor:
        """W x + b of all gates, for all steps at once: (T, B, I) → (T, B, G·H)."""
        return self.product(self.weight_ih, self.bias_ih, x)

    def input_blocks(self, of_x: Tensor) -> tuple[Tensor, ...]:
        """W x + b of one step, (B, G·H), cut into its gates, (B, H) each."""
        return of_x.split(list(self.cell.gate_sizes(self.hidden_size).values()), dim=1)

    def recurrent_blocks(self, v: Tensor, first: int, count: int) -> tuple[Tensor, ...]:
        """R v + b' of some consecutive gates among ``cell.recurrent_gates``, (B, H) each."""
        assert self.weight_hh is not None
        sizes = self.cell.gate_sizes(self.hidden_size)
        rows = [sizes[gate] for gate in self.cell.recurrent_gates]
        start, stop = sum(rows[:first]), sum(rows[: first + count])
        bias = None if self.bias_hh is None else self.bias_hh[start:stop]
        return self.product(self.weight_hh[start:stop], bias, v).split(rows[first : first + count], dim=1)

    def project(self, h: Tensor) -> Tensor:
        """W_hr h (Sak et al. 2014)."""
        assert self.weight_hr is not None
        return self.product(self.weight_hr, None, h)

    def check_state(self, after: Any, before: Any) -> None:
        """Refuse a state whose shape a step has changed: where it is added to others, broadcasting would hide it.

        Raises:
            ValueError: naming the state, the shape it should have and the one it has.
        """
        for name, found, old in zip(self.cell.state, after, before, strict=True):
            wanted = old.shape
            if name == "h" and self.weight_hr is not None:  # what a step returns is not projected yet
                wanted = torch.Size((old.shape[0], self.hidden_size, *old.shape[2:]))
            if not isinstance(found, Tensor) or found.shape != wanted:
                shape = tuple(found.shape) if isinstance(found, Tensor) else f"a {type(found).__name__}"
                raise ValueError(
                    f"{self.cell!r}: step must return {name!r} as {tuple(wanted)}, one row per sequence; got {shape}"
                )

    def parameters(self) -> Any:
        """What `Cell.step` gets as ``p``: vectors and constants, and maps ready to apply."""
        cell = self.cell
        maps = {name: partial(self.product, self.own[name], None) for name in cell.matrices}
        return cell.Parameters(**{name: self.own[name] for name in (*cell.vectors, *cell.constants)}, **maps)


def preactivations(maps: Maps, x: Any, h: Any, below: Any = None, drop: Any = None) -> Any:
    """What `Cell.step` gets as ``z`` in one step.

    Args:
        maps: the layer's maps.
        x: W x_t + b, (B, G·H); for a raw cell x_t itself, (B, I).
        h: h_{t-1}, (B, size of h).
        below: state of the layer below, (B, H), for cells that look at it.
        drop: mask that whatever R acts on is multiplied with, (B, size of h), or None.

    Returns:
        A named tuple over the gates: a tensor (B, H), a `Split` or a `Late`; for a raw cell a `Raw`.
    """
    if maps.cell.raw:
        return Raw(x, lambda x, h: _gates(maps, maps.input(x), h, below, drop))
    return _gates(maps, x, h, below, drop)


def _gates(maps: Maps, of_x: Any, h: Any, below: Any, drop: Any) -> Any:
    cell = maps.cell
    with_product = cell.recurrent_gates
    early = len(with_product) - len(cell.late)
    of_h = maps.recurrent_blocks(h if drop is None else h * drop, 0, early) if early else ()
    z: list[Any] = []
    for gate, x in zip(cell.gates, maps.input_blocks(of_x), strict=True):
        if gate in cell.input_only:
            z.append(x)
            continue
        k = with_product.index(gate)
        if gate in cell.late:
            z.append(Late(x, partial(_late_product, maps, k, drop)))
        elif gate in cell.split:
            z.append(Split(x, of_h[k]))
        else:
            z.append(x + of_h[k])
    return cell.Inputs(*z, *(() if cell.below is None else (below,)))


def _late_product(maps: Maps, k: int, drop: Any, v: Any) -> Any:
    return maps.recurrent_blocks(v if drop is None else v * drop, k, 1)[0]
