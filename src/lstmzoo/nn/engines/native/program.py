"""From a step's equations to what is computed in a forward step and in a backward step, and what is kept in between."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from lstmzoo.nn.engines.native.operations import BY_DIMENSION, OPERATIONS, add, unit_sum
from lstmzoo.nn.engines.native.symbol import Symbol, as_symbol
from lstmzoo.nn.engines.native.tracing import TracedStep, input_symbol

GRADED_INPUTS = ("x", "below")  # the streams that are differentiated; masks are not


class Product(NamedTuple):
    """Consecutive blocks of one matrix times one vector, in the forward step: one matrix product.

    Attributes:
        matrix: name of the matrix.
        first: its first block.
        blocks: the blocks' results.
        vector: what is multiplied.
        number: its place among the products.
    """

    matrix: str
    first: int
    blocks: tuple[Symbol, ...]
    vector: Symbol
    number: int

    @property
    def name(self) -> str:
        """A name for arrays that belong to this product."""
        return f"{self.matrix}_{self.number}"


@dataclass
class Program:
    """What one step computes, forward and backward.

    Attributes:
        sizes: every state and its size.
        states: every state after the step.
        gates: recorded gates.
        kept: values that the forward step keeps for the backward step, by name.
        products: the products, in the order in which they can be computed.
        input_size: size of the blocks of ``x``.
        input_blocks: how many there are.
        graded: states for whose values over time gradients come in.
        carries: gradient of every state before the step.
        streams: gradients of the inputs of each step: name → blocks.
        stream_sizes: and their size.
        vectors: gradients of the vectors, to be summed over sequences and steps.
        per_sequence: gradients of the inputs that stay the same, to be summed over steps.
        product_gradients: gradients of the products' results, by `Product.name`.
        vectors_of_products: name of the input or kept value that a product multiplies, by `Product.name`.
    """

    sizes: dict[str, str]
    states: dict[str, Symbol]
    gates: dict[str, Symbol]
    products: list[Product]
    input_size: str
    input_blocks: int
    graded: tuple[str, ...]
    kept: dict[str, Symbol] = field(default_factory=dict)
    carries: dict[str, Symbol] = field(default_factory=dict)
    streams: dict[str, list[Symbol]] = field(default_factory=dict)
    stream_sizes: dict[str, str] = field(default_factory=dict)
    vectors: dict[str, Symbol] = field(default_factory=dict)
    per_sequence: dict[str, Symbol] = field(default_factory=dict)
    product_gradients: dict[str, list[Symbol]] = field(default_factory=dict)
    vectors_of_products: dict[str, Symbol] = field(default_factory=dict)


def make_program(traced: TracedStep, graded: tuple[str, ...]) -> Program:
    """Differentiate a step and decide what is kept for the backward pass.

    Args:
        traced: the step.
        graded: states for whose values over time gradients come in.
    """
    nodes = reachable([*traced.states.values(), *traced.gates.values()])
    products = _group_products(nodes)
    program = Program(
        traced.sizes, traced.states, traced.gates, products, traced.input_size, traced.input_blocks, graded
    )
    adjoints = _adjoints(program, nodes)
    recompute = Rematerializer(program, nodes)
    zero = as_symbol(0.0)
    for node in nodes:
        if node.op != "input":
            continue
        kind, name, block = node.attributes
        gradient = recompute(adjoints.get(node, zero))
        if kind == "state":
            program.carries[name] = gradient
        elif kind == "vector":
            program.vectors[name] = gradient
        elif kind == "per_sequence" and name != "drop":
            program.per_sequence[name] = gradient
        elif kind == "stream" and name in GRADED_INPUTS:
            program.stream_sizes[name] = node.size
            count = program.input_blocks if name == "x" else 1
            program.streams.setdefault(name, [zero] * count)[block] = gradient
    for name in program.states:  # a state that the step does not look at
        program.carries.setdefault(name, zero)
    for product in products:
        program.product_gradients[product.name] = [recompute(adjoints.get(block, zero)) for block in product.blocks]
        program.vectors_of_products[product.name] = recompute.keep(product.vector)
    return program


def sums_by_dimension(program: Program) -> bool:
    """Whether a step sums over a dimension that it gives by number."""
    values = [*program.states.values(), *program.gates.values()]
    return any(node.op == "sum" and BY_DIMENSION in node.attributes for node in reachable(values))


def reachable(roots: Iterable[Symbol]) -> list[Symbol]:
    """All that some values are computed from, arguments first."""
    seen: dict[int, Symbol] = {}
    todo = list(roots)
    while todo:
        node = todo.pop()
        if node.serial not in seen:
            seen[node.serial] = node
            todo += node.args
    return [seen[serial] for serial in sorted(seen)]


def _group_products(nodes: list[Symbol]) -> list[Product]:
    """Put neighbouring blocks of a matrix that multiply the same vector into one product."""
    groups: list[list[Symbol]] = []
    for node in sorted((n for n in nodes if n.op == "product"), key=lambda n: (n.args[0].serial, n.attributes[:2])):
        last = groups[-1][-1] if groups else None
        together = last is not None and last.args[0] is node.args[0] and last.attributes[0] == node.attributes[0]
        if last is not None and together and last.attributes[1] + 1 == node.attributes[1]:
            groups[-1].append(node)
        else:
            groups.append([node])
    return [Product(g[0].attributes[0], g[0].attributes[1], tuple(g), g[0].args[0], k) for k, g in enumerate(groups)]


def _adjoints(program: Program, nodes: list[Symbol]) -> dict[Symbol, Symbol]:
    """Reverse-mode differentiation: the gradient of every value that a state after the step depends on."""
    found: dict[Symbol, Symbol] = {}

    def accumulate(node: Symbol, gradient: Symbol | None) -> None:
        if gradient is not None and node.size != "":
            found[node] = add(found[node], gradient) if node in found else gradient

    for name, node in program.states.items():
        size = program.sizes[name]
        accumulate(node, input_symbol("carry", name, size))
        if name in program.graded:
            accumulate(node, input_symbol("stream", f"grad_{name}", size))
    by_vector: dict[Symbol, list[Product]] = {}
    for product in program.products:
        by_vector.setdefault(product.vector, []).append(product)
    for node in reversed(nodes):
        for product in by_vector.get(node, ()):
            if any(block in found for block in product.blocks):
                blocks = tuple(found.get(block, as_symbol(0.0)) for block in product.blocks)
                accumulate(node, Symbol.make("transposed", blocks, node.size, (product.number,)))
        if node in found:
            for argument, gradient in zip(node.args, _derivative(node, found[node]), strict=False):
                accumulate(argument, gradient)
    return found


def _derivative(node: Symbol, gradient: Symbol) -> tuple[Symbol | None, ...]:
    if node.op == "sum":
        return (gradient,)
    if node.op not in OPERATIONS:
        return ()
    parts = OPERATIONS[node.op].derivative(gradient, node, *node.args)
    return tuple(
        unit_sum(part, node.size) if part is not None and argument.size == "1" else part
        for argument, part in zip(node.args, parts, strict=True)
    )


class Rematerializer:
    """Rewrites gradients so that they refer to what a backward step can get at.

    Values of the forward step are inputs that are still there, states after the step, cheap to compute again, or kept.
    """

    def __init__(self, program: Program, forward: list[Symbol]) -> None:
        self.program = program
        self.forward = set(forward)
        self.after = {node: name for name, node in program.states.items()}
        self.done: dict[Symbol, Symbol] = {}

    def __call__(self, node: Symbol) -> Symbol:
        if node not in self.done:
            self.done[node] = self._value_of(node) if node in self.forward else self._recomputed(node)
        return self.done[node]

    def _recomputed(self, node: Symbol) -> Symbol:
        """The same operation on rewritten arguments."""
        if not node.args:
            return node
        return Symbol.make(node.op, tuple(map(self, node.args)), node.size, node.attributes)

    def _value_of(self, node: Symbol) -> Symbol:
        if node.op in ("input", "constant", "count"):
            return node
        if node in self.after and node.size == self.program.sizes[self.after[node]]:
            return input_symbol("after", self.after[node], node.size)
        operation = OPERATIONS.get(node.op)
        if node.size == "" or (operation is not None and not operation.costly and not self._needs_product(node)):
            return self._recomputed(node)
        return self.keep(node)

    def keep(self, node: Symbol) -> Symbol:
        """An input of the backward step that has a value of the forward step, which is kept if need be."""
        if node.op == "input":
            return node
        name = next((k for k, v in self.program.kept.items() if v is node), f"kept{len(self.program.kept)}")
        self.program.kept[name] = node
        return input_symbol("stream", name, node.size)

    def _needs_product(self, node: Symbol) -> bool:
        """Whether computing a value again would need the result of a product, so that it is better kept itself."""
        if node in self.after or node.op == "input":
            return False
        operation = OPERATIONS.get(node.op)
        if operation is None:
            return node.op == "product"
        return not operation.costly and any(map(self._needs_product, node.args))
