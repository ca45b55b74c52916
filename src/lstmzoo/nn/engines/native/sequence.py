"""A layer run by its kernel: memory, the steps, gradients."""

from collections.abc import Set
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lstmzoo.nn.engines import reference
from lstmzoo.nn.engines.native import convolution
from lstmzoo.nn.engines.native.arrays import Memory, Place, Run, Tensors
from lstmzoo.nn.engines.native.gradients import add_matrix_gradients
from lstmzoo.nn.engines.native.hoist import hoisted
from lstmzoo.nn.engines.native.image_rows import of_layer
from lstmzoo.nn.engines.native.kernel import Kernel
from lstmzoo.nn.engines.native.steps import OnPiece, run_steps
from lstmzoo.nn.engines.native.traceable import batched_gradients
from lstmzoo.nn.layer import Layer, LayerResult


def run_compiled(kernel: Kernel, layer: Layer) -> LayerResult:
    """Run one layer in one direction by the kernel of its step."""
    x, weights, states = layer.streams["x"], layer.weights, kernel.states
    if not x.numel():  # a batch of no sequences
        return reference.step_by_step(layer)
    layout = of_layer(layer, kernel.sums) if x.dim() == 5 else None
    layer = hoisted(layer) if layout is None else layout.layer(layer)
    inputs = layer.inputs
    tensors = [t.to(kernel.dtype).contiguous() for t in inputs.values()]
    run = Run(
        kernel=kernel,
        names=tuple(inputs),
        shown=states if layer.keep_states else states[:1],
        streams=tuple(layer.streams),
        per_sequence=tuple(layer.per_sequence),
        weights=type(weights)(layer.step.cell, weights.hidden_size, {}),
        scalars=layer.scalars,
        reverse=layer.reverse,
        layout=layout,
    )
    if torch.is_grad_enabled() and any(t.requires_grad for t in tensors):
        outputs = _Sequence.apply(run, *tensors)
    else:
        outputs, _ = kernel.library.call(forward, run, dict(zip(inputs, tensors, strict=True)), False)
    shown, gates = len(run.shown), kernel.program.gates
    if layout is not None:
        sizes, names = kernel.program.sizes, (*run.shown, *states, *gates)
        outputs = tuple(layout.state(o, sizes.get(k, "H")) for k, o in zip(names, outputs, strict=True))
    outputs = tuple(o.to(layer.state[0].dtype) for o in outputs)
    last = shown + len(states)
    return LayerResult(outputs[:shown], outputs[shown:last], dict(zip(gates, outputs[last:], strict=True)))


class _Sequence(torch.autograd.Function):
    """The steps of a layer as one differentiable function."""

    @staticmethod
    def forward(ctx: Any, run: Run, *tensors: Tensor) -> tuple[Tensor, ...]:
        outputs, kept = run.kernel.library.call(forward, run, dict(zip(run.names, tensors, strict=True)), True)
        ctx.run, ctx.kept_names = run, tuple(kept)
        ctx.save_for_backward(*tensors, *kept.values())
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*outputs[len(run.shown) + len(run.kernel.states) :])
        # Copies, so that a caller may change the output in place, as torch.nn.GRU lets him.
        return (*(states.clone() for states in outputs[: len(run.shown)]), *outputs[len(run.shown) :])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        run: Run = ctx.run
        count = len(run.names)
        saved = ctx.saved_tensors  # read once: under checkpointing, no second look is allowed
        given = dict(zip(run.names, saved[:count], strict=True))
        wanted = ctx.needs_input_grad[1:]
        gradients = gradients[: len(run.shown) + len(run.kernel.states)]
        if torch.is_grad_enabled() or batched_gradients(*gradients):  # gradients of gradients, or many at once
            return None, *_by_reference(run, given, gradients, wanted)
        kept = dict(zip(ctx.kept_names, saved[count:], strict=True))
        names = frozenset(name for name, is_wanted in zip(run.names, wanted, strict=True) if is_wanted)
        found = run.kernel.library.call(backward, run, given, kept, gradients, names)
        return None, *(found.get(name) for name in run.names)


