"""What the tests of every registered cell share: networks, first states, and all that a run gives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

import lstmzoo.nn as zoo
from lstmzoo.nn.engines.native.symbol import UntraceableError
from lstmzoo.nn.engines.native.tracing import trace_step
from lstmzoo.nn.layer import Step

ALL = zoo.list_cells()
CONVOLUTIONAL = [name for name in ALL if zoo.get_cell(name).convolutional]
PARALLEL = [name for name in ALL if zoo.get_cell(name).parallel is not None]
UNITS = 4
INPUTS = 3


def _is_native(name: str) -> bool:
    try:
        trace_step(Step(zoo.get_cell(name)), bias=True)
    except UntraceableError:
        return False
    return True


NATIVE = [name for name in ALL if _is_native(name)]


def as_tuple(state: Any) -> tuple[Tensor, ...]:
    return state if isinstance(state, tuple) else (state,)


def unwrapped(states: tuple[Tensor, ...]) -> Any:
    return states if len(states) > 1 else states[0]


def network(cell: Any, *sizes: int, dtype: torch.dtype = torch.float64, kernel: Any = 0, **options: Any) -> Any:
    """A network with weights well above their size at the start; with a kernel, the convolutional form."""
    torch.manual_seed(0)
    inputs, units = sizes or (INPUTS, UNITS)
    if kernel:
        module = zoo.ConvRecurrent(cell, inputs, units, kernel, dtype=dtype, **options)
    else:
        module = zoo.Recurrent(cell, inputs, units, dtype=dtype, **options)
    with torch.no_grad():
        for weight in module.parameters():
            weight.uniform_(-0.8, 0.8)
    return module


def sequences(module: Any, steps: int = 5, batch: int = 3, image: tuple[int, ...] = ()) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(steps, batch, module.input_size, *image, generator=generator, dtype=dtype_of(module))


def dtype_of(module: Any) -> torch.dtype:
    return next(module.parameters()).dtype


def first_state(module: Any, x: Tensor) -> tuple[Tensor, ...]:
    """Some first state; a state that counts steps is a whole number."""
    torch.manual_seed(2)
    states = module.initial_state(x, x.shape[1])
    return tuple(
        torch.randint_like(s, 4) if name == "clock" else 0.5 * torch.randn_like(s)
        for name, s in zip(module.cell.state, states, strict=True)
    )


def run(
    module: Any,
    x: Tensor | PackedSequence,
    hx: tuple[Tensor, ...] | None = None,
    clamped: dict[str, float] | None = None,
    traced: bool = False,
    **given: Any,
) -> dict[str, Tensor]:
    """Everything that comes of a run: outputs, states, recorded gates, and gradients of a loss over all of it.

    The random numbers of masks are the same in every call.
    """
    module.zero_grad()
    leaf = x if isinstance(x, PackedSequence) else x.clone().requires_grad_()
    given_states = None if hx is None else tuple(s.clone().requires_grad_() for s in hx)
    with ExitStack() as probes:
        record = probes.enter_context(zoo.trace(module)) if traced else None
        if clamped:
            probes.enter_context(zoo.clamp(module, **clamped))
        torch.manual_seed(3)
        result = module(leaf, None if given_states is None else unwrapped(given_states), **given)
    output = result[0].data if isinstance(result[0], PackedSequence) else result[0]
    found = {"output": output} | {f"last {k}": s for k, s in zip(module.cell.state, as_tuple(result[1]), strict=True)}
    if len(result) > 2:
        found |= {f"all {k}": s for k, s in result[2].items()}
    torch.manual_seed(4)
    loss = sum((value * torch.randn(value.shape, dtype=torch.float64)).sum() for value in found.values())
    loss.backward()
    found = {name: value.detach() for name, value in found.items()}
    found |= {f"gradient of {k}": w.grad.clone() for k, w in module.named_parameters() if w.grad is not None}
    if isinstance(leaf, Tensor) and leaf.grad is not None:
        found["gradient of x"] = leaf.grad
    for name, s in zip(module.cell.state, given_states or (), strict=given_states is not None):
        if s.grad is not None:
            found[f"gradient of first {name}"] = s.grad
    if record is not None:
        found |= {f"gate {k} {n}": v for k, values in record.gates.items() for n, v in enumerate(values)}
        found |= {f"recorded {k} {n}": v for k, values in record.states.items() for n, v in enumerate(values)}
    return found


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor], **tolerance: float) -> None:
    """Compare runs; a gradient that one of them leaves out is zero."""
    for name in [*expected, *(name for name in found if name not in expected)]:
        assert name.startswith("gradient of ") or (name in found and name in expected), name
        a, b = found.get(name), expected.get(name)
        a = torch.zeros_like(b) if a is None else a
        b = torch.zeros_like(a) if b is None else b
        torch.testing.assert_close(a, b, **tolerance, msg=lambda text, name=name: f"{name}: {text}")


def close_to(dtype: torch.dtype) -> dict[str, float]:
    """Tolerances for two ways of computing the same."""
    return {"rtol": 1e-7, "atol": 1e-7} if dtype == torch.float64 else {"rtol": 1e-3, "atol": 1e-4}


def on_engines(module: Any, *engines: str) -> Iterator[Any]:
    """The module, set to run on one engine after the other."""
    for engine in engines:
        module.engine = engine
        yield module
