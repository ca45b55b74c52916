"""The C code of a program: a loop over the units for every stage, and a loop over the steps around them."""

import functools

from lstmzoo.nn.engines.native.passes import Array, Matrix, Pass, ProductCall
from lstmzoo.nn.engines.native.stage import stage_function

DIMENSIONS = ("T", "B", "H", "P", "I", "reverse", "threads")  # the first entries of n; strides follow
PRELUDE = """#include <stdlib.h>
#define m_real(x) ((real)(x))
#define m_div(x, y) ((x) / (y))
#define m_floor(x) ((real)(sizeof(real) == 4 ? floorf((float)(x)) : floor(x)))

"""
_NUMBERS = {"H": "n[2]", "P": "n[3]", "I": "n[4]", "1": "1"}


@functools.cache
def ordered_arrays(p: Pass) -> list[Array]:
    """The arrays of a pass in the order in which their addresses are handed over."""
    return [p.arrays[name] for name in sorted(p.arrays)]


@functools.cache
def matrices(p: Pass) -> list[Matrix]:
    """The matrices of a pass, each once."""
    return sorted({call.part for call in p.calls})


def emit(p: Pass) -> str:
    """Write the C code of a pass.

    The result has two entry points, ``<name>_run`` for all steps of a layer whose maps are matrices, and
    ``<name>_stage`` for one stage of one step, where the caller applies the maps. Both take ``n`` (numbers:
    `DIMENSIONS`, then for each of `ordered_arrays` its stride from step to step) and ``a`` (addresses: one per array,
    then a second one per array for what precedes the first step, then the matrices).
    """
    parts = [_struct(p), _setup(p)]
    parts += [stage_function(p, stage) for stage in range(p.stages)]
    return "\n\n".join([*parts, _steps(p), _run(p), _stage_entry(p)]) + "\n"


def _struct(p: Pass) -> str:
    fields = "".join(f" *restrict {array.c}," for array in ordered_arrays(p)).rstrip(",")
    return f"typedef struct {{\n    long H, P, I;\n    real{fields};\n}} {p.name}_step;"


def _setup(p: Pass) -> str:
    """Where everything lies in one step."""
    lines, count, offset = [], len(p.arrays), len(DIMENSIONS)
    for k, array in enumerate(ordered_arrays(p)):
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
    k = matrices(p).index(call.part)
    rows, columns = _shape(call)
    m, of = "last - first", f"s.{call.of.c} + first * {_row(call.of)}, {_row(call.of)}"
    out = f"s.{call.out.c} + first * {_row(call.out)}, {_row(call.out)}, 0"
    results, terms = (columns, rows) if call.part.transposed else (rows, columns)
    once = "gemm_nn" if call.part.transposed else "gemm_nt"
    matrix = f"a[{2 * len(p.arrays) + k}], {columns}"
    return (
        f"        if (T > 1)\n            gemm_packed({m}, {results}, {terms}, {of}, packed[{k}], {out});\n"
        f"        else\n            {once}({m}, {results}, {terms}, {of}, {matrix}, {out});"
    )


def _shape(call: ProductCall) -> tuple[str, str]:
    """Rows and columns of the part of a matrix that a product uses."""
    part, vector = call.part, call.out if call.part.transposed else call.of
    return f"{part.blocks} * {part.block_size}", vector.size


def _row(array: Array) -> str:
    return f"{array.blocks} * {array.size}"


def _run(p: Pass) -> str:
    """The entry point for all steps: matrices are packed once, sequences shared out among threads."""
    packing, calls = [], {call.part: call for call in p.calls}
    for k, key in enumerate(matrices(p)):
        rows, columns = _shape(calls[key])
        results, terms, pack = (columns, rows, "pack_nn") if key.transposed else (rows, columns, "pack_nt")
        order = f"{terms}, {results}" if key.transposed else f"{results}, {terms}"
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
