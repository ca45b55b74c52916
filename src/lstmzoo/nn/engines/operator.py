"""Compiled steps under torch.compile: one opaque operator per layer, which the compiler need not look into.

``lstmzoo::sequence`` and its backward are torch operators with shapes for the compiler and derivatives for autograd, so
that a model compiles as one graph, in the same time for any number of steps. They run at the speed of the native engine
on the CPU, of the Triton engine on a GPU. What is to be run is looked up under a name, the plan, which is made while
the compiler traces.
"""

import hashlib
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from lstmzoo.nn.call import Call, Runner
from lstmzoo.nn.cell import Cell
from lstmzoo.nn.engines import gpu, native, scan
from lstmzoo.nn.engines.layers import run_layers
from lstmzoo.nn.engines.native import sequence
from lstmzoo.nn.engines.native.arrays import Run
from lstmzoo.nn.engines.native.emit import matrices
from lstmzoo.nn.engines.native.hoist import hoisted
from lstmzoo.nn.engines.native.kernel import Kernel
from lstmzoo.nn.layer import Layer, LayerResult, Step
from lstmzoo.nn.weights import Weights


class Compiler(Protocol):
    """An engine that compiles steps."""

    def find(self, step: Step, bias: bool, keep_states: bool, dtype: torch.dtype) -> Kernel | str:
        """The kernel of a step for tensors of a type, or why there can't be one."""

    @property
    def failure(self) -> Callable[[Kernel, Layer], str | None] | None:
        """Says why a kernel can't be used on a layer's device; None if there is no need to try it."""


COMPILERS: dict[str, Compiler] = {"cpu": native, "cuda": gpu}  # by the type of device
_cells: weakref.WeakValueDictionary[int, Cell] = weakref.WeakValueDictionary()
_plans: dict[str, Run] = {}


def cell_id(cell: Cell) -> int:
    """A number by which a cell can be found while the compiler traces, which handles numbers but no objects."""
    _cells[id(cell)] = cell
    return id(cell)


def prepare(call: Call) -> Runner | str:
    """What can be compiled ahead, while torch.compile looks on; see `lstmzoo.nn.engines`."""
    step, weights, device = call.step, call.weights[0], call.x.device
    if not torch.compiler.is_dynamo_compiling() or torch.compiler.is_exporting():
        return "it serves torch.compile only: an export could not be taken elsewhere"
    if torch._C._are_functorch_transforms_active() or step.recorded:
        return "it takes no transforms, and records no gates"
    if device.type not in COMPILERS or any(t.device != device for t in call.tensors) or type(weights) is not Weights:
        return "it needs vectors, all on the CPU or on one GPU"
    if device.type == "cpu" and (
        torch.is_autocast_enabled("cpu") or any(t.dtype != call.x.dtype for t in call.tensors)
    ):
        return "on the CPU, it needs all tensors of one type, and takes no autocast"
    bias, revision = "bias_ih" in weights.named, step.cell.revision  # read here, so that a change compiles anew
    if not _has_kernel(call.cell_id, _flags(step), bias, call.keep_states, _types(call.x), revision):
        return "the cell is not compiled"
    return partial(run_layers, run_layer=partial(_as_operator, call.cell_id))


def _as_operator(number: int, layer: Layer) -> LayerResult:
    weights, first, of = layer.weights, layer.state[0], _types(layer.streams["x"])
    flags = _flags(layer.step)
    form = ("bias_ih" in weights.named, layer.keep_states, layer.reverse, weights.hidden_size)
    inputs = (tuple(layer.streams), tuple(layer.per_sequence), tuple(layer.scalars.items()))
    if COMPILERS[first.device.type].failure is not None:
        shapes = tuple((name, _fixed(weight.shape)) for name, weight in weights.named.items())
        if not _holds(number, flags, form, inputs, of, shapes):
            return scan.as_one_node(layer)
    plan, dtype, names = _plan(number, flags, form, inputs, of).split(" ")
    given = hoisted(layer).inputs
    tensors = [given[name].to(getattr(torch, dtype)).contiguous() for name in names.split(",")]
    outputs = torch.ops.lstmzoo.sequence(tensors, plan, torch.is_grad_enabled())
    shown, states = len(layer.state) if layer.keep_states else 1, len(layer.state)
    outputs = [output.to(first.dtype) for output in outputs[: shown + states]]
    return LayerResult(tuple(outputs[:shown]), tuple(outputs[shown:]), {})


