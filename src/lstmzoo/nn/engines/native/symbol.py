"""Symbols: what a cell's step computes with when it is compiled instead of run.

A symbol stands for a value of one step. Operators and torch's elementwise functions on symbols give symbols, so running
``step`` on them leaves its equations as a graph. Equal expressions are one object.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

Number = float | int
_serial = itertools.count()
FUNCTIONS: dict[str, Callable[..., Symbol]] = {}
"""What symbols stand for tensors in: torch's functions and methods by name; `operations` fills it."""
_known: weakref.WeakValueDictionary[tuple[Any, ...], Symbol] = weakref.WeakValueDictionary()


class UntraceableError(Exception):
    """A step does something that the compiler does not know."""


def _operator(name: str, swapped: bool = False) -> Callable[[Any, Any], Symbol]:
    """The method behind an operator."""

    def method(self: Symbol, other: Any) -> Symbol:
        function = _function(name)
        return function(other, self) if swapped else function(self, other)

    return method


class Symbol:
    """A value of one step.

    Attributes:
        op: ``"input"``, ``"product"``, ``"transposed"``, ``"sum"``, ``"count"``, ``"constant"``, or an operation of
            `lstmzoo.nn.engines.native.operations.OPERATIONS`.
        args: what it is computed from.
        size: how many numbers it has for one sequence: "H", "P" (projected), "I" (input), "1", or "" for a number that
            is the same for all sequences.
        attributes: what else tells it from others; depends on ``op``.
        serial: symbols are numbered in the order they arise, so arguments come before what is computed from them.
    """

    __slots__ = ("__weakref__", "args", "attributes", "op", "serial", "size")

    def __init__(self, op: str, args: tuple[Symbol, ...], size: str, attributes: tuple[Any, ...]) -> None:
        self.op, self.args, self.size, self.attributes = op, args, size, attributes
        self.serial = next(_serial)

    @classmethod
    def make(cls, op: str, args: tuple[Symbol, ...] = (), size: str = "", attributes: tuple[Any, ...] = ()) -> Symbol:
        """Return the one symbol of these properties."""
        key = (op, *map(id, args), size, attributes)
        found = _known.get(key)
        if not torch.is_grad_enabled():
            raise UntraceableError(
                "a step switches gradients off, or runs a torch.autograd.Function of its own, which is not compiled; "
                "detach() says which value has no gradient"
            )
        if found is None:
            found = _known[key] = cls(op, args, size, attributes)
        return found

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Symbol:
        name = getattr(func, "__name__", str(func))
        name = name.strip("_") if name.startswith("__") else name  # __rsub__, but relu_, which is in place, remains
        return _function(name)(*args, **(kwargs or {}))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return partial(_function(name), self)

    def __bool__(self) -> bool:
        raise UntraceableError("a step branches on a value")

    __add__, __radd__ = _operator("add"), _operator("add", swapped=True)
    __sub__, __rsub__ = _operator("sub"), _operator("sub", swapped=True)
    __mul__, __rmul__ = _operator("mul"), _operator("mul", swapped=True)
    __truediv__, __rtruediv__ = _operator("truediv"), _operator("truediv", swapped=True)
    __mod__ = _operator("mod")
    __gt__, __ge__, __lt__, __le__ = _operator("gt"), _operator("ge"), _operator("lt"), _operator("le")
    __eq__, __ne__ = _operator("eq"), _operator("ne")  # type: ignore[assignment]
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<{self.op} {self.serial} {self.size} {self.attributes}>"

    def __neg__(self) -> Symbol:
        return _function("neg")(self)

    def __pow__(self, exponent: Any) -> Symbol:
        return _function("pow")(self, exponent)


def _function(name: str) -> Callable[..., Symbol]:
    if name not in FUNCTIONS:
        raise UntraceableError(f"the compiler does not know the function {name!r}")
    return FUNCTIONS[name]


def as_symbol(value: Any) -> Symbol:
    """Return a symbol for a symbol or a number."""
    if isinstance(value, Symbol):
        return value
    if isinstance(value, bool | int | float):
        return Symbol.make("constant", attributes=(repr(float(value)),))
    raise UntraceableError(f"a step computes with a {type(value).__name__} of its own")


def common_size(*symbols: Symbol) -> str:
    """The size of an elementwise result: numbers and values of size 1 go with any other."""
    sizes = {s.size for s in symbols} - {"", "1"}
    if len(sizes) > 1:
        raise UntraceableError(f"a step combines values of sizes {sorted(sizes)}")
    if sizes:
        return sizes.pop()
    return "1" if any(s.size == "1" for s in symbols) else ""


def value_of(symbol: Symbol) -> float | None:
    """The number that a constant is, or None."""
    return float(symbol.attributes[0]) if symbol.op == "constant" else None
