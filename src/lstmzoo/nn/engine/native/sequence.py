"""A layer run by its kernel: memory, the call into C, gradients."""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lstmzoo.nn.engine import reference
from lstmzoo.nn.engine.native import convolution
from lstmzoo.nn.engine.native.emit import matrices
from lstmzoo.nn.engine.native.kernel import Kernel
from lstmzoo.nn.engine.native.memory import Memory, Run, Tensors
from lstmzoo.nn.engine.native.program import Product
from lstmzoo.nn.engine.native.traceable import batched_gradients
from lstmzoo.nn.layer import Layer, LayerResult


def run_layer(kernel: Kernel, layer: Layer, bias_in_steps: bool) -> LayerResult:
    """Run a layer whose stream ``x`` holds W x + b (x itself for raw cells).

    Args:
        kernel: the kernel of its step.
        layer: the layer.
        bias_in_steps: whether b' is yet to be added.
    """
    image = tuple(layer.state[0].shape[2:])
    named = _named_tensors(kernel, layer, bias_in_steps, image)
    tensors = [t.to(kernel.dtype).contiguous() for t in named.values()]
    if torch.is_grad_enabled() and any(t.requires_grad for t in tensors):
        run = Run(kernel, tuple(named), _without_tensors(layer), image)
        outputs = _Sequence.apply(run, *tensors)
    else:
        run = Run(kernel, tuple(named), layer, image)
        outputs, _ = forward(run, dict(zip(named, tensors, strict=True)), keep=False)
    shown, states = len(run.shown), len(run.states)
    return LayerResult(
        states=tuple(outputs[:shown]),
        last=tuple(outputs[shown : shown + states]),
        gates=dict(zip(kernel.program.gates, outputs[shown + states :], strict=True)),
    )


_WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")


def _without_tensors(layer: Layer) -> Layer:
    """What the backward pass must know of a layer; its tensors are kept by autograd, where they are looked after."""
    maps = replace(layer.maps, **dict.fromkeys(_WEIGHTS), own={})  # type: ignore[arg-type]
    streams, held = dict.fromkeys(layer.streams), dict.fromkeys(layer.held)
    return replace(layer, maps=maps, streams=streams, held=held, state=())  # type: ignore[arg-type]


@functools.cache
def _read_by(kernel: Kernel) -> tuple[frozenset[str], frozenset[str]]:
    """Names of the vectors and of the matrices that a kernel reads."""
    vectors = (name for name, array in kernel.forward.arrays.items() if array.kind == "vector")
    return frozenset(vectors), frozenset(matrix for matrix, *_ in matrices(kernel.forward))


def _named_tensors(kernel: Kernel, layer: Layer, bias_in_steps: bool, image: tuple[int, ...]) -> Tensors:
    """What the kernel reads, by name."""
    maps = layer.maps
    named = dict(layer.streams)
    named |= {f"{name}_first": s for name, s in zip(kernel.program.sizes, layer.state, strict=True)}
    named |= layer.held
    vectors, multiplied = _read_by(kernel)
    for name in (*_WEIGHTS, *maps.own):
        value = maps.own[name] if name in maps.own else getattr(maps, name)
        if name in multiplied:
            named[name] = value
        elif name in vectors and (bias_in_steps or name != "bias_hh"):
            named[name] = _per_pixel(value, image) if image else value
    return named


def _per_pixel(vector: Tensor, image: tuple[int, ...]) -> Tensor:
    """A vector of one number per channel, repeated for all pixels; one that has pixels already, as it is."""
    return vector.view(vector.shape[0], *(vector.shape[1:] or (1, 1))).expand(-1, *image)


class _Sequence(torch.autograd.Function):
    """The steps of a layer as one differentiable function."""

    @staticmethod
    def forward(ctx: Any, run: Run, *tensors: Tensor) -> tuple[Tensor, ...]:
        outputs, kept = forward(run, dict(zip(run.names, tensors, strict=True)), keep=True)
        ctx.run, ctx.kept_names = run, tuple(kept)
        ctx.save_for_backward(*tensors, *kept.values())
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*outputs[len(run.shown) + len(run.states) :])
        return outputs

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
    kernel, x = run.kernel, given["x"]
    steps = x.shape[0]
    memory = Memory(run, given, kernel.forward)
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
    gates = [gate.unflatten(2, (-1, *run.image)) for gate in gates] if run.image else gates
    _call(memory, "forward", keep)
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
        along = over_time.get(name)
        if along is None:
            memory.put(f"grad_{name}", torch.zeros_like(first), 0)
        else:
            memory.put(f"grad_{name}", along.to(kernel.dtype).contiguous(), first.numel())
    for name in program.kept:
        if name in p.arrays:
            memory.put(name, kept[name], kept[name][0].numel())
    for array in p.arrays.values():
        if array.name.startswith("d_"):
            memory.gradient(array)
    _call(memory, "backward", True)
    found: dict[str, Tensor] = {f"{name}_first": carries[name][given["x"].shape[0] % 2] for name in run.states}
    for name in (*program.streams, *program.vectors, *program.held):
        if name in wanted:
            total = memory.tensors[f"d_{name}"]
            found[name] = (total.sum(0) if name in program.vectors else total).view(given[name].shape)
    _matrix_gradients(run, given, kept, memory, wanted, found)
    return {name: value for name, value in found.items() if name in wanted}


