"""A step run on symbols: its equations as a graph."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from lstmzoo.nn.engines.native.symbol import Symbol, UntraceableError, as_symbol
from lstmzoo.nn.layer import Step
from lstmzoo.nn.weights import Weights


def input_symbol(kind: str, name: str, size: str, block: int = 0) -> Symbol:
    """A value that comes from outside the step.

    Args:
        kind: "stream" (differs from step to step), "state" (the state before), "per_sequence" (the same in all steps),
            "vector" (the same for all sequences, too) or "scalar".
        name: which.
        size: see `Symbol`.
        block: which part of an array that holds several.
    """
    return Symbol.make("input", (), size, (kind, name, block))


@dataclass(frozen=True)
class SymbolicWeights(Weights):
    """Weights whose products are symbols.

    Args:
        bias: whether there are biases.
        batched_vectors: vectors that differ from sequence to sequence.
    """

    bias: bool = False
    batched_vectors: tuple[str, ...] = ()

    def input_blocks(self, of_x: Any) -> tuple[Any, ...]:
        if self.cell.manual_projection:
            return tuple(self._product("weight_ih", k, of_x, "bias_ih") for k in range(len(self.cell.gates)))
        return tuple(input_symbol("stream", "x", "H", k) for k in range(len(self.cell.gates)))

    def input(self, x: Any) -> Any:
        return x  # of cells that project by hand: `input_blocks` multiplies

    def recurrent_blocks(self, v: Any, first: int, count: int) -> tuple[Any, ...]:
        bias = "bias_hh" if self.cell.bias_in_steps else None  # else it has been added to W x + b already
        return tuple(self._product("weight_hh", k, v, bias) for k in range(first, first + count))

    def project(self, h: Any) -> Any:
        return Symbol.make("product", (h,), "P", ("weight_hr", 0, None))

    def check_state(self, after: Any, before: Any) -> None:
        for name, found, old in zip(self.cell.state, after, before, strict=True):
            wanted = "H" if old.size == "P" else old.size  # what a step returns is not projected yet
            size = found.size if isinstance(found, Symbol) else type(found).__name__
            if size not in (wanted, ""):
                raise UntraceableError(f"step must return {name!r} as (B, {wanted}); got (B, {size})")

    def parameters(self) -> Any:
        cell = self.cell
        vectors = {
            name: input_symbol("per_sequence" if name in self.batched_vectors else "vector", name, "H")
            for name in (*cell.vectors, *cell.constants)
        }
        return cell.Parameters(**vectors, **{name: partial(self._own, name) for name in cell.matrices})

    def _own(self, name: str, v: Any) -> Symbol:
        size = {"hidden": "H", "input": "I"}[self.cell.matrices[name][0]]
        return Symbol.make("product", (as_symbol(v),), size, (name, 0, None))

    def _product(self, matrix: str, block: int, v: Any, bias: str | None) -> Symbol:
        return Symbol.make("product", (as_symbol(v),), "H", (matrix, block, bias if self.bias else None))


@dataclass(frozen=True)
class TracedStep:
    """A step's equations.

    Attributes:
        states: every state after the step, by name.
        gates: every recorded gate, by name.
        sizes: size of every state, by name.
        input_size: size of the blocks of ``x``.
        input_blocks: how many there are.
    """

    states: dict[str, Symbol]
    gates: dict[str, Symbol]
    sizes: dict[str, str]
    input_size: str
    input_blocks: int


def trace_step(step: Step, bias: bool, batched_vectors: tuple[str, ...] = ()) -> TracedStep:
    """Run a step on symbols.

    Args:
        step: the step.
        bias: whether the maps have biases.
        batched_vectors: the cell's vectors that differ from sequence to sequence.

    Raises:
        UntraceableError: if the cell computes something that the compiler does not know.
    """
    cell = step.cell
    sizes = _state_sizes(step)
    if any(rows != 7 for rows in cell.gate_sizes(7).values()):
        raise UntraceableError("a cell whose gates are not one per unit")
    weights = SymbolicWeights(cell, 0, {}, bias, batched_vectors)
    given: dict[str, Any] = {"x": input_symbol("stream", "x", "I") if cell.manual_projection else None}
    given |= {name: input_symbol("stream", name, "1") for name in ("real", "reset")}
    given |= {f"start_{name}": input_symbol("per_sequence", f"start_{name}", size) for name, size in sizes.items()}
    given["drop"] = input_symbol("per_sequence", "drop", sizes["h"])
    given |= {f"clamp_{name}": input_symbol("scalar", f"clamp_{name}", "") for name in cell.gates}
    for name, size in sizes.items():
        masked = name in step.zoned and step.zone_masks
        given[f"zone_{name}"] = input_symbol("stream" if masked else "scalar", f"zone_{name}", size if masked else "")
    if cell.below is not None:
        given["below"] = input_symbol("stream", "below", sizes[cell.below])
    before = cell.State(*(input_symbol("state", name, size) for name, size in sizes.items()))
    try:
        with torch.random.fork_rng(devices=[]):  # a step that draws numbers is not compiled, and draws its own later
            after, gates = step(weights, given, before)
    except UntraceableError:
        raise
    except Exception as error:  # whatever arises where a step treats a symbol as the tensor it is not
        raise UntraceableError(f"the step can't be traced: {error}") from error
    return TracedStep(
        states={name: as_symbol(value) for name, value in after._asdict().items()},
        gates={name: as_symbol(value) for name, value in gates.items()},
        sizes=sizes,
        input_size="I" if cell.manual_projection else "H",
        input_blocks=1 if cell.manual_projection else len(cell.gates),
    )


def _state_sizes(step: Step) -> dict[str, str]:
    """Size of every state: found by asking the cell for shapes with telling numbers."""
    names: dict[tuple[int, ...], str] = {(7,): "H", (3,): "P" if step.projected else "", (1,): "1"}
    shapes = step.cell.state_shapes(7, 3 if step.projected else 7)
    try:
        return {name: names[shape] for name, shape in shapes.items()}
    except KeyError as error:
        raise UntraceableError(f"a state of shape {error}") from error