def _flags(step: Step) -> tuple[Any, ...]:
    """A step but for its cell."""
    return (step.projected, step.masked, step.resets, step.dropped, step.zoned, step.zone_masks, step.clamped)


def _types(tensor: Tensor) -> tuple[str, str]:
    """Device and type of numbers, as the compiler handles them."""
    return str(tensor.device), str(tensor.dtype).removeprefix("torch.")


def _fixed(shape: torch.Size) -> tuple[int, ...]:
    """A shape whose sizes are constants to the compiler, as those of ranges are, even where shapes are dynamic."""
    return tuple(len(range(size)) for size in shape)


def _find(number: int, flags: Any, bias: bool, keep_states: bool, of: tuple[str, str]) -> Kernel | str:
    device, dtype = of
    return _compiler(device).find(Step(_cells[number], *flags), bias, keep_states, getattr(torch, dtype))


def _compiler(device: str) -> Compiler:
    return COMPILERS[torch.device(device).type]


@torch.compiler.assume_constant_result
def _has_kernel(number: int, flags: Any, bias: bool, keep_states: bool, of: tuple[str, str], revision: str) -> bool:
    return isinstance(_find(number, flags, bias, keep_states, of), Kernel)


@torch.compiler.assume_constant_result
def _holds(number: int, flags: Any, form: Any, inputs: Any, of: tuple[str, str], shapes: Any) -> bool:
    """Whether the kernel can be used where the layer is: if need be it is tried out, while the compiler waits."""
    bias, keep_states, reverse, hidden = form
    streams, per_sequence, scalars = inputs
    found = _find(number, flags, bias, keep_states, of)
    assert isinstance(found, Kernel)
    device, dtype = of
    cell, shapes = found.step.cell, dict(shapes)
    empty = partial(torch.empty, device=device, dtype=getattr(torch, dtype))
    state = cell.state_shapes(hidden, shapes["weight_hr"][0] if "weight_hr" in shapes else hidden)
    widths = {"x": (shapes["weight_ih"][1],), "real": (1,), "reset": (1,), "drop": state["h"]}
    widths |= {f"{use}_{name}": shape for name, shape in state.items() for use in ("start", "zone")}
    if cell.below is not None:
        widths["below"] = state[cell.below]
    layer = Layer(
        step=found.step,
        weights=Weights(cell, hidden, {name: empty(*shape) for name, shape in shapes.items()}),
        streams={name: empty(1, 1, *widths[name]) for name in streams},
        per_sequence={name: empty(1, *widths[name]) for name in per_sequence},
        scalars=dict(scalars),
        state=tuple(empty(1, *shape) for shape in state.values()),
        reverse=reverse,
        keep_states=keep_states,
    )
    failure = _compiler(device).failure
    return failure is None or failure(found, layer) is None


@torch.compiler.assume_constant_result
def _plan(number: int, flags: Any, form: Any, inputs: Any, of: tuple[str, str]) -> str:
    """Make a plan: its name, the type it computes in, and the names of the tensors it takes."""
    bias, keep_states, reverse, hidden = form
    streams, per_sequence, scalars = inputs
    found = _find(number, flags, bias, keep_states, of)
    assert isinstance(found, Kernel)
    names = [*streams, *(f"{name}_first" for name in found.states), *per_sequence]
    names += sorted(
        {array.name for array in found.forward.arrays.values() if array.kind == "vector"}
        | {part.name for part in matrices(found.forward)}
    )
    dtype = str(found.dtype).removeprefix("torch.")
    # Named by its code, not by when it was made: torch keeps compiled graphs, and with them this name, on the disk.
    content = repr((found.library.digest, flags, form, inputs, dtype))
    cell = found.step.cell
    plan = f"{cell.name or type(cell).__name__}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
    shown, weights = found.states if keep_states else found.states[:1], Weights(cell, hidden, {})
    run = Run(found, tuple(names), shown, streams, per_sequence, weights, dict(scalars), reverse, None)
    _plans.setdefault(plan, run)
    return f"{plan} {dtype} {','.join(names)}"


