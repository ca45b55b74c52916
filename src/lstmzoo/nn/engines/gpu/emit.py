"""The Triton code of a stage: a function that computes a tile, some sequences × a block of units, and its kernel.

Where a stage sums over the units, the block has all of them. What the C code calls levels, loops over the units one
after the other, are lines of one tile here.
"""

import math
from dataclasses import dataclass

from lstmzoo.nn.engines.native.operations import OPERATIONS
from lstmzoo.nn.engines.native.passes import Array, Output, Pass, array_name
from lstmzoo.nn.engines.native.symbol import Symbol

SIZES = ("H", "P", "I")
STAYING = ("vector", "scalar")  # kinds of arrays that are the same for all sequences
MOVING = ("stream", "before", "after", "carry", "carried")  # kinds of arrays that lie elsewhere in every step
CONSTANTS = "KEEP: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr"
PRELUDE = """import triton
import triton.language as tl

from lstmzoo.nn.engines.gpu.functions import *

REAL = tl.constexpr(tl.{dtype})
"""


@dataclass(frozen=True)
class StageCode:
    """The code of a stage.

    Attributes:
        name: of the function; it gets the tile's first sequence and its block, the arrays, B, H, P and I, and the
            constants KEEP, ROWS and BLOCK.
        kernel: name of the kernel that computes the stage of one step. It gets for each array a pointer and, if it is
            of a kind in `MOVING`, where in it the step begins, in rows of its size; then as the function.
        source: both.
        arrays: the arrays, in order.
        whole: whether a block must have all units of a sequence.
    """

    name: str
    kernel: str
    source: str
    arrays: tuple[Array, ...]
    whole: bool


def stage_code(p: Pass, stage: int) -> StageCode:
    """Write a stage."""
    writer = _StageWriter(p, stage)
    body = writer.body()
    arrays = tuple(writer.used[name] for name in sorted(writer.used))
    name = f"{p.name}_stage{stage}"
    masks = {
        "first": "in_B & (column == 0)",
        **{f"in_{size}": f"in_B & (j < {size})" for size in SIZES},
        **{f"of_{size}": f"j < {size}" for size in SIZES},
    }
    function = [
        "@triton.jit",
        f"def {name}(",
        *parameters(["row, column", ", ".join(array.c for array in arrays)]),
        "):",
        "    b = row + tl.arange(0, ROWS)[:, None]",
        "    j = column * BLOCK + tl.arange(0, BLOCK)[None, :]",
        "    in_B = b < B",
        *(f"    {mask} = {test}" for mask, test in masks.items() if any(mask in line for line in body)),
        *body,
    ]
    kernel = f"{name}_of_a_step"
    moving = [f"{array.c}at" for array in arrays if array.kind in MOVING]
    given = [f"{a.c} + {in_rows(f'{a.c}at', a)}" if a.kind in MOVING else a.c for a in arrays]
    alone = [
        *jit([*moving, "B"]),
        f"def {kernel}(",
        *parameters([f"{a.c}, {a.c}at: tl.int64" if a.kind in MOVING else a.c for a in arrays]),
        "):",
        "    row = tl.program_id(0).to(tl.int64) * ROWS",
        *call(name, ["row, tl.program_id(1)", *given], "ROWS"),
    ]
    whole = any(node.op == "sum" for node in writer.nodes)
    return StageCode(name, kernel, "\n".join([*function, "", "", *alone]) + "\n", arrays, whole)


def jit(unspecialized: list[str]) -> list[str]:
    """The decorator of a kernel that is not compiled anew for other values of some numbers."""
    return [f"@triton.jit(do_not_specialize={unspecialized!r})"]


def parameters(own: list[str]) -> list[str]:
    """The lines of a function's parameters: its own, and those that all have."""
    return [f"    {line}," for line in [*own, f"B, {', '.join(SIZES)}", CONSTANTS]]


def call(function: str, arguments: list[str], rows: str) -> list[str]:
    """A call of a stage's function."""
    return [f"    {function}({', '.join([*arguments, 'B', *SIZES, 'KEEP', rows, 'BLOCK'])})"]


