"""The C code of a program: a loop over the units for every stage, and a loop over the steps around them."""

from __future__ import annotations

import functools

from lstmzoo.nn.engine.native.operations import OPERATIONS
from lstmzoo.nn.engine.native.passes import Array, Output, Pass, ProductCall, array_name
from lstmzoo.nn.engine.native.symbol import Symbol

DIMENSIONS = ("T", "B", "H", "P", "I", "reverse", "threads")  # the first entries of n; strides follow
SIZES = ("H", "P", "I")
PRELUDE = """#include <stdlib.h>
#define m_floor(x) ((real)(sizeof(real) == 4 ? floorf((float)(x)) : floor(x)))

"""
_NUMBERS = {"H": "n[2]", "P": "n[3]", "I": "n[4]", "1": "1"}


@functools.cache
def layout(p: Pass) -> list[Array]:
    """The arrays of a pass in the order in which their addresses are handed over."""
    return [p.arrays[name] for name in sorted(p.arrays)]


@functools.cache
def matrices(p: Pass) -> list[tuple[str, int, int, bool]]:
    """The matrices of a pass, each once: name, first block, blocks, transposed."""
    return sorted({(call.matrix, call.first, call.count, call.transposed) for call in p.calls})


def emit(p: Pass) -> str:
    """Write the C code of a pass.

    The result has two entry points, ``<name>_run`` for all steps of a layer whose maps are matrices, and
    ``<name>_stage`` for one stage of one step, where the maps are applied by somebody else. Both take ``n`` (numbers:
    `DIMENSIONS`, then for every array of `layout` its stride from step to step) and ``a`` (addresses: one per array,
    then a second one per array for what precedes the first step, then the matrices).
    """
    parts = [_struct(p), _setup(p)]
    parts += [_stage(p, stage) for stage in range(p.stages)]
    return "\n\n".join([*parts, _steps(p), _run(p), _stage_entry(p)]) + "\n"


def _struct(p: Pass) -> str:
    fields = "".join(f" *restrict {array.c}," for array in layout(p)).rstrip(",")
    return f"typedef struct {{\n    long H, P, I;\n    real{fields};\n}} {p.name}_step;"


def _setup(p: Pass) -> str:
    """Where everything lies in one step."""
    lines, count, offset = [], len(p.arrays), len(DIMENSIONS)
    for k, array in enumerate(layout(p)):
        size, stride = f"n[1] * {array.blocks} * {_NUMBERS[array.size]}", f"n[{offset + k}]"
        address = {
            "stream": f"a[{k}] + t * {stride}",
            # a state that is not kept over time alternates between two places
            "after": f"a[{k}] + ({stride} ? t * {stride} : (step & 1) * {size})",
            "before": f"!step ? a[{count + k}] : a[{k}] + ({stride} ? earlier * {stride} : ((step - 1) & 1) * {size})",
            # a gradient is read from one place and written to another, which the next step reads
            "carry": f"a[{k}] + (done & 1) * {size}",
            "carried": f"a[{k}] + ((done + 1) & 1) * {size}",
            "sum": f"a[{k}] + thread * {_NUMBERS[array.size]}",
        }.get(array.kind, f"a[{k}]")
        lines.append(f"    s->{array.c} = {address};")
    return "\n".join(
        [
            f"static void {p.name}_setup({p.name}_step *s, const long *n, real **a, long step, long thread) {{",
            "    const long t = n[5] ? n[0] - 1 - step : step, earlier = n[5] ? t + 1 : t - 1, done = n[0] - 1 - step;",
            "    (void)t, (void)earlier, (void)done, (void)thread;",
            "    s->H = n[2], s->P = n[3], s->I = n[4];",
            *lines,
            "}",
        ]
    )