def _call(memory: Memory, name: str, keep: bool) -> None:
    """Run all steps of a pass.

    Raises:
        MemoryError: if the machine's memory does not suffice.
    """
    kernel = memory.run.kernel
    if memory.run.image:
        convolution.run_stages(memory, name, keep)
    elif getattr(kernel.library, f"{name}_run")(*memory.tables(), int(keep)):
        raise MemoryError(f"no memory for the packed weights of {kernel.step.cell!r}")


def _matrix_gradients(
    run: Run, given: Tensors, kept: Tensors, memory: Memory, wanted: set[str], found: dict[str, Tensor]
) -> None:
    """Gradients of the maps, over all steps in one product each, and of the biases in the steps."""
    for product in run.kernel.program.products:
        d = memory.tensors.get(f"d_{product.name}", memory.tensors.get("d_x"))
        assert d is not None  # (T, B, blocks · H)
        d, count = d.flatten(2), len(product.blocks)
        bias = product.blocks[0].attributes[2]
        if bias in wanted:
            total = found.setdefault(bias, torch.zeros_like(given[bias]))
            total.view(-1)[_part(product, d.shape[2] // count)] += d.sum((0, 1))
        if product.matrix not in wanted:
            continue
        weight = given[product.matrix]
        pixels = math.prod(run.image)
        part = found.setdefault(product.matrix, torch.zeros_like(weight))[_part(product, d.shape[2] // count // pixels)]
        for gradients, vectors in _pairs(run, given, kept, product.name, d):
            gradients, vectors = gradients.flatten(0, 1), vectors.flatten(0, 1).flatten(1)
            if run.image and gradients.shape[0]:
                images = [v.unflatten(1, (-1, *run.image)) for v in (vectors, gradients)]
                part += convolution.weight_gradient(weight[: part.shape[0]], *images)
            elif not run.image:
                part.addmm_(gradients.t(), vectors)


def _part(product: Product, size: int) -> slice:
    """The rows of its matrix that a product uses, if a block has some size."""
    return slice(product.first * size, (product.first + len(product.blocks)) * size)


def _pairs(run: Run, given: Tensors, kept: Tensors, name: str, d: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Gradients (T, B, ·) of a product's results beside the vectors (T, B, ·) that were multiplied."""
    kind, of, _ = run.kernel.program.vectors_of_products[name].attributes
    if kind != "state":
        return [(d, given[of] if of in given else kept[of])]
    states, first = kept[f"{of}_states"], given[f"{of}_first"][None]
    if run.bare.reverse:
        return [(d[-1:], first), (d[:-1], states[1:])]
    return [(d[:1], first), (d[1:], states[:-1])]


def _by_reference(
    run: Run, tensors: tuple[Tensor, ...], gradients: tuple[Tensor | None, ...], wanted: tuple[bool, ...]
) -> list[Tensor | None]:
    """Gradients that can be differentiated again: those of the reference engine."""
    given = dict(zip(run.names, tensors, strict=True))
    again = torch.is_grad_enabled()
    weights: dict[str, Any] = {name: given.get(name) for name in _WEIGHTS}
    if run.image:  # convolutions take a bias per channel, which the kernel was given for every pixel
        weights |= {k: v[:, 0, 0] for k, v in weights.items() if k.startswith("bias") and v is not None}
    layer = replace(
        run.bare,
        maps=replace(run.bare.maps, **weights, own=given),
        streams={name: given[name] for name in run.bare.streams},
        held={name: given[name] for name in run.bare.held},
        state=tuple(given[f"{name}_first"] for name in run.states),
    )
    with torch.enable_grad():
        result = reference.loop(layer)
    outputs = [*result.states[: len(run.shown)], *result.last]
    pairs = [(o, g) for o, g in zip(outputs, gradients, strict=True) if g is not None and o.requires_grad]
    inputs = [t for t, w in zip(tensors, wanted, strict=True) if w]
    if not pairs or not inputs:
        return [None] * len(tensors)
    of, along = zip(*pairs, strict=True)
    found = iter(torch.autograd.grad(of, inputs, along, create_graph=again, allow_unused=True))
    return [next(found) if w else None for w in wanted]