class _StageWriter:
    """Writes what a stage does for one tile: what it reads, what it computes, what it writes."""

    def __init__(self, p: Pass, stage: int) -> None:
        self.p, self.stage = p, stage
        self.used: dict[str, Array] = {}
        self.loaded: set[str] = set()
        self.names: dict[Symbol, str] = {}
        self.lines: list[str] = []
        self.nodes = sorted((n for n, place in p.schedule.items() if place[0] == stage), key=lambda n: n.serial)

    def body(self) -> list[str]:
        for node in self.nodes:
            if node.op in ("input", "product", "transposed", "constant", "count"):
                continue
            expression = self._expression(node)
            self.names[node] = f"v{len(self.names)}"
            self.lines.append(f"    {self.names[node]} = {expression}")
        read_later = {v for n, place in self.p.schedule.items() if place[0] != self.stage for v in n.args}
        for node in self.nodes:
            if node in self.p.stored and node in self.names and node in read_later:
                self._store(Output(self.p.stored[node], 0, node))
        for output in self.p.outputs:
            if self.p.schedule[output.value][0] == self.stage:
                self._store(output)
        return self.lines

    def _read(self, array: Array, block: int) -> str:
        """The name of a block of an array, which is loaded where it is first needed: registers are few."""
        name = f"{array.c}{block}"
        if name not in self.loaded:
            self.loaded.add(name)
            self.used[array.name] = array
            self.lines.append(f"    {name} = {self._load(array, block)}")
        return name

    def _load(self, array: Array, block: int) -> str:
        if array.kind in STAYING:
            mask = "" if array.size == "1" else f", of_{array.size}, 0.0"
        else:
            mask = f", in_{'B' if array.size == '1' else array.size}, 0.0"
        return f"tl.load({self._address(array, block)}{mask}).to(REAL)"

    def _address(self, array: Array, block: int) -> str:
        terms = [array.c]
        if array.kind not in STAYING:
            terms.append(_times("b", array.blocks, array.size))
        terms += [_times(block, array.size)] if block else []
        return " + ".join(terms if array.size == "1" else [*terms, "j"])

    def _store(self, o: Output) -> None:
        value = self._value(o.value)
        if o.adds:
            value = f"{self._read(o.array, o.block)} + {value}"
        self.used[o.array.name] = o.array
        mask = "first" if o.array.size == "1" else f"in_{o.array.size}"
        line = f"    tl.store({self._address(o.array, o.block)}, {value}, {mask})"
        self.lines += ["    if KEEP:", f"    {line}"] if o.optional else [line]

    def _expression(self, node: Symbol) -> str:
        if node.op == "sum":
            return f"tl.sum(tl.where(in_{node.attributes[0]}, {self._value(node.args[0])}, 0.0), 1, keep_dims=True)"
        if node.op in ("constant", "count"):
            return self._value(node)
        return OPERATIONS[node.op].expression.format(*map(self._value, node.args))

    def _value(self, node: Symbol) -> str:
        """How a value is read."""
        p = self.p
        if node in self.names:
            return self.names[node]
        if node.op == "constant":
            return f"tl.full([], {_number(float(node.attributes[0]))}, REAL)"
        if node.op == "count":
            return f"tl.full([], {node.attributes[0]}, REAL)"
        if node.op == "input":
            return self._read(p.arrays[array_name(node)], node.attributes[2])
        if node.op in ("product", "transposed"):
            value = self._read(*p.results[node])
            bias = node.attributes[2] if node.op == "product" else None
            return value if bias is None else f"({value} + {self._read(p.arrays[bias], node.attributes[1])})"
        if node.size == "":  # the same for all: computed again where it is needed
            return self._expression(node)
        return self._read(p.stored[node], 0)


def in_rows(number: str, array: Array) -> str:
    """A number of rows of an array's size; so the compiler sees that it is aligned where that size is."""
    return _times(number, array.size)


def _times(*factors: str | int) -> str:
    return " * ".join(str(f) for f in factors if str(f) != "1") or "1"


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else f"float('{value}')"
