"""The native engine under torch.compile: one opaque operator per layer, which the compiler need not look into.

``lstmzoo::sequence`` and its backward are torch operators with shapes for the compiler and derivatives for autograd, so
that a model compiles as one graph, in the same time for any number of steps, and runs at the native engine's speed.
What is to be run is looked up under a name, the plan, which is made while the compiler traces.
"""

from __future__ import annotations

import hashlib
import weakref
from typing import Any

import torch
from torch import Tensor

from lstmzoo.nn.cell import Cell
from lstmzoo.nn.engine.native import kernel, sequence
from lstmzoo.nn.engine.native.emit import matrices
from lstmzoo.nn.engine.native.hoist import bias_in_steps, hoisted
from lstmzoo.nn.engine.native.memory import Run, Tensors
from lstmzoo.nn.layer import Layer, LayerResult, Step
from lstmzoo.nn.maps import Maps

_cells: weakref.WeakValueDictionary[int, Cell] = weakref.WeakValueDictionary()
_plans: dict[str, Run] = {}


def number_of(cell: Cell) -> int:
    """A number by which a cell can be found while the compiler traces, which handles numbers but no objects."""
    _cells[id(cell)] = cell
    return id(cell)


def supports(layer: Layer) -> bool:
    """What the native engine runs, while it is compiled (an export could not be taken elsewhere)."""
    if not torch.compiler.is_dynamo_compiling() or torch.compiler.is_exporting():
        return False
    if torch._C._are_functorch_transforms_active() or torch.is_autocast_enabled("cpu") or layer.step.recorded:
        return False
    tensors = [layer.streams["x"], *layer.state, *layer.maps.tensors]
    if any(t.device.type != "cpu" or t.dtype != tensors[0].dtype for t in tensors) or layer.state[0].dim() > 2:
        return False
    return type(layer.maps) is Maps and _planned(layer) != ""


def run_layer(layer: Layer) -> LayerResult:
    """Run one layer in one direction; see `lstmzoo.nn.engine`."""
    plan, _, names = _planned(layer).partition(" ")
    layer = hoisted(layer)
    given = _tensors_by_name(layer)
    tensors = [given[name].to(layer.state[0].dtype).contiguous() for name in names.split(",")]
    outputs = torch.ops.lstmzoo.sequence(tensors, plan, torch.is_grad_enabled())
    shown, states = len(layer.state) if layer.keep_states else 1, len(layer.state)
    return LayerResult(tuple(outputs[:shown]), tuple(outputs[shown : shown + states]), {})


def _tensors_by_name(layer: Layer) -> Tensors:
    maps = layer.maps
    named: Any = {**layer.streams, **layer.held, **maps.own}
    named |= {f"{name}_first": s for name, s in zip(layer.step.cell.state, layer.state, strict=True)}
    weights = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
    return named | {name: getattr(maps, name) for name in weights}


def _planned(layer: Layer) -> str:
    step, maps = layer.step, layer.maps
    return _plan(
        layer.number,
        (step.projected, step.masked, step.resets, step.dropped, step.zoned, step.zone_masks, step.clamped),
        (maps.bias_ih is not None, layer.keep_states, layer.reverse, maps.hidden_size),
        (tuple(layer.streams), tuple(layer.held), tuple(layer.scalars.items())),
        str(layer.state[0].dtype).removeprefix("torch."),
    )


@torch.compiler.assume_constant_result
def _plan(number: int, flags: Any, form: Any, inputs: Any, dtype: str) -> str:
    """Make a plan: its name, and the names of the tensors it takes; "" if the cell can't be compiled to C."""
    step = Step(_cells[number], *flags)
    bias, keep_states, reverse, hidden = form
    streams, held, scalars = inputs
    in_steps = bias and bias_in_steps(step.cell)
    graded = step.cell.state if keep_states else step.cell.state[:1]
    found = kernel.find(step, bias, in_steps, graded, getattr(torch, dtype))
    if found is None:
        return ""
    names = [*streams, *(f"{name}_first" for name in step.cell.state), *held]
    names += sorted(
        {array.name for array in found.forward.arrays.values() if array.kind == "vector"}
        | {matrix for matrix, *_ in matrices(found.forward)}
    )
    maps = Maps(step.cell, hidden, None, None, None, None, None, {})  # type: ignore[arg-type]
    empty: Any = dict.fromkeys
    bare = Layer(step, maps, empty(streams), empty(held), dict(scalars), (), reverse, keep_states)
    # Named by what it does, not by when it was made: torch keeps compiled graphs, and with them this name, on the disk.
    content = repr((found.digest, flags, form, inputs, dtype))
    plan = f"{step.cell.name or type(step.cell).__name__}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
    _plans.setdefault(plan, Run(found, tuple(names), bare, None))
    return f"{plan} {','.join(names)}"