def forward(run: Run, given: Tensors, keep: bool) -> tuple[tuple[Tensor, ...], Tensors]:
    """Run all steps.

    Args:
        run: what is run.
        given: its tensors.
        keep: whether what the backward pass needs is kept.

    Returns:
        Shown states over time, last states, recorded gates; and what is kept, by name.

    Raises:
        MemoryError: if the machine's memory does not suffice.
    """
    kernel, arrays = run.kernel, run.kernel.forward.arrays
    memory = Memory(run, given, kernel.forward)
    steps = memory.steps
    states: Tensors = {}
    for name in kernel.states:
        first, over_time = given[f"{name}_first"], keep or name in run.shown
        states[name] = first.new_empty(steps if over_time else 2, *first.shape)
        stride = first.numel() if over_time else 0
        memory.places[f"{name}_after"] = Place(states[name], stride)
        memory.places[f"{name}_before"] = Place(states[name], stride, first)
    kept = {name: memory.stream(arrays[name], steps if keep else 1) for name in kernel.program.kept}
    gates = [memory.stream(arrays[f"gate_{name}"], steps) for name in kernel.program.gates]
    if run.layout is not None:
        begin = partial(convolution.input_products, memory)
        run_steps(memory, keep, convolution.convolve, begin, end=lambda piece: None)
    else:
        kernel.library.run(memory, keep)
    at = 0 if run.reverse else steps - 1
    last = [s[at] if name in run.shown or keep else s[(steps - 1) % 2] for name, s in states.items()]
    outputs = (*(states[name] for name in run.shown), *(s.clone() for s in last), *gates)
    return outputs, {f"{name}_states": s for name, s in states.items()} | kept


def backward(
    run: Run, given: Tensors, kept: Tensors, gradients: tuple[Tensor | None, ...], wanted: Set[str]
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

    Raises:
        MemoryError: if the machine's memory does not suffice.
    """
    kernel, program, p = run.kernel, run.kernel.program, run.kernel.backward
    memory = Memory(run, given, p)
    places = memory.places
    over_time = dict(zip(run.shown, gradients, strict=False))
    at_end = dict(zip(kernel.states, gradients[len(run.shown) :], strict=True))
    carries: Tensors = {}
    for name in kernel.states:
        first, states, last = given[f"{name}_first"], kept[f"{name}_states"], at_end[name]
        places[f"{name}_after"] = Place(states, first.numel())
        places[f"{name}_before"] = Place(states, first.numel(), first)
        carries[name] = first.new_empty(2, *first.shape)
        carries[name][0] = 0 if last is None else last
        places[f"carry_{name}"] = places[f"carried_{name}"] = Place(carries[name])
        if over_time.get(name) is None:
            places[f"grad_{name}"] = Place(torch.zeros_like(first))
    for name in program.kept:
        if name in p.arrays:
            places[name] = Place(kept[name], kept[name][0].numel())
    handed_out = {f"d_{name}" for name in (*program.streams, *program.vectors, *program.per_sequence)}
    if "input" in given:
        handed_out.discard("d_x")
    for name in handed_out:
        memory.gradient(p.arrays[name])
    of_products = [a for a in p.arrays.values() if a.name.startswith("d_") and a.name not in handed_out]
    parts = {array.name: memory.stream(array, memory.piece) for array in of_products}
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

    _run_backward(memory, begin, end)
    for name in kernel.states:
        found[f"{name}_first"] = carries[name][memory.steps % 2]
    for array_name in handed_out:
        name, total = array_name.removeprefix("d_"), places[array_name].tensor
        if name in wanted:
            found[name] = (total.sum(0) if name in program.vectors else total).view(given[name].shape)
    return {name: value for name, value in found.items() if name in wanted}


def _run_backward(memory: Memory, begin: OnPiece, end: OnPiece) -> None:
    if memory.run.layout is not None:
        run_steps(memory, True, convolution.convolve, begin, end)
        return
    whole = slice(0, memory.steps)
    begin(whole)
    memory.run.kernel.library.run(memory, keep=True)
    end(whole)


def _by_reference(
    run: Run, given: Tensors, gradients: tuple[Tensor | None, ...], wanted: tuple[bool, ...]
) -> list[Tensor | None]:
    """Gradients that can be differentiated again: those of the reference engine."""
    again, layer = torch.is_grad_enabled(), run.layer(given)
    with torch.enable_grad():
        result = reference.loop(layer if run.layout is None else run.layout.undone(layer))
    outputs = [*result.states[: len(run.shown)], *result.last]
    if run.layout is not None:
        outputs = [run.layout.rows(o) for o in outputs]
    pairs = [(o, g) for o, g in zip(outputs, gradients, strict=True) if g is not None and o.requires_grad]
    inputs = [t for t, w in zip(given.values(), wanted, strict=True) if w]
    if not pairs or not inputs:
        return [None] * len(given)
    of, along = zip(*pairs, strict=True)
    found = iter(torch.autograd.grad(of, inputs, along, create_graph=again, allow_unused=True))
    return [next(found) if w else None for w in wanted]
