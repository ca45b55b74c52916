"""The maps W and R of one layer and direction, and the pre-activations they give."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from lstmzoo.nn.cell import Cell, Late, Split


@dataclass(frozen=True)
class LinearMaps:
    """W, R, their biases, the projection and the cell's vectors, of one layer and direction.

    Rows are blocks of H: of W in the order of ``cell.gates``, of R in that of ``cell.recurrent_gates``.

    Args:
        weight_ih: W, (G·H, I).
        weight_hh: R, (G·H, size of h), or None if no gate has a recurrent product.
        bias_ih: b, (G·H,), or None.
        bias_hh: b', (G·H,), or None.
        weight_hr: projection of h, (P, H), or None.
        vectors: the cell's learned vectors, a named tuple of (H,).
    """

    weight_ih: Tensor
    weight_hh: Tensor | None
    bias_ih: Tensor | None
    bias_hh: Tensor | None
    weight_hr: Tensor | None
    vectors: Any

    def input(self, x: Tensor) -> Tensor:
        """W x + b of all gates; any leading dimensions, so all T steps can go through one product."""
        return F.linear(x, self.weight_ih, self.bias_ih)

    def recurrent(self, v: Tensor, rows: slice) -> Tensor:
        """R v + b' for some rows of R."""
        assert self.weight_hh is not None
        return F.linear(v, self.weight_hh[rows], None if self.bias_hh is None else self.bias_hh[rows])

    def project(self, s: Any) -> Any:
        """Project the output part of a state: h ← W_hr h (Sak et al. 2014); nothing where there is no projection."""
        return s if self.weight_hr is None else s._replace(h=F.linear(s.h, self.weight_hr))

    def preactivations(self, cell: Cell, from_input: Tensor, h: Tensor) -> Any:
        """What every gate of a cell receives in one step.

        Args:
            cell: the cell.
            from_input: W x_t + b, (B, G·H).
            h: h_{t-1}, (B, size of h).

        Returns:
            A named tuple over the gates: a tensor (B, H), a `Split` or a `Late`.
        """
        size = self.weight_ih.shape[0] // len(cell.gates)  # H
        with_product = cell.recurrent_gates
        early = len(with_product) - len(cell.late)
        of_x = from_input.split(size, dim=-1)
        of_h = self.recurrent(h, slice(0, early * size)).split(size, dim=-1) if early else ()
        z: list[Any] = []
        for gate, x in zip(cell.gates, of_x, strict=True):
            if gate in cell.input_only:
                z.append(x)
                continue
            k = with_product.index(gate)
            if gate in cell.late:
                z.append(Late(x, partial(self.recurrent, rows=slice(k * size, (k + 1) * size))))
            elif gate in cell.split:
                z.append(Split(x, of_h[k]))
            else:
                z.append(x + of_h[k])
        return cell.Gates(*z)
