"""A step compiled: its program, the layout of its arrays, and the code."""

import functools
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from lstmzoo.nn.engines.native import build
from lstmzoo.nn.engines.native.library import Library
from lstmzoo.nn.engines.native.passes import Pass, backward_pass, forward_pass
from lstmzoo.nn.engines.native.program import Program, make_program
from lstmzoo.nn.engines.native.symbol import UntraceableError
from lstmzoo.nn.engines.native.tracing import trace_step
from lstmzoo.nn.engines.native.try_step import try_step
from lstmzoo.nn.layer import Step

log = logging.getLogger(__name__)

DTYPES = (torch.float32, torch.float64)
MakeLibrary = Callable[[Pass, Pass, torch.dtype], Library]


@dataclass(frozen=True, eq=False)
class Kernel:
    """A compiled step.

    Attributes:
        step: the step.
        program: what it computes.
        forward: layout of the forward pass.
        backward: layout of the backward pass.
        library: its code.
        dtype: the type it computes with.
    """

    step: Step
    program: Program
    forward: Pass
    backward: Pass
    library: Library
    dtype: torch.dtype

    @functools.cached_property
    def states(self) -> tuple[str, ...]:
        """Names of the states."""
        return tuple(self.program.sizes)

    @functools.cached_property
    def sums(self) -> bool:
        """Whether a step sums over the units of a sequence."""
        return any(node.op == "sum" for node in self.forward.schedule)


def find(
    step: Step,
    bias: bool,
    keep_states: bool,
    dtype: torch.dtype,
    make_library: MakeLibrary,
    batched_vectors: tuple[str, ...] = (),
) -> Kernel | str:
    """Return the kernel of a step, compiled if need be, or why there can't be one.

    Args:
        step: the step.
        bias: whether the maps have biases.
        keep_states: whether gradients may come in for the values of all states over time, not of h alone.
        dtype: float32 or float64.
        make_library: writes the code of a forward and a backward pass, for a type of numbers.
        batched_vectors: the cell's vectors that differ from sequence to sequence.
    """
    if dtype not in DTYPES:
        return f"it computes in float32 and float64, not in {dtype}"
    graded = step.cell.state if keep_states else step.cell.state[:1]
    settings = tuple(sorted((k, repr(v)) for k, v in vars(step.cell).items() if k not in ("learned", "revision")))
    return _find(step, settings, bias, graded, dtype, batched_vectors, make_library)


@functools.lru_cache(maxsize=512)
def _find(*described: Any) -> Kernel | str:
    with _lock:  # threads that need a kernel at the same time compile it once, and symbols are made by one at a time
        return _make(*described)  # which is looked up again: another thread may have made it while this one waited


_lock = threading.RLock()


def _renew_lock() -> None:
    """A process that was forked while a thread compiled has the lock, but not the thread that would give it back."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


@functools.lru_cache(maxsize=512)
@torch.enable_grad()  # a kernel is made for training, too: a step that switches gradients off is refused
def _make(
    step: Step,
    settings: Any,
    bias: bool,
    graded: Any,
    dtype: torch.dtype,
    batched_vectors: Any,
    make_library: MakeLibrary,
) -> Kernel | str:
    try:
        traced = trace_step(step, bias, batched_vectors)
        try_step(step)
        program = make_program(traced, graded)
        forward, backward = forward_pass(program), backward_pass(program)
        library = make_library(forward, backward, dtype)
    except (UntraceableError, build.BuildError) as error:
        log.debug("%r is not compiled: %s", step.cell, error)
        if isinstance(error, build.BuildError):
            _say_once(str(error))
        return str(error)
    return Kernel(step, program, forward, backward, library, dtype)


_said: list[str] = []


def _say_once(reason: str) -> None:
    """One notice per process: everything works, but slowly, and this is the only place to learn why."""
    if not _said:
        _said.append(reason)
        short = reason.partition("\n")[0]
        log.warning("recurrent layers run in PyTorch's own operations, several times slower than compiled: %s", short)
