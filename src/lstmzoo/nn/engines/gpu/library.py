"""A step's passes as Triton kernels, and the loop that starts them, with torch's products in between."""

import linecache
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import torch

from lstmzoo.nn.engines.gpu.emit import PRELUDE, SIZES, STAYING, StageCode, stage_code
from lstmzoo.nn.engines.gpu.graphs import device_of, replayed
from lstmzoo.nn.engines.native.arrays import Memory, Run
from lstmzoo.nn.engines.native.build import BuildError
from lstmzoo.nn.engines.native.library import RunStage, digest_of
from lstmzoo.nn.engines.native.passes import Array, Pass
from lstmzoo.nn.engines.native.steps import multiply_rows, run_steps

LARGEST_BLOCK = 1024  # units; of stages that don't sum over all of them
UNITS_PER_WARP = 64  # few numbers of each value per thread, or a stage with many values does not fit in the registers
MOST_WARPS = 32


class TritonLibrary:
    """Triton kernels, one for every stage.

    Args:
        forward: the forward pass.
        backward: the backward pass.
        dtype: float32 or float64.
    """

    def __init__(self, forward: Pass, backward: Pass, dtype: torch.dtype) -> None:
        self.double = dtype == torch.float64
        self.codes = {p.name: _codes(p) for p in (forward, backward)}
        text = [code.source for codes in self.codes.values() for code in codes.values()]
        source = "\n\n".join([PRELUDE.format(dtype=str(dtype).removeprefix("torch.")), *text])
        self.digest = digest_of(source, forward, backward)
        self.functions = _load(source, f"<lstmzoo step {self.digest[:16]}>")

    def sums(self, batch: int) -> int:
        return batch  # every sequence has a sum of its own: nothing is added by two programs at once

    def call(self, function: Callable[..., Any], run: Run, *arguments: Any) -> Any:
        described = (function.__name__, self.digest, run.names, run.shown, run.weights.hidden_size, run.reverse)
        key = (described, run.layout, tuple(run.scalars.items()))
        return replayed(partial(function, run), key, *arguments)

    def run(self, memory: Memory, keep: bool) -> None:
        run_steps(memory, keep, multiply_rows, _nothing, _nothing)

    def stages(self, memory: Memory, keep: bool) -> RunStage:
        memory.fill()
        sizes = [memory.widths[size] for size in SIZES]
        stages = {stage: self._stage(memory, code, sizes, keep) for stage, code in self.codes[memory.p.name].items()}

        def run_stage(step: int, stage: int) -> None:
            if stage in stages:
                with device_of(memory.x):
                    stages[stage](step)

        return run_stage

    def _stage(self, memory: Memory, code: StageCode, sizes: list[int], keep: bool) -> Callable[[int], None]:
        tiling = tiling_of(code, memory.widths)
        kernel = self.functions[code.name][memory.batch, tiling.columns]

        def run(step: int) -> None:
            arguments = [a for array in code.arrays for a in _arguments(memory, array, step)]
            kernel(*arguments, *sizes, KEEP=keep, BLOCK=tiling.block, num_warps=tiling.warps)

        return run


def _codes(p: Pass) -> dict[int, StageCode]:
    """The stages that have anything to do: the last product may write a gradient where it belongs."""
    codes = {stage: stage_code(p, stage) for stage in range(p.stages)}
    return {stage: code for stage, code in codes.items() if code.arrays}


class Tiling(NamedTuple):
    """How a stage is shared out: units of a block, blocks of a sequence, warps that compute a block."""

    block: int
    columns: int
    warps: int


def tiling_of(code: StageCode, widths: Mapping[str, int]) -> Tiling:
    """The tiling of a stage, by the width of every size."""
    widest = max([widths[array.size] for array in code.arrays], default=1)
    block = 1 << (widest - 1).bit_length()
    if not code.whole:
        block = min(block, LARGEST_BLOCK)
    return Tiling(block, -(-widest // block), max(1, min(MOST_WARPS, block // UNITS_PER_WARP)))


def _arguments(memory: Memory, array: Array, step: int) -> list[Any]:
    tensor, at = memory.position(array, step)
    if array.kind in STAYING:
        return [tensor]
    return [tensor, (at or 0) * memory.batch * array.blocks * memory.widths[array.size]]


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
