"""The learned maps of one layer and direction, and the pre-activations they give."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lstmzoo.nn.cell import Cell, Deferred, ManualProjection, SeparateTerms


@dataclass(frozen=True)
class Weights:
    """W, R, their biases, the projection and the cell's own vectors and maps, of one layer and direction.

    Rows are blocks of H: of W in the order of ``cell.gates``, of R in that of ``cell.recurrent_gates``.

    Args:
        cell: the cell they serve.
        hidden_size: H.
        named: those there are of ``weight_ih``, W, (G·H, I), or with a kernel (G·H, I, K, K); ``weight_hh``, R,
            (G·H, size of h); ``bias_ih``, b, and ``bias_hh``, b', (G·H,); ``weight_hr``, the projection of h, (P, H);
            and the cell's vectors, constants and matrices.
    """

    cell: Cell
    hidden_size: int
    named: Mapping[str, Tensor]

    def product(self, weight: Tensor, bias: Tensor | None, v: Tensor) -> Tensor:
        """Apply one map: a matrix product here, a convolution in `lstmzoo.nn.conv`."""
        return F.linear(v, weight, bias)

    def input(self, x: Tensor) -> Tensor:
        """W x + b of all gates, for all steps at once: (T, B, I) → (T, B, G·H)."""
        return self.product(self.named["weight_ih"], self.named.get("bias_ih"), x)

    def input_blocks(self, of_x: Tensor) -> tuple[Tensor, ...]:
        """W x + b of one step, (B, G·H), cut into its gates, (B, H) each."""
        return of_x.split(list(self.cell.gate_sizes(self.hidden_size).values()), dim=1)

    def recurrent_blocks(self, v: Tensor, first: int, count: int) -> tuple[Tensor, ...]:
        """R v + b' of some consecutive gates among ``cell.recurrent_gates``, (B, H) each."""
        sizes = self.cell.gate_sizes(self.hidden_size)
        rows = [sizes[gate] for gate in self.cell.recurrent_gates]
        part = slice(sum(rows[:first]), sum(rows[: first + count]))
        bias = self.named["bias_hh"][part] if "bias_hh" in self.named else None
        return self.product(self.named["weight_hh"][part], bias, v).split(rows[first : first + count], dim=1)

    def project(self, h: Tensor) -> Tensor:
        """W_hr h (Sak et al. 2014)."""
        return self.product(self.named["weight_hr"], None, h)

    def check_state(self, after: Any, before: Any) -> None:
        """Refuse a state whose shape a step has changed: where it is added to others, broadcasting would hide it.

        Raises:
            ValueError: naming the state, the shape it should have and the one it has.
        """
        for name, found, old in zip(self.cell.state, after, before, strict=True):
            wanted = old.shape
            if name == "h" and "weight_hr" in self.named:  # what a step returns is not projected yet
                wanted = torch.Size((old.shape[0], self.hidden_size, *old.shape[2:]))
            if not isinstance(found, Tensor) or found.shape != wanted:
                shape = tuple(found.shape) if isinstance(found, Tensor) else f"a {type(found).__name__}"
                raise ValueError(
                    f"{self.cell!r}: step must return {name!r} as {tuple(wanted)}, one row per sequence; got {shape}"
                )

    def parameters(self) -> Any:
        """What `Cell.step` gets as ``p``: vectors and constants, and maps ready to apply."""
        cell = self.cell
        maps = {name: partial(self.product, self.named[name], None) for name in cell.matrices}
        return cell.Parameters(**{name: self.named[name] for name in (*cell.vectors, *cell.constants)}, **maps)


def preactivations(weights: Weights, x: Any, h: Any, below: Any = None, drop: Any = None) -> Any:
    """What `Cell.step` gets as ``z`` in one step.

    Args:
        weights: the layer's weights.
        x: W x_t + b, (B, G·H); for a cell that projects by hand x_t itself, (B, I).
        h: h_{t-1}, (B, size of h).
        below: state of the layer below, (B, H), for cells that look at it.
        drop: mask that whatever R acts on is multiplied with, (B, size of h), or None.

    Returns:
        A named tuple over the gates: a tensor (B, H), `SeparateTerms` or `Deferred`; or a `ManualProjection`.
    """
    if weights.cell.manual_projection:
        return ManualProjection(x, lambda x, h: _gates(weights, weights.input(x), h, below, drop))
    return _gates(weights, x, h, below, drop)


def _gates(weights: Weights, of_x: Any, h: Any, below: Any, drop: Any) -> Any:
    cell = weights.cell
    with_product = cell.recurrent_gates
    at_once = len(with_product) - len(cell.deferred)
    of_h = weights.recurrent_blocks(h if drop is None else h * drop, 0, at_once) if at_once else ()
    z: list[Any] = []
    for gate, x in zip(cell.gates, weights.input_blocks(of_x), strict=True):
        if gate in cell.input_only:
            z.append(x)
            continue
        k = with_product.index(gate)
        if gate in cell.deferred:
            z.append(Deferred(x, partial(_deferred_product, weights, k, drop)))
        elif gate in cell.separate_terms:
            z.append(SeparateTerms(x, of_h[k]))
        else:
            z.append(x + of_h[k])
    return cell.Inputs(*z, *(() if cell.below is None else (below,)))


def _deferred_product(weights: Weights, k: int, drop: Any, v: Any) -> Any:
    return weights.recurrent_blocks(v if drop is None else v * drop, k, 1)[0]
