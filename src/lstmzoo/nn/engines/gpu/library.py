"""A step's passes as Triton kernels, and what starts them: all steps as one, or one by one with torch's products."""

import linecache
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lstmzoo.nn.engines.gpu.emit import MOVING, PRELUDE, SIZES, StageCode, stage_code
from lstmzoo.nn.engines.gpu.graphs import device_of, replayed
from lstmzoo.nn.engines.gpu.whole import PassCode, pass_code
from lstmzoo.nn.engines.native.arrays import Memory, Run
from lstmzoo.nn.engines.native.build import BuildError
from lstmzoo.nn.engines.native.library import RunStage, digest_of
from lstmzoo.nn.engines.native.passes import Array, Matrix, Pass
from lstmzoo.nn.engines.native.program import Program
from lstmzoo.nn.engines.native.steps import multiply_rows, run_steps

LARGEST_BLOCK = 1024  # units; of stages that don't sum over all of them
TILE = 256  # numbers of a value in a program; one with fewer units takes several sequences
UNITS_PER_WARP = 64  # few numbers of each value per thread, or a stage with many values does not fit in the registers
MOST_WARPS = 16  # AMD's have 64 threads, and a program has 1024 at most

# One kernel runs all steps of a small layer, for which starting two or more kernels a step takes longer than computing.
# Each of its programs reads all of R from the L2 cache in every step, for no more than 16 sequences, the fewest that
# `tl.dot` takes. Of an LSTM with 128 units that is 256 KB and a million multiplications, 5 to 10 µs in exact float32 by
# rough estimate, where two kernels take 4 µs to start from a CUDA graph, and far longer from Python. With 256 units it
# would be four times that, while torch spreads one step's product over the whole GPU. `scripts/gpu_check` measures it.
LARGEST_WHOLE = 128  # units
WHOLE = {"ROWS": 16, "K_BLOCK": 16, "N_BLOCK": 64}
WHOLE_WARPS = 8
WHOLE_TILE = 1024  # numbers of a value in a stage
MOST_REGISTERS = 255  # of a thread: few programs run, so there is nothing to be saved for others by spilling


