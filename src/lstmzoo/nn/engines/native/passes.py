"""A pass (forward or backward) as arrays, products and stages: what the C code is written from.

A stage is a loop over the sequences of a batch that computes elementwise values; between stages stand the matrix
products, which need a whole batch. Where a sum over the units is needed, a stage has several levels, each with a loop
over the units.
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from lstmzoo.nn.engines.native.program import Program, reachable
from lstmzoo.nn.engines.native.symbol import Symbol

Slot = tuple[int, int]  # stage, level


@dataclass(frozen=True)
class Array:
    """Numbers in memory.

    Attributes:
        name: its name.
        kind: how it depends on the step: "stream" (T, B, ·), "before" and "after" (a state around the step), "carry"
            and "carried" (a gradient handed from step to step), "fixed" (B, ·), "vector" (·), "scalar", "sum" (·, one
            for every thread).
        size: "H", "P", "I" or "1".
        blocks: how many of that size for one sequence.
    """

    name: str
    kind: str
    size: str
    blocks: int = 1

    @property
    def c(self) -> str:
        """The name in C code, which can't be a word of that language."""
        return f"{self.name}_"


@dataclass(frozen=True)
class Output:
    """A value that is written in every step; ``adds``: added to what is there; ``optional``: only where it is kept."""

    array: Array
    block: int
    value: Symbol
    adds: bool = False
    optional: bool = False


class Matrix(NamedTuple):
    """Consecutive blocks of a matrix, as a product uses them: ``blocks`` from ``first`` on, of "H" or "P" rows each."""

    name: str
    first: int
    blocks: int
    transposed: bool
    block_size: str


@dataclass(frozen=True)
class ProductCall:
    """A matrix product between stages: ``out = of · partᵀ``, or ``of · part`` if transposed."""

    stage: int
    part: Matrix
    of: Array
    out: Array


@dataclass(eq=False)
class Pass:
    """One direction of a program, laid out; see the functions that make it."""

    name: str
    arrays: dict[str, Array] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)
    calls: list[ProductCall] = field(default_factory=list)
    schedule: dict[Symbol, Slot] = field(default_factory=dict)
    results: dict[Symbol, tuple[Array, int]] = field(default_factory=dict)  # products' results → where they are
    stored: dict[Symbol, Array] = field(default_factory=dict)  # values that later stages or levels need

    def array(self, name: str, kind: str, size: str, blocks: int = 1) -> Array:
        """Declare an array; the larger number of blocks counts."""
        known = self.arrays.get(name)
        self.arrays[name] = Array(name, kind, size, max(blocks, known.blocks if known else 1))
        return self.arrays[name]

    def write(self, array: Array, values: Iterable[Symbol], adds: bool = False, optional: bool = False) -> None:
        """Let values be written to the blocks of an array."""
        for block, value in enumerate(values):
            free = value.op in ("input", "product", "transposed") or value.size != array.size
            copied = Symbol.make("copy", (value,), array.size) if free else value
            self.outputs.append(Output(array, block, copied, adds, optional))

    @functools.cached_property
    def reads_x(self) -> bool:
        """Whether the stream ``x`` is looked at."""
        return any(node.op == "input" and node.attributes[:2] == ("stream", "x") for node in self.schedule)

    @property
    def stages(self) -> int:
        """Number of stages."""
        last = max((call.stage for call in self.calls), default=0)
        return 1 + max([last, *(self.schedule[output.value][0] for output in self.outputs)])


def forward_pass(program: Program) -> Pass:
    """Lay out the forward step."""
    p = Pass("forward")
    direct = {}
    for name, node in program.states.items():
        after = p.array(f"{name}_after", "after", program.sizes[name])
        if node.op == "product" and node.size == after.size and node not in direct:
            direct[node] = after
        else:
            p.write(after, [node])
    vectors = {value.attributes[1] for value in program.vectors_of_products.values()}
    for name, node in program.kept.items():
        p.write(p.array(name, "stream", node.size), [node], optional=name not in vectors)
    for name, node in program.gates.items():
        p.write(p.array(f"gate_{name}", "stream", "H"), [node])
    values = [output.value for output in p.outputs] + list(direct)
    _declare_inputs(p, program, values + [product.vector for product in program.products])
    for product in program.products:
        size, count = product.blocks[0].size, len(product.blocks)
        out = direct.get(product.blocks[0]) or p.array(f"product_{product.name}", "fixed", size, count)
        p.results |= {block: (out, k) for k, block in enumerate(product.blocks)}
        of = p.arrays[array_name(program.vectors_of_products[product.name])]
        stage = 0 if product.vector.op == "input" else _schedule(p, [product.vector])[0][0] + 1
        p.schedule |= dict.fromkeys(product.blocks, (stage, 0))
        p.calls.append(ProductCall(stage, Matrix(product.matrix, product.first, count, False, out.size), of, out))
    _finish(p, values)
    return p


