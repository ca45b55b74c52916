"""The code of a step's passes: what it offers, and the form of it that is compiled from C."""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Protocol

import torch

from lstmzoo.nn.engines.native import build
from lstmzoo.nn.engines.native.emit import PRELUDE, emit
from lstmzoo.nn.engines.native.passes import Pass

if TYPE_CHECKING:
    from lstmzoo.nn.engines.native.arrays import Memory, Run

RunStage = Callable[[int, int], None]  # of a step and a stage


class Library(Protocol):
    """The code of a forward and a backward pass.

    Attributes:
        digest: stands for the code.
    """

    digest: str

    def sums(self, batch: int) -> int:
        """In how many parts a sum over the batch is collected."""

    def call(self, function: Callable[..., Any], run: Run, *arguments: Any) -> Any:
        """Call a function of a run and of nested tensors, which it does not change."""

    def run(self, memory: Memory, keep: bool) -> None:
        """Run all steps of a layer whose maps are matrices.

        Args:
            memory: the arrays of the pass.
            keep: whether what the backward pass needs is kept.

        Raises:
            MemoryError: if the machine's memory does not suffice.
        """

    def stages(self, memory: Memory, keep: bool) -> RunStage:
        """What runs one stage of one step, where the caller applies the maps before it."""


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
        self.digest = hashlib.sha256(source.encode()).hexdigest()
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