class TritonLibrary:
    """Triton kernels, one for every stage and one for every pass.

    Args:
        forward: the forward pass.
        backward: the backward pass.
        dtype: float32 or float64.

    Attributes:
        whole: whether small layers are run by the kernels of passes, until one of these is found to be wrong.
    """

    def __init__(self, forward: Pass, backward: Pass, dtype: torch.dtype) -> None:
        self.whole = dtype == torch.float32
        self.double = dtype == torch.float64
        self.codes = {p.name: _codes(p) for p in (forward, backward)}
        self.passes = {p.name: pass_code(p, self.codes[p.name]) for p in (forward, backward)}
        text = [code.source for codes in self.codes.values() for code in codes.values()]
        text += [code.source for code in self.passes.values()]
        source = "\n\n".join([PRELUDE.format(dtype=str(dtype).removeprefix("torch.")), *text])
        self.digest = digest_of(source, forward, backward)
        self.functions = _load(source, f"<lstmzoo step {self.digest[:16]}>")

    def sums(self, batch: int) -> int:
        return batch  # every sequence has a sum of its own: nothing is added by two programs at once

    def call(self, function: Callable[..., Any], run: Run, *arguments: Any) -> Any:
        described = (function.__name__, self.digest, run.names, run.shown, run.weights.hidden_size, run.reverse)
        key = (described, self.whole, run.layout, tuple(run.scalars.items()))
        return replayed(partial(function, run), key, *arguments)

    def takes_whole(self, program: Program, states: Iterable[Tensor], x: Tensor) -> bool:
        """Whether one kernel runs all steps of a layer with vectors of these sizes, whatever T and B are."""
        widths = [state.shape[-1] for state in states]
        widths += [x.shape[-1]] if program.input_size == "I" else []
        return self.whole and x.dim() == 3 and max(widths) <= LARGEST_WHOLE

    def run(self, memory: Memory, keep: bool) -> None:
        program, given = memory.run.kernel.program, memory.given
        if self.takes_whole(program, [given[f"{name}_first"] for name in program.sizes], memory.x):
            self._run_whole(memory, keep)
        else:
            run_steps(memory, keep, multiply_rows, _nothing, _nothing)

    def stages(self, memory: Memory, keep: bool) -> RunStage:
        memory.fill()
        sizes = _sizes(memory)
        stages = {stage: self._stage(memory, code, sizes, keep) for stage, code in self.codes[memory.p.name].items()}

        def run_stage(step: int, stage: int) -> None:
            if stage in stages:
                with device_of(memory.x):
                    stages[stage](step)

        return run_stage

    def _stage(self, memory: Memory, code: StageCode, sizes: list[int], keep: bool) -> Callable[[int], None]:
        tiling = tiling_of(code, memory.widths)
        kernel = self.functions[code.kernel][-(-memory.batch // tiling.rows), tiling.columns]
        constants = {"KEEP": keep, "ROWS": tiling.rows, "BLOCK": tiling.block}

        def run(step: int) -> None:
            arguments = [a for array in code.arrays for a in _arguments(memory, array, step)]
            kernel(*arguments, *sizes, **constants, num_warps=tiling.warps)

        return run

    def _run_whole(self, memory: Memory, keep: bool) -> None:
        memory.fill()
        code = self.passes[memory.p.name]
        arguments = [a for array in code.arrays for a in _over_time(memory, array)]
        arguments += [_matrix(memory, call.part) for call in memory.p.calls]
        constants = whole_constants(code, memory.widths) | {"KEEP": keep, "PRECISION": precision()}
        with device_of(memory.x):
            self.functions[code.name][(-(-memory.batch // constants["ROWS"]),)](
                *arguments, memory.steps, *_sizes(memory), **constants, **whole_options(torch.version.cuda is not None)
            )


def _codes(p: Pass) -> dict[int, StageCode]:
    """The stages that have anything to do: the last product may write a gradient where it belongs."""
    codes = {stage: stage_code(p, stage) for stage in range(p.stages)}
    return {stage: code for stage, code in codes.items() if code.arrays}


class Tiling(NamedTuple):
    """How a stage is shared out: sequences and units of a tile, blocks of a sequence, warps that compute a tile."""

    rows: int
    block: int
    columns: int
    warps: int


def tiling_of(code: StageCode, widths: Mapping[str, int]) -> Tiling:
    """The tiling of a stage, by the width of every size."""
    widest = max([widths[array.size] for array in code.arrays], default=1)
    block = _power_of_two(widest)
    if not code.whole:
        block = min(block, LARGEST_BLOCK)
    rows = max(1, TILE // block)
    return Tiling(rows, block, -(-widest // block), min(MOST_WARPS, rows * block // UNITS_PER_WARP))


def whole_constants(code: PassCode, widths: Mapping[str, int]) -> dict[str, Any]:
    """How all steps of a tile of sequences are computed, by the width of every size."""
    block = _power_of_two(max(widths[array.size] for array in code.arrays))
    most = WHOLE_WARPS if code.whole else WHOLE["ROWS"]  # each warp sums over the units of one sequence
    return {**WHOLE, "BLOCK": block, "STAGE_ROWS": min(most, WHOLE_TILE // block)}


def whole_options(nvidia: bool) -> dict[str, Any]:
    """What Triton is told to make of the kernel of a pass."""
    return {"num_warps": WHOLE_WARPS, **({"maxnreg": MOST_REGISTERS} if nvidia else {})}


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()


def _sizes(memory: Memory) -> list[int]:
    return [memory.batch, *(memory.widths[size] for size in SIZES)]


def _arguments(memory: Memory, array: Array, step: int) -> list[Any]:
    tensor, at = memory.position(array, step)
    return [tensor, (at or 0) * memory.batch * array.blocks] if array.kind in MOVING else [tensor]


def _matrix(memory: Memory, part: Matrix) -> Tensor:
    first = part.first * memory.widths[part.block_size]
    return memory.given[part.name][first:]


def _over_time(memory: Memory, array: Array) -> list[Any]:
    """The arguments for an array in all steps: its place grows from step to step, or alternates, or both in part."""
    place = memory.places[array.name]
    if array.kind not in MOVING:
        return [place.tensor]
    first = [place.before] if array.kind == "before" else []
    # Of steps after the first, whose "before" is another tensor.
    even, odd, next_even = (_arguments(memory, array, step)[1] for step in (2, 3, 4))
    stride = (next_even - even) // 2
    return [place.tensor, *first, even - 2 * stride, stride, odd - even - stride]


def precision() -> str:
    """What torch's own products have been allowed."""
    matmul = torch.backends.cuda.matmul
    tf32 = matmul.fp32_precision == "tf32" if hasattr(matmul, "fp32_precision") else matmul.allow_tf32
    return "tf32" if tf32 else "ieee"


def _nothing(piece: slice) -> None:
    pass


def _load(source: str, name: str) -> dict[str, Any]:
    """Run generated code; Triton reads the source of its kernels where tracebacks do."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    found: dict[str, Any] = {"__name__": name}
    try:
        exec(compile(source, name, "exec"), found)
    except Exception as error:  # Triton is installed, but not for this system
        raise BuildError(f"Triton can't be used: {type(error).__name__}: {error}") from error
    return found