def backward_pass(program: Program) -> Pass:
    """Lay out the backward step."""
    p = Pass("backward")
    direct = {}
    for name, node in program.carries.items():
        carried = p.array(f"carried_{name}", "carried", program.sizes[name])
        p.array(f"carry_{name}", "carry", program.sizes[name])
        if node.op == "transposed" and node not in direct:
            direct[node] = carried
        else:
            p.write(carried, [node])
    for name, blocks in program.streams.items():
        p.write(p.array(f"d_{name}", "stream", program.stream_sizes[name], len(blocks)), blocks)
    for name, node in program.vectors.items():
        p.write(p.array(f"d_{name}", "sum", "H"), [node], adds=True)
    for name, node in program.per_sequence.items():
        p.write(p.array(f"d_{name}", "fixed", program.sizes.get(name.removeprefix("start_"), "H")), [node], adds=True)
    gradients = {}
    for product in program.products:
        blocks = program.product_gradients[product.name]
        if list(map(id, blocks)) == list(map(id, program.streams.get("x", ()))):
            gradients[product.name] = p.arrays["d_x"]  # the same numbers: kept once
            continue
        gradients[product.name] = p.array(f"d_{product.name}", "stream", product.blocks[0].size, len(blocks))
        p.write(gradients[product.name], blocks)
    values = [output.value for output in p.outputs] + list(direct)
    _declare_inputs(p, program, values)
    written = {(output.array.name, output.block): output.value for output in p.outputs}
    for node in reachable(values):
        if node.op != "transposed":
            continue
        product = program.products[node.attributes[0]]
        of = gradients[product.name]
        out = direct.get(node) or p.array(f"back_{product.name}", "fixed", node.size)
        stage = 1 + max(_schedule(p, [written[(of.name, k)] for k in range(of.blocks)]))[0]
        p.schedule[node], p.results[node] = (stage, 0), (out, 0)
        part = Matrix(product.matrix, product.first, len(product.blocks), True, of.size)
        p.calls.append(ProductCall(stage, part, of, out))
    _finish(p, values)
    return p


def array_name(node: Symbol) -> str:
    """Name of the array that an input is read from."""
    kind, name, _ = node.attributes
    forms = {"state": "{}_before", "after": "{}_after", "carry": "carry_{}"}
    return forms.get(kind, "{}").format(name)


def _declare_inputs(p: Pass, program: Program, values: Iterable[Symbol]) -> None:
    kinds = {"state": "before", "per_sequence": "fixed"}
    p.array("x", "stream", program.input_size, program.input_blocks)  # all of it, whichever gates the step looks at
    for node in reachable(values):
        if node.op == "input":
            kind, _, block = node.attributes
            p.array(array_name(node), kinds.get(kind, kind), node.size or "1", block + 1)
        elif node.op == "product" and node.attributes[2] is not None:
            p.array(node.attributes[2], "vector", "H", node.attributes[1] + 1)


def _schedule(p: Pass, values: Iterable[Symbol]) -> list[Slot]:
    """Assign some values, and all they are computed from, their stages and levels, arguments first."""
    values = list(values)
    for node in reachable(values):
        if node not in p.schedule:
            stage, level = max((p.schedule[argument] for argument in node.args), default=(0, 0))
            p.schedule[node] = (stage, level + 1) if node.op == "sum" else (stage, level)
    return [p.schedule[value] for value in values]


def _finish(p: Pass, values: list[Symbol]) -> None:
    """Schedule everything, and find out which values must be stored because they are used elsewhere than they arise."""
    nodes = reachable(values)
    _schedule(p, nodes)
    elsewhere: dict[int, Symbol] = {}
    for node in nodes:
        for argument in node.args if node.op not in ("product", "transposed", "sum") else ():
            at, used = p.schedule[argument], p.schedule[node]
            if argument.op in ("input", "product", "transposed") or argument.size == "":
                continue
            if used != at and not (argument.size == "1" and used[0] == at[0]):
                elsewhere[argument.serial] = argument
    for k, serial in enumerate(sorted(elsewhere)):
        node = elsewhere[serial]
        p.stored[node] = p.array(f"stored{k}", "fixed", node.size)
