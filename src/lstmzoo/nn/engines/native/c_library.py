"""A step's passes as C code, compiled for this machine."""

import ctypes
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any

import torch

from lstmzoo.nn.engines.native import build
from lstmzoo.nn.engines.native.arrays import Memory, Run
from lstmzoo.nn.engines.native.emit import PRELUDE, emit
from lstmzoo.nn.engines.native.library import RunStage, digest_of
from lstmzoo.nn.engines.native.passes import Pass


class CLibrary:
    """C code, compiled for this machine.

    Args:
        forward: the forward pass.
        backward: the backward pass.
        dtype: float32 or float64.

    Raises:
        BuildError: if it can't be compiled.
    """

    def __init__(self, forward: Pass, backward: Pass, dtype: torch.dtype) -> None:
        source = emit(forward) + emit(backward)
        define = "#define REAL_DOUBLE\n" if dtype == torch.float64 else ""
        self.library = build.load(define + _runtime() + PRELUDE + source)
        self.digest = digest_of(source, forward, backward)
        for name in ("forward", "backward"):
            run, stage = self.library[f"{name}_run"], self.library[f"{name}_stage"]
            run.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
            stage.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long, ctypes.c_long, ctypes.c_int)
            stage.restype = None

    def sums(self, batch: int) -> int:
        return max(1, min(torch.get_num_threads(), batch // 4))  # one for every thread

    def call(self, function: Callable[..., Any], run: Run, *arguments: Any) -> Any:
        return function(run, *arguments)

    def run(self, memory: Memory, keep: bool) -> None:
        if self.library[f"{memory.p.name}_run"](*memory.tables(), int(keep)):
            raise MemoryError(f"no memory for the packed weights of {memory.run.kernel.step.cell!r}")

    def stages(self, memory: Memory, keep: bool) -> RunStage:
        stage, tables = self.library[f"{memory.p.name}_stage"], memory.tables()
        return lambda step, number: stage(*tables, step, number, int(keep))


@cache
def _runtime() -> str:
    return resources.files(__package__).joinpath("runtime.h").read_text(encoding="utf-8")