def _forward(tensors: list[Tensor], plan: str, keep: bool) -> list[Tensor]:
    run = _plans[plan]
    outputs, kept = sequence.forward(run, dict(zip(run.names, tensors, strict=True)), keep)
    return [*outputs, *(kept[name] for name in _extra(run))] if keep else list(outputs)


def _extra(run: Run) -> list[str]:
    """What is kept beside the shown states."""
    hidden = [f"{name}_states" for name in run.states if name not in run.shown]
    return hidden + list(run.kernel.program.kept)


def _shapes(tensors: list[Tensor], plan: str, keep: bool) -> list[Tensor]:
    run = _plans[plan]
    given = dict(zip(run.names, tensors, strict=True))
    x, sizes = given["x"], run.kernel.program.sizes
    steps, batch = x.shape[:2]
    first = {name: given[f"{name}_first"] for name in run.states}
    outputs = [x.new_empty(steps, *first[name].shape) for name in run.shown]
    outputs += [x.new_empty(first[name].shape) for name in run.states]
    if not keep:
        return outputs
    outputs += [x.new_empty(steps, *first[name].shape) for name in run.states if name not in run.shown]
    hidden = next((first[name].shape[1] for name, size in sizes.items() if size == "H"), first[run.states[0]].shape[1])
    widths = {"H": hidden, "P": first[run.states[0]].shape[1], "I": x.shape[2], "1": 1}
    return outputs + [x.new_empty(steps, batch, widths[node.size]) for node in run.kernel.program.kept.values()]


def _graded(run: Run) -> list[str]:
    """The tensors that have gradients: all but masks."""
    program = run.kernel.program
    having = {*program.streams, *program.vectors, *program.held, *(f"{name}_first" for name in run.states)}
    having |= {name for name, *_ in matrices(run.kernel.forward)} | {"bias_ih", "bias_hh"}
    return [name for name in run.names if name in having]


def _backward(gradients: list[Tensor | None], tensors: list[Tensor], kept: list[Tensor], plan: str) -> list[Tensor]:
    run = _plans[plan]
    given = dict(zip(run.names, tensors, strict=True))
    named = dict(zip([f"{name}_states" for name in run.shown] + _extra(run), kept, strict=True))
    wanted = _graded(run)
    found = sequence.backward(run, given, named, tuple(gradients), set(wanted))
    return [found[name].contiguous() for name in wanted]


def _backward_shapes(
    gradients: list[Tensor | None], tensors: list[Tensor], kept: list[Tensor], plan: str
) -> list[Tensor]:
    run = _plans[plan]
    given = dict(zip(run.names, tensors, strict=True))
    return [given[name].new_empty(given[name].shape) for name in _graded(run)]


def _save(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    tensors, ctx.plan, _ = inputs
    run = _plans[ctx.plan]
    ctx.count, ctx.given = len(run.shown) + len(run.states), len(tensors)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*tensors, *output[: len(run.shown)], *output[ctx.count :])


def _differentiate(ctx: Any, gradients: list[Tensor | None]) -> tuple[Any, ...]:
    run, saved = _plans[ctx.plan], list(ctx.saved_tensors)
    found = torch.ops.lstmzoo.sequence_backward(
        gradients[: ctx.count], saved[: ctx.given], saved[ctx.given :], ctx.plan
    )
    by_name = dict(zip(_graded(run), found, strict=True))
    return [by_name.get(name) for name in run.names], None, None


_library = torch.library.Library("lstmzoo", "DEF")
_TAGS = (torch.Tag.pt2_compliant_tag,)
_library.define("sequence(Tensor[] tensors, str plan, bool keep) -> Tensor[]", tags=_TAGS)
_library.define(
    "sequence_backward(Tensor?[] gradients, Tensor[] tensors, Tensor[] kept, str plan) -> Tensor[]", tags=_TAGS
)
_library.impl("sequence", _forward, "CPU")
_library.impl("sequence_backward", _backward, "CPU")
torch.library.register_fake("lstmzoo::sequence", _shapes, lib=_library)
torch.library.register_fake("lstmzoo::sequence_backward", _backward_shapes, lib=_library)
torch.library.register_autograd("lstmzoo::sequence", _differentiate, setup_context=_save, lib=_library)
