"""A layer run by its kernel: memory, the call into C, gradients."""

from __future__ import annotations

import functools
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lstmzoo.nn.engine import reference
from lstmzoo.nn.engine.native import convolution
from lstmzoo.nn.engine.native.convolution import OnPiece
from lstmzoo.nn.engine.native.emit import matrices
from lstmzoo.nn.engine.native.gradients import add_matrix_gradients
from lstmzoo.nn.engine.native.kernel import Kernel
from lstmzoo.nn.engine.native.layout import Layout
from lstmzoo.nn.engine.native.memory import Memory, Run, Tensors
from lstmzoo.nn.engine.native.traceable import batched_gradients
from lstmzoo.nn.layer import Layer, LayerResult


def run_layer(kernel: Kernel, layer: Layer, bias_in_steps: bool, layout: Layout | None) -> LayerResult:
    """Run a layer whose stream ``x`` holds W x + b (x itself for raw cells).

    Args:
        kernel: the kernel of its step.
        layer: the layer; one of images as `lstmzoo.nn.engine.native.layout.Layout.layer` gives it.
        bias_in_steps: whether b' is yet to be added.
        layout: how images lie in memory, if there are images.
    """
    named = _named_tensors(kernel, layer, bias_in_steps)
    tensors = [t.to(kernel.dtype).contiguous() for t in named.values()]
    if torch.is_grad_enabled() and any(t.requires_grad for t in tensors):
        run = Run(kernel, tuple(named), _without_tensors(layer), layout)
        outputs = _Sequence.apply(run, *tensors)
    else:
        run = Run(kernel, tuple(named), layer, layout)
        outputs, _ = forward(run, dict(zip(named, tensors, strict=True)), keep=False)
    names = (*run.shown, *run.states, *kernel.program.gates)
    if layout is not None:
        sizes = kernel.program.sizes
        outputs = tuple(layout.state(o, sizes.get(k, "H")) for k, o in zip(names, outputs, strict=True))
    shown, states = len(run.shown), len(run.states)
    return LayerResult(
        states=tuple(outputs[:shown]),
        last=tuple(outputs[shown : shown + states]),
        gates=dict(zip(kernel.program.gates, outputs[shown + states :], strict=True)),
    )


_WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")


def _without_tensors(layer: Layer) -> Layer:
    """What the backward pass must know of a layer; its tensors are kept by autograd, where they are looked after."""
    own = dict.fromkeys(layer.maps.own)
    maps = replace(layer.maps, **dict.fromkeys(_WEIGHTS), own=own)  # type: ignore[arg-type]
    streams, held = dict.fromkeys(layer.streams), dict.fromkeys(layer.held)
    return replace(layer, maps=maps, streams=streams, held=held, state=())  # type: ignore[arg-type]


@functools.cache
def _multiplied(kernel: Kernel) -> frozenset[str]:
    """Names of the matrices that a kernel reads."""
    return frozenset(matrix for matrix, *_ in matrices(kernel.forward))


def _named_tensors(kernel: Kernel, layer: Layer, bias_in_steps: bool) -> Tensors:
    """What the kernel reads, by name."""
    maps = layer.maps
    named = dict(layer.streams)
    named |= {f"{name}_first": s for name, s in zip(kernel.program.sizes, layer.state, strict=True)}
    named |= layer.held
    named |= maps.own
    read = _multiplied(kernel) | {name for name in kernel.forward.arrays if bias_in_steps or name != "bias_hh"}
    read |= {"weight_ih", "bias_ih"} if "input" in named else set()
    values = {name: getattr(maps, name) for name in _WEIGHTS if name in read}
    return named | {name: value for name, value in values.items() if value is not None}