def _stage(p: Pass, stage: int) -> str:
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
        self.nodes = sorted((n for n, place in p.places.items() if place[0] == stage), key=lambda n: n.serial)
        levels = {p.places[n][1] for n in self.nodes} | {0}
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
        here = [n for n in self.nodes if p.places[n] == (self.stage, level)]
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
        return [o for o in self.p.outputs if o.array.size == size and self.p.places[o.value] == (self.stage, level)]

    def _loop(self, nodes: list[Symbol], level: int, size: str) -> list[str]:
        """The loop over the units: values, sums, and what is written."""
        p = self.p
        sums = [
            n
            for n in self.nodes
            if n.op == "sum" and n.attributes[0] == size and p.places[n.args[0]] == (self.stage, level)
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
        return OPERATIONS[node.op].c.format(*(self._value(argument, index) for argument in node.args))

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
        if node in self.names and (node.size in ("1", "") or p.places[node] == self.current):
            return self.names[node]
        if node.size == "":  # the same for all: computed again where it is needed
            return self._expression(node, index)
        return self._address(p.stored[node], 0, index)


def _steps(p: Pass) -> str:
    """The loop over the steps, for some of the sequences."""
    inside = []
    for stage in range(p.stages):
        for call in p.calls:
            if call.stage == stage:
                inside.append(_product(p, call))
        inside.append(f"        {p.name}_stage{stage}(&s, first, last, keep);")
    order = "step = 0; step < T; step++" if p.name == "forward" else "step = T - 1; step >= 0; step--"
    return "\n".join(
        [
            "static inline __attribute__((always_inline))",
            f"void {p.name}_steps(const long *n, real **a, real **packed, long first, long last, long thread,",
            "                   const int keep) {",
            "    const long T = n[0], H = n[2], P = n[3], I = n[4];",
            "    (void)H, (void)P, (void)I, (void)packed;",
            f"    for (long {order}) {{",
            f"        {p.name}_step s;",
            f"        {p.name}_setup(&s, n, a, step, thread);",
            *inside,
            "    }",
            "}",
        ]
    )


def _product(p: Pass, call: ProductCall) -> str:
    k = matrices(p).index((call.matrix, call.first, call.count, call.transposed))
    rows, columns = _shape(call)
    m, of = "last - first", f"s.{call.of.c} + first * {_row(call.of)}, {_row(call.of)}"
    out = f"s.{call.out.c} + first * {_row(call.out)}, {_row(call.out)}, 0"
    results, terms = (columns, rows) if call.transposed else (rows, columns)
    once = "gemm_nn" if call.transposed else "gemm_nt"
    matrix = f"a[{2 * len(p.arrays) + k}], {columns}"
    return (
        f"        if (T > 1)\n            gemm_packed({m}, {results}, {terms}, {of}, packed[{k}], {out});\n"
        f"        else\n            {once}({m}, {results}, {terms}, {of}, {matrix}, {out});"
    )


def _shape(call: ProductCall) -> tuple[str, str]:
    """Rows and columns of the part of a matrix that a product uses."""
    block, vector = (call.of, call.out) if call.transposed else (call.out, call.of)
    return f"{call.count} * {block.size}", vector.size


def _row(array: Array) -> str:
    return f"{array.blocks} * {array.size}"


def _run(p: Pass) -> str:
    """The entry point for all steps: matrices are packed once, sequences shared out among threads."""
    packing, calls = [], {(c.matrix, c.first, c.count, c.transposed): c for c in p.calls}
    for k, key in enumerate(matrices(p)):
        rows, columns = _shape(calls[key])
        results, terms, pack = (columns, rows, "pack_nn") if calls[key].transposed else (rows, columns, "pack_nt")
        order = f"{terms}, {results}" if calls[key].transposed else f"{results}, {terms}"
        source = f"a[{2 * len(p.arrays) + k}], {columns}"
        packing += [
            "    if (T > 1) {",
            f"        const size_t bytes = packed_size({results}, {terms}) * sizeof(real);",
            f"        packed[{k}] = aligned_alloc(64, (bytes + 63) / 64 * 64);",
            f"        if (!packed[{k}]) failed = 1;",
            f"        else {pack}({order}, {source}, packed[{k}]);",
            "    }",
        ]
    count = len(matrices(p))
    return "\n".join(
        [
            f"int {p.name}_run(const long *n, real **a, int keep) {{",
            "    const long T = n[0], B = n[1], H = n[2], P = n[3], I = n[4], threads = n[6];",
            "    (void)T, (void)H, (void)P, (void)I;",
            f"    real *packed[{count + 1}] = {{0}};",
            "    int failed = 0;",
            *packing,
            "    if (!failed) {",
            "        #pragma omp parallel for num_threads(threads) schedule(static, 1) if (threads > 1)",
            "        for (long thread = 0; thread < threads; thread++) {",
            "            const long first = B * thread / threads, last = B * (thread + 1) / threads;",
            f"            if (keep) {p.name}_steps(n, a, packed, first, last, thread, 1);",
            f"            else {p.name}_steps(n, a, packed, first, last, thread, 0);",
            "        }",
            "    }",
            f"    for (int k = 0; k < {count}; k++) free(packed[k]);",
            "    return failed;",
            "}",
        ]
    )


def _stage_entry(p: Pass) -> str:
    """The entry point for one stage of one step: sequences shared out among threads."""
    cases = [
        f"        case {k}: if (keep) {p.name}_stage{k}(&s, first, last, 1);"
        f" else {p.name}_stage{k}(&s, first, last, 0); break;"
        for k in range(p.stages)
    ]
    return "\n".join(
        [
            f"void {p.name}_stage(const long *n, real **a, long step, long stage, int keep) {{",
            "    const long B = n[1], threads = n[6];",
            "    #pragma omp parallel for num_threads(threads) schedule(static, 1) if (threads > 1)",
            "    for (long thread = 0; thread < threads; thread++) {",
            "        const long first = B * thread / threads, last = B * (thread + 1) / threads;",
            f"        {p.name}_step s;",
            f"        {p.name}_setup(&s, n, a, step, thread);",
            "        switch (stage) {",
            *cases,
            "        }",
            "    }",
            "}",
        ]
    )


def _constant(value: float) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        return {"inf": "(real)INFINITY", "-inf": "-(real)INFINITY"}.get(str(value), "(real)NAN")
    return f"(real){value!r}"
