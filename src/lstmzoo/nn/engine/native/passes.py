"""A pass (forward or backward) as arrays, products and stages: what the C code is written from.

A stage is a loop over the sequences of a batch that computes elementwise values; between stages stand the matrix
products, which need a whole batch. Where a sum over the units is needed, a stage has several levels, each with a loop
over the units.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field

from lstmzoo.nn.engine.native.program import Program, reachable
from lstmzoo.nn.engine.native.symbol import Symbol

Place = tuple[int, int]  # stage, level


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


@dataclass(frozen=True)
class ProductCall:
    """A matrix product between stages: ``out = of · matrixᵀ``, or ``of · matrix`` if transposed."""

    stage: int
    matrix: str
    first: int
    count: int
    of: Array
    out: Array
    transposed: bool


@dataclass(eq=False)
class Pass:
    """One direction of a program, laid out; see the functions that make it."""

    name: str
    arrays: dict[str, Array] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)
    calls: list[ProductCall] = field(default_factory=list)
    places: dict[Symbol, Place] = field(default_factory=dict)
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
        return any(node.op == "input" and node.attributes[:2] == ("stream", "x") for node in self.places)

    @property
    def stages(self) -> int:
        """Number of stages."""
        last = max((call.stage for call in self.calls), default=0)
        return 1 + max([last, *(self.places[output.value][0] for output in self.outputs)])


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
    place = _Placing(p)
    for product in program.products:
        size, count = product.blocks[0].size, len(product.blocks)
        out = direct.get(product.blocks[0]) or p.array(f"product_{product.name}", "fixed", size, count)
        p.results |= {block: (out, k) for k, block in enumerate(product.blocks)}
        of = p.arrays[array_name(program.vectors_of_products[product.name])]
        stage = 0 if product.vector.op == "input" else place(product.vector)[0] + 1
        p.places |= dict.fromkeys(product.blocks, (stage, 0))
        p.calls.append(ProductCall(stage, product.matrix, product.first, count, of, out, transposed=False))
    _finish(p, place, values)
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
    for name, node in program.held.items():
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
    place = _Placing(p)
    written = {(output.array.name, output.block): output.value for output in p.outputs}
    for node in reachable(values):
        if node.op != "transposed":
            continue
        product = program.products[node.attributes[0]]
        of = gradients[product.name]
        out = direct.get(node) or p.array(f"back_{product.name}", "fixed", node.size)
        stage = 1 + max(place(written[(of.name, k)])[0] for k in range(of.blocks))
        p.places[node], p.results[node] = (stage, 0), (out, 0)
        p.calls.append(ProductCall(stage, product.matrix, product.first, len(product.blocks), of, out, transposed=True))
    _finish(p, place, values)
    return p


def array_name(node: Symbol) -> str:
    """Name of the array that an input is read from."""
    kind, name, _ = node.attributes
    forms = {"state": "{}_before", "after": "{}_after", "carry": "carry_{}"}
    return forms.get(kind, "{}").format(name)


def _declare_inputs(p: Pass, program: Program, values: Iterable[Symbol]) -> None:
    kinds = {"state": "before", "held": "fixed"}
    p.array("x", "stream", program.input_size, program.input_blocks)  # all of it, whichever gates the step looks at
    for node in reachable(values):
        if node.op == "input":
            kind, _, block = node.attributes
            p.array(array_name(node), kinds.get(kind, kind), node.size or "1", block + 1)
        elif node.op == "product" and node.attributes[2] is not None:
            p.array(node.attributes[2], "vector", "H", node.attributes[1] + 1)


class _Placing:
    """Assigns every value its stage and level, arguments first."""

    def __init__(self, p: Pass) -> None:
        self.p = p

    def __call__(self, node: Symbol) -> Place:
        for n in reachable([node]):
            if n not in self.p.places:
                self.p.places[n] = self._place(n)
        return self.p.places[node]

    def _place(self, node: Symbol) -> Place:
        stage, level = max((self.p.places[argument] for argument in node.args), default=(0, 0))
        return (stage, level + 1) if node.op == "sum" else (stage, level)


def _finish(p: Pass, place: _Placing, values: list[Symbol]) -> None:
    """Place everything, and find out which values must be stored because they are used elsewhere than they arise."""
    nodes = reachable(values)
    for node in nodes:
        place(node)
    elsewhere: dict[int, Symbol] = {}
    for node in nodes:
        for argument in node.args if node.op not in ("product", "transposed", "sum") else ():
            at, used = p.places[argument], p.places[node]
            if argument.op in ("input", "product", "transposed") or argument.size == "":
                continue
            if used != at and not (argument.size == "1" and used[0] == at[0]):
                elsewhere[argument.serial] = argument
    for k, serial in enumerate(sorted(elsewhere)):
        node = elsewhere[serial]
        p.stored[node] = p.array(f"stored{k}", "fixed", node.size)