class _Sequence(torch.autograd.Function):
    """The steps of a layer as one differentiable function."""

    @staticmethod
    def forward(ctx: Any, run: Run, *tensors: Tensor) -> tuple[Tensor, ...]:
        outputs, kept = forward(run, dict(zip(run.names, tensors, strict=True)), keep=True)
        ctx.run, ctx.kept_names = run, tuple(kept)
        ctx.save_for_backward(*tensors, *kept.values())
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*outputs[len(run.shown) + len(run.states) :])
        # Copies, so that a caller may change the output in place, as torch.nn.GRU lets him.
        return (*(states.clone() for states in outputs[: len(run.shown)]), *outputs[len(run.shown) :])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        run: Run = ctx.run
        count = len(run.names)
        saved = ctx.saved_tensors  # read once: under checkpointing, no second look is allowed
        tensors = saved[:count]
        wanted = ctx.needs_input_grad[1:]
        gradients = gradients[: len(run.shown) + len(run.states)]
        if torch.is_grad_enabled() or batched_gradients(*gradients):  # gradients of gradients, or many at once
            return None, *_by_reference(run, tensors, gradients, wanted)
        given = dict(zip(run.names, tensors, strict=True))
        kept = dict(zip(ctx.kept_names, saved[count:], strict=True))
        found = backward(run, given, kept, gradients, {n for n, w in zip(run.names, wanted, strict=True) if w})
        return None, *(found.get(name) for name in run.names)


def forward(run: Run, given: Tensors, keep: bool) -> tuple[tuple[Tensor, ...], Tensors]:
    """Run all steps.

    Args:
        run: what is run.
        given: its tensors.
        keep: whether what the backward pass needs is kept.

    Returns:
        Shown states over time, last states, recorded gates; and what is kept, by name.
    """
    kernel = run.kernel
    memory = Memory(run, given, kernel.forward)
    x, steps = memory.x, memory.steps
    states: Tensors = {}
    for name in run.states:
        over_time = keep or name in run.shown
        like = given[f"{name}_first"]
        states[name] = x.new_empty(steps if over_time else 2, *like.shape)
        stride = like.numel() if over_time else 0
        memory.put(f"{name}_after", states[name], stride)
        memory.put(f"{name}_before", states[name], stride, before=like)
    kept: Tensors = {}
    for array in kernel.forward.arrays.values():
        if array.name in kernel.program.kept:
            kept[array.name] = memory.stream(array, over_time=keep)
    gates = [memory.stream(kernel.forward.arrays[f"gate_{name}"]) for name in kernel.program.gates]
    _run(memory, "forward", keep, partial(convolution.input_products, memory), lambda piece: None)
    at = 0 if run.bare.reverse else steps - 1
    last = [states[n][at] if n in run.shown or keep else states[n][(steps - 1) % 2] for n in run.states]
    outputs = (*(states[name] for name in run.shown), *(s.clone() for s in last), *gates)
    return outputs, {f"{name}_states": states[name] for name in run.states} | kept


