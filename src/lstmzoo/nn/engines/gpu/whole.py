"""The Triton code of a whole pass: a kernel whose programs run all steps, each of a tile of sequences."""

from dataclasses import dataclass

from lstmzoo.nn.engines.gpu.emit import MOVING, StageCode, call, in_rows, jit, parameters
from lstmzoo.nn.engines.native.passes import Array, Pass, ProductCall

OFFSETS = ("start", "stride", "turn")  # rows of an array before a step: start + stride · step, + turn in odd ones
TILES = "STAGE_ROWS: tl.constexpr, K_BLOCK: tl.constexpr, N_BLOCK: tl.constexpr, PRECISION: tl.constexpr"


@dataclass(frozen=True)
class PassCode:
    """The kernel of a pass.

    Attributes:
        name: of the kernel.
        source: its code; it calls the functions of the stages.
        arrays: the arrays it gets, in order: for each a pointer, of "before" a second one, to what precedes the first
            step, and of kinds in `MOVING` the numbers in `OFFSETS`. Then follow the matrices of the pass' calls, T, B,
            H, P and I, and constants.
        whole: whether a stage sums over the units.
    """

    name: str
    source: str
    arrays: tuple[Array, ...]
    whole: bool


def pass_code(p: Pass, stages: dict[int, StageCode]) -> PassCode:
    """Write the kernel of a pass with these stages."""
    used = {array.name: array for code in stages.values() for array in code.arrays}
    used |= {array.name: array for product in p.calls for array in (product.of, product.out)}
    arrays = tuple(used[name] for name in sorted(used))
    body = [_place(array) for array in arrays if array.kind in MOVING]
    for stage in range(p.stages):
        body += _stage(p, stage, stages)
    numbers = [f"{array.c}{offset}" for array in arrays if array.kind in MOVING for offset in OFFSETS]
    name = f"{p.name}_all_steps"
    source = [
        *jit([*numbers, "T", "B"]),
        f"def {name}(",
        *(f"    {', '.join(_given(array))}," for array in arrays),
        *(f"    matrix{n}," for n in range(len(p.calls))),
        *parameters(["T"]),
        f"    {TILES},",
        "):",
        "    row = tl.program_id(0).to(tl.int64) * ROWS",
        "    for n in range(T):",
        f"        step = tl.full([], {'n' if p.name == 'forward' else 'T - 1 - n'}, tl.int64)",
        *(f"        {line}" for line in body),
    ]
    return PassCode(name, "\n".join(source) + "\n", arrays, any(code.whole for code in stages.values()))


def _given(array: Array) -> list[str]:
    first = [f"{array.c}first"] if array.kind == "before" else []
    if array.kind not in MOVING:
        return [array.c]
    return [f"{array.c}all", *first, *(f"{array.c}{offset}: tl.int64" for offset in OFFSETS)]


def _place(array: Array) -> str:
    """A line that says where an array lies in the step."""
    rows = f"({array.c}start + step * {array.c}stride + step % 2 * {array.c}turn)"
    place = f"{array.c}all + {in_rows(rows, array)}"
    return f"{array.c} = " + (f"tl.where(step == 0, {array.c}first, {place})" if array.kind == "before" else place)


def _stage(p: Pass, stage: int, stages: dict[int, StageCode]) -> list[str]:
    """Products and what is computed of them; a barrier wherever threads go on to read what others have written."""
    lines = [_multiplication(product, n) for n, product in enumerate(p.calls) if product.stage == stage]
    lines += ["tl.debug_barrier()"] if lines else []
    if stage in stages:
        code = stages[stage]
        arguments = ["row + part, 0", *(array.c for array in code.arrays)]
        lines += ["for part in range(0, ROWS, STAGE_ROWS):", *call(code.name, arguments, "STAGE_ROWS")]
        lines += ["tl.debug_barrier()"]
    return lines


def _multiplication(product: ProductCall, number: int) -> str:
    of, out = product.of, product.out
    summed, columns = f"{of.blocks} * {of.size}", f"{out.blocks} * {out.size}"
    strides = [columns, "1"] if product.part.transposed else ["1", summed]
    arguments = [of.c, f"matrix{number}", out.c, "row", "B", summed, columns, *strides]
    return f"multiply_tile({', '.join([*arguments, 'ROWS', 'K_BLOCK', 'N_BLOCK', 'PRECISION'])})"
