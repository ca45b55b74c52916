"""The C code of one stage: what is computed elementwise for every sequence, in loops over the units."""

from lstmzoo.nn.engines.native.operations import OPERATIONS
from lstmzoo.nn.engines.native.passes import Array, Output, Pass, array_name
from lstmzoo.nn.engines.native.symbol import Symbol

SIZES = ("H", "P", "I")


def stage_function(p: Pass, stage: int) -> str:
    """Write the function of a stage."""
    body = _StageWriter(p, stage)
    return "\n".join(
        [
            "static inline __attribute__((always_inline))",
            f"void {p.name}_stage{stage}(const {p.name}_step *s, long first, long last, const int keep) {{",
            "    const long H = s->H, P = s->P, I = s->I;",
            "    (void)H, (void)P, (void)I, (void)keep;",
            "    for (long b = first; b < last; b++) {",
            *body.lines,
            "    }",
            "}",
        ]
    )


class _StageWriter:
    """Writes what a stage does for one sequence."""

    def __init__(self, p: Pass, stage: int) -> None:
        self.p, self.stage = p, stage
        self.lines: list[str] = []
        self.names: dict[Symbol, str] = {}
        self.used: dict[str, Array] = {}
        self.current = (stage, 0)
        self.nodes = sorted((n for n, place in p.schedule.items() if place[0] == stage), key=lambda n: n.serial)
        levels = {p.schedule[n][1] for n in self.nodes} | {0}
        code: list[str] = []
        for level in sorted(levels):
            code += self._level(level)
        rows = [self._row(array) for _, array in sorted(self.used.items())]
        self.lines = [*rows, *code]

    def _row(self, array: Array) -> str:
        if array.kind in ("vector", "sum", "scalar"):
            return f"        real *restrict {array.c} = s->{array.c};"
        return f"        real *restrict {array.c} = s->{array.c} + b * {array.blocks} * {array.size};"

    def _level(self, level: int) -> list[str]:
        p, self.current = self.p, (self.stage, level)
        here = [n for n in self.nodes if p.schedule[n] == (self.stage, level)]
        lines = []
        for node in here:
            if node.size in ("1", "") and self._computed(node) and node.op != "sum":
                name = self._define(node)
                lines.append(f"        const real {name} = {self._expression(node, 'row')};")
                if node in p.stored:
                    lines.append(f"        {self._address(p.stored[node], 0, 'row')} = {name};")
        for size in SIZES:
            lines += self._loop([n for n in here if n.size == size and self._computed(n)], level, size)
        lines += [
            f"        {self._address(o.array, o.block, 'row')} {'+=' if o.adds else '='} {self._value(o.value, 'row')};"
            for o in self._outputs(level, "1")
        ]
        return lines

    def _computed(self, node: Symbol) -> bool:
        return node.op not in ("input", "product", "transposed", "constant", "count")

    def _outputs(self, level: int, size: str) -> list[Output]:
        return [o for o in self.p.outputs if o.array.size == size and self.p.schedule[o.value] == (self.stage, level)]

    def _loop(self, nodes: list[Symbol], level: int, size: str) -> list[str]:
        """The loop over the units: values, sums, and what is written."""
        p = self.p
        sums = [
            n
            for n in self.nodes
            if n.op == "sum" and n.attributes[0] == size and p.schedule[n.args[0]] == (self.stage, level)
        ]
        outputs = self._outputs(level, size)
        if not nodes and not sums and not outputs:
            return []
        inside = []
        for node in nodes:
            expression = self._expression(node, "j")
            inside.append(f"            const real {self._define(node)} = {expression};")
            if node in p.stored:
                inside.append(f"            {self._address(p.stored[node], 0, 'j')} = {self.names[node]};")
        before = []
        for node in sums:
            before.append(f"        real {self._define(node)} = 0;")
            inside.append(f"            {self.names[node]} += {self._value(node.args[0], 'j')};")
        for o in outputs:
            kept = "if (keep) " if o.optional else ""
            sign = "+=" if o.adds else "="
            inside.append(
                f"            {kept}{self._address(o.array, o.block, 'j')} {sign} {self._value(o.value, 'j')};"
            )
        reduction = f" reduction(+ : {', '.join(self.names[n] for n in sums)})" if sums else ""
        head = [f"        #pragma omp simd{reduction}", f"        for (long j = 0; j < {size}; j++) {{"]
        after = [f"        {self._address(p.stored[n], 0, 'row')} = {self.names[n]};" for n in sums if n in p.stored]
        return [*before, *head, *inside, "        }", *after]

    def _define(self, node: Symbol) -> str:
        self.names[node] = f"v{len(self.names)}"
        return self.names[node]

    def _address(self, array: Array, block: int, index: str) -> str:
        self.used[array.name] = array
        if array.size == "1" or index == "row":
            return f"{array.c}[{block}]"
        return f"{array.c}[{f'{block} * {array.size} + ' if block else ''}{index}]"

    def _expression(self, node: Symbol, index: str) -> str:
        if node.op in ("constant", "count"):
            return self._value(node, index)
        return OPERATIONS[node.op].expression.format(*(self._value(argument, index) for argument in node.args))

    def _value(self, node: Symbol, index: str) -> str:
        """How a value is read."""
        p = self.p
        if node.op == "constant":
            return _constant(float(node.attributes[0]))
        if node.op == "count":
            return f"(real){node.attributes[0]}"
        if node.op == "input":
            return self._address(p.arrays[array_name(node)], node.attributes[2], index)
        if node.op in ("product", "transposed"):
            array, block = p.results[node]
            value = self._address(array, block, index)
            bias = node.attributes[2] if node.op == "product" else None
            if bias is None:
                return value
            return f"({value} + {self._address(p.arrays[bias], node.attributes[1], index)})"
        if node in self.names and (node.size in ("1", "") or p.schedule[node] == self.current):
            return self.names[node]
        if node.size == "":  # the same for all: computed again where it is needed
            return self._expression(node, index)
        return self._address(p.stored[node], 0, index)


def _constant(value: float) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        return {"inf": "(real)INFINITY", "-inf": "-(real)INFINITY"}.get(str(value), "(real)NAN")
    return f"(real){value!r}"