def backward(
    run: Run, given: Tensors, kept: Tensors, gradients: tuple[Tensor | None, ...], wanted: set[str]
) -> dict[str, Tensor]:
    """Run all steps backwards.

    Args:
        run: what was run.
        given: its tensors.
        kept: what `forward` kept.
        gradients: of the shown states over time and of the last states; None: zero.
        wanted: the tensors whose gradients are wanted.

    Returns:
        Gradients by the tensors' names.
    """
    kernel, program, p = run.kernel, run.kernel.program, run.kernel.backward
    memory = Memory(run, given, p)
    over_time = dict(zip(run.shown, gradients, strict=False))
    at_end = dict(zip(run.states, gradients[len(run.shown) :], strict=True))
    carries: Tensors = {}
    for name in run.states:
        first, states = given[f"{name}_first"], kept[f"{name}_states"]
        memory.put(f"{name}_after", states, first.numel())
        memory.put(f"{name}_before", states, first.numel(), before=first)
        carries[name] = first.new_empty(2, *first.shape)
        last = at_end[name]
        carries[name][0] = 0 if last is None else last
        memory.put(f"carry_{name}", carries[name])
        memory.put(f"carried_{name}", carries[name])
        if over_time.get(name) is None:
            memory.put(f"grad_{name}", torch.zeros_like(first), 0)
    for name in program.kept:
        if name in p.arrays:
            memory.put(name, kept[name], kept[name][0].numel())
    handed_out = {f"d_{name}" for name in (*program.streams, *program.vectors, *program.held)}
    if "input" in given:
        handed_out.discard("d_x")
    for name in handed_out:
        memory.gradient(p.arrays[name])
    of_products = [a for a in p.arrays.values() if a.name.startswith("d_") and a.name not in handed_out]
    parts = {array.name: memory.new(array, memory.piece) for array in of_products}
    found = {name: torch.zeros_like(given[name]) for name in wanted if name in ("input", "weight_ih", "bias_ih")}

    def begin(piece: slice) -> None:
        convolution.input_products(memory, piece)
        for name, along in over_time.items():
            if along is not None:
                memory.put_part(f"grad_{name}", along[piece].to(kernel.dtype).contiguous(), piece.start)
        for name, part in parts.items():
            memory.put_part(name, part[: piece.stop - piece.start], piece.start)

    def end(piece: slice) -> None:
        add_matrix_gradients(memory, kept, wanted, found, piece)
        convolution.input_gradients(memory, piece, found)

    _run(memory, "backward", True, begin, end)
    for name in run.states:
        found[f"{name}_first"] = carries[name][memory.steps % 2]
    for array_name in handed_out:
        name, total = array_name.removeprefix("d_"), memory.tensors[array_name]
        if name in wanted:
            found[name] = (total.sum(0) if name in program.vectors else total).view(given[name].shape)
    return {name: value for name, value in found.items() if name in wanted}


def _run(memory: Memory, name: str, keep: bool, begin: OnPiece, end: OnPiece) -> None:
    """Run all steps of a pass; see `convolution.run_stages`.

    Raises:
        MemoryError: if the machine's memory does not suffice.
    """
    kernel = memory.run.kernel
    if memory.run.layout is not None:
        convolution.run_stages(memory, name, keep, begin, end)
        return
    whole = slice(0, memory.steps)
    begin(whole)
    if getattr(kernel.library, f"{name}_run")(*memory.tables(), int(keep)):
        raise MemoryError(f"no memory for the packed weights of {kernel.step.cell!r}")
    end(whole)


def _by_reference(
    run: Run, tensors: tuple[Tensor, ...], gradients: tuple[Tensor | None, ...], wanted: tuple[bool, ...]
) -> list[Tensor | None]:
    """Gradients that can be differentiated again: those of the reference engine."""
    given = dict(zip(run.names, tensors, strict=True))
    again = torch.is_grad_enabled()
    weights: dict[str, Any] = {name: given.get(name) for name in _WEIGHTS}
    layer = replace(
        run.bare,
        maps=replace(run.bare.maps, **weights, own={name: given[name] for name in run.bare.maps.own}),
        streams={name: given[name] for name in run.bare.streams},
        held={name: given[name] for name in run.bare.held},
        state=tuple(given[f"{name}_first"] for name in run.states),
    )
    with torch.enable_grad():
        result = reference.loop(layer if run.layout is None else run.layout.undone(layer))
    outputs = [*result.states[: len(run.shown)], *result.last]
    if run.layout is not None:
        outputs = [run.layout.rows(o) for o in outputs]
    pairs = [(o, g) for o, g in zip(outputs, gradients, strict=True) if g is not None and o.requires_grad]
    inputs = [t for t, w in zip(tensors, wanted, strict=True) if w]
    if not pairs or not inputs:
        return [None] * len(tensors)
    of, along = zip(*pairs, strict=True)
    found = iter(torch.autograd.grad(of, inputs, along, create_graph=again, allow_unused=True))
    return [next(found) if w else None for w in wanted]