def _forward(tensors: list[Tensor], plan: str, keep: bool) -> list[Tensor]:
    run = _plans[plan]
    given = dict(zip(run.names, tensors, strict=True))
    outputs, kept = run.kernel.library.call(sequence.forward, run, given, keep)
    return [*outputs, *(kept[name] for name in _extra(run))] if keep else list(outputs)


def _extra(run: Run) -> list[str]:
    """What is kept beside the shown states."""
    hidden = [f"{name}_states" for name in run.kernel.states if name not in run.shown]
    return hidden + list(run.kernel.program.kept)


def _shapes(tensors: list[Tensor], plan: str, keep: bool) -> list[Tensor]:
    run = _plans[plan]
    given = dict(zip(run.names, tensors, strict=True))
    x, sizes = given["x"], run.kernel.program.sizes
    steps, batch = x.shape[:2]
    first = {name: given[f"{name}_first"] for name in run.kernel.states}
    outputs = [x.new_empty(steps, *first[name].shape) for name in run.shown]
    outputs += [x.new_empty(first[name].shape) for name in run.kernel.states]
    if not keep:
        return outputs
    outputs += [x.new_empty(steps, *first[name].shape) for name in run.kernel.states if name not in run.shown]
    output = first[run.kernel.states[0]].shape[1]
    hidden = next((first[name].shape[1] for name, size in sizes.items() if size == "H"), output)
    widths = {"H": hidden, "P": output, "I": x.shape[2], "1": 1}
    return outputs + [x.new_empty(steps, batch, widths[node.size]) for node in run.kernel.program.kept.values()]


def _graded(run: Run) -> list[str]:
    """The tensors that have gradients: all but masks."""
    program = run.kernel.program
    having = {*program.streams, *program.vectors, *program.per_sequence}
    having |= {f"{name}_first" for name in run.kernel.states}
    having |= {part.name for part in matrices(run.kernel.forward)} | {"bias_ih", "bias_hh"}
    return [name for name in run.names if name in having]


def _backward(gradients: list[Tensor | None], tensors: list[Tensor], kept: list[Tensor], plan: str) -> list[Tensor]:
    run = _plans[plan]
    given = dict(zip(run.names, tensors, strict=True))
    named = dict(zip([f"{name}_states" for name in run.shown] + _extra(run), kept, strict=True))
    wanted = _graded(run)
    found = run.kernel.library.call(sequence.backward, run, given, named, tuple(gradients), frozenset(wanted))
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
    ctx.count, ctx.given = len(run.shown) + len(run.kernel.states), len(tensors)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*tensors, *output[: len(run.shown)], *output[ctx.count :])


def _differentiate(ctx: Any, gradients: list[Tensor | None]) -> tuple[Any, ...]:
    run, saved = _plans[ctx.plan], list(ctx.saved_tensors)
    found = torch.ops.lstmzoo.sequence_backward(
        gradients[: ctx.count], saved[: ctx.given], saved[ctx.given :], ctx.plan
    )
    by_name = dict(zip(_graded(run), found, strict=True))
    return [by_name.get(name) for name in run.names], None, None


def _refuse(ctx: Any, gradients: list[Tensor | None]) -> tuple[Any, ...]:
    raise RuntimeError("a compiled recurrent layer has no second derivatives; take them without torch.compile")


_library = torch.library.Library("lstmzoo", "DEF")
_TAGS = (torch.Tag.pt2_compliant_tag,)
_library.define("sequence(Tensor[] tensors, str plan, bool keep) -> Tensor[]", tags=_TAGS)
_library.define(
    "sequence_backward(Tensor?[] gradients, Tensor[] tensors, Tensor[] kept, str plan) -> Tensor[]", tags=_TAGS
)
for _device in COMPILERS:
    _library.impl("sequence", _forward, _device.upper())
    _library.impl("sequence_backward", _backward, _device.upper())
torch.library.register_fake("lstmzoo::sequence", _shapes, lib=_library)
torch.library.register_fake("lstmzoo::sequence_backward", _backward_shapes, lib=_library)
torch.library.register_autograd("lstmzoo::sequence", _differentiate, setup_context=_save, lib=_library)
torch.library.register_autograd("lstmzoo::sequence_backward", _refuse, lib=_library)
