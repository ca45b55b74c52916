"""A layer run by its kernel: memory, the call into C, gradients."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from lstmzoo.nn.engine import reference
from lstmzoo.nn.engine.native.emit import DIMENSIONS, layout, matrices
from lstmzoo.nn.engine.native.kernel import Kernel
from lstmzoo.nn.engine.native.passes import Array, Pass
from lstmzoo.nn.layer import Layer, LayerResult

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Run:
    """One run of a kernel, apart from its tensors.

    Attributes:
        kernel: the kernel.
        names: what the tensors are, in order: streams, states (``h_first``), held inputs, vectors, matrices.
        bare: the layer without its tensors, for the reference engine.
        keep_states: whether all states over time are wanted.
    """

    kernel: Kernel
    names: tuple[str, ...]
    bare: Layer
    keep_states: bool

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the states."""
        return tuple(self.kernel.program.sizes)

    @property
    def shown(self) -> tuple[str, ...]:
        """Names of the states whose values over time are handed out."""
        return self.states if self.keep_states else self.states[:1]


def run_layer(kernel: Kernel, layer: Layer, bias_in_steps: bool) -> LayerResult:
    """Run a layer whose stream ``x`` holds W x + b (x itself for raw cells).

    Args:
        kernel: the kernel of its step.
        layer: the layer.
        bias_in_steps: whether b' is yet to be added.
    """
    named = _named_tensors(kernel, layer, bias_in_steps)
    bare_maps = replace(layer.maps, weight_ih=None, weight_hh=None, bias_ih=None, bias_hh=None, weight_hr=None, own={})  # type: ignore[type-var]
    bare = replace(layer, maps=bare_maps, streams={}, held={}, state=())
    run = Run(kernel, tuple(named), bare, layer.keep_states)
    tensors = [t.to(kernel.dtype).contiguous() for t in named.values()]
    if torch.is_grad_enabled() and any(t.requires_grad for t in tensors):
        outputs = _Sequence.apply(run, *tensors)
    else:
        outputs, _ = forward(run, dict(zip(named, tensors, strict=True)), keep=False)
    shown, states = len(run.shown), len(run.states)
    return LayerResult(
        states=tuple(outputs[:shown]),
        last=tuple(outputs[shown : shown + states]),
        gates=dict(zip(kernel.program.gates, outputs[shown + states :], strict=True)),
    )


def _named_tensors(kernel: Kernel, layer: Layer, bias_in_steps: bool) -> Tensors:
    maps, p = layer.maps, kernel.forward
    named = {name: layer.streams[name] for name in layer.streams if name in p.arrays}
    named |= {f"{name}_first": s for name, s in zip(kernel.program.sizes, layer.state, strict=True)}
    named |= {name: layer.held[name] for name in layer.held if name in p.arrays}
    every: dict[str, Tensor | None] = {"weight_ih": maps.weight_ih, "weight_hh": maps.weight_hh}
    every |= {"weight_hr": maps.weight_hr, "bias_ih": maps.bias_ih}
    every |= {"bias_hh": maps.bias_hh if bias_in_steps else None, **maps.own}
    used = {a.name for a in p.arrays.values() if a.kind == "vector"} | {name for name, *_ in matrices(p)}
    return named | {name: value for name, value in every.items() if name in used and value is not None}


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
        tensors = ctx.saved_tensors[:count]
        wanted = ctx.needs_input_grad[1:]
        gradients = gradients[: len(run.shown) + len(run.states)]
        if torch.is_grad_enabled():  # gradients of gradients
            return None, *_by_reference(run, tensors, gradients, wanted)
        given = dict(zip(run.names, tensors, strict=True))
        kept = dict(zip(ctx.kept_names, ctx.saved_tensors[count:], strict=True))
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
    steps, batch = x.shape[:2]
    memory = _Memory(run, given, kernel.forward)
    states: Tensors = {}
    for name, size in kernel.program.sizes.items():
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
    memory.call("forward", keep)
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
    memory = _Memory(run, given, p)
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
    memory.call("backward", True)
    found: dict[str, Tensor] = {f"{name}_first": carries[name][given["x"].shape[0] % 2] for name in run.states}
    for name in (*program.streams, *program.vectors, *program.held):
        if name in wanted:
            total = memory.tensors[f"d_{name}"]
            found[name] = (total.sum(0) if name in program.vectors else total).view(given[name].shape)
    _matrix_gradients(run, given, kept, memory, wanted, found)
    return {name: value for name, value in found.items() if name in wanted}


def _matrix_gradients(
    run: Run, given: Tensors, kept: Tensors, memory: _Memory, wanted: set[str], found: dict[str, Tensor]
) -> None:
    """Gradients of the matrices, over all steps in one product each, and of the biases in the steps."""
    for product in run.kernel.program.products:
        d = memory.tensors.get(f"d_{product.name}", memory.tensors.get("d_x"))
        assert d is not None  # (T, B, blocks · H)
        d, count = d.flatten(2), len(product.blocks)
        bias = product.blocks[0].attributes[2]
        size = d.shape[2] // count
        rows = slice(product.first * size, (product.first + count) * size)
        if bias in wanted:
            found.setdefault(bias, torch.zeros_like(given[bias]))[rows] = d.sum((0, 1))
        if product.matrix in wanted:
            part = found.setdefault(product.matrix, torch.zeros_like(given[product.matrix]))[rows]
            for gradients, vectors in _pairs(run, given, kept, product.name, d):
                part.addmm_(gradients.flatten(0, 1).t(), vectors.flatten(0, 1).flatten(1))


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
    matrices_ = {k: given.get(k) for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")}
    maps = replace(run.bare.maps, **matrices_, own=given)  # type: ignore[arg-type]
    streams = {k: v for k, v in given.items() if v.dim() >= 2 and k in (*_STREAMS, *run.kernel.forward.arrays)}
    state = tuple(given[f"{name}_first"] for name in run.states)
    result = reference.loop(replace(run.bare, maps=maps, streams=streams, held={}, state=state))
    outputs = [*result.states[: len(run.shown)], *result.last]
    pairs = [(o, g) for o, g in zip(outputs, gradients, strict=True) if g is not None and o.requires_grad]
    inputs = [t for t, w in zip(tensors, wanted, strict=True) if w]
    if not pairs or not inputs:
        return [None] * len(tensors)
    found = iter(
        torch.autograd.grad([o for o, _ in pairs], inputs, [g for _, g in pairs], create_graph=True, allow_unused=True)
    )
    return [next(found) if w else None for w in wanted]


_STREAMS = ("x", "real", "reset", "below")


class _Memory:
    """The arrays of a pass, as addresses for the C code."""

    def __init__(self, run: Run, given: Tensors, p: Pass) -> None:
        self.run, self.given, self.p = run, given, p
        self.steps, self.batch = given["x"].shape[:2]
        self.threads = max(1, min(torch.get_num_threads(), self.batch // 4))
        first = given[f"{run.states[0]}_first"]
        output = first.numel() // max(1, self.batch)
        hidden = _hidden(run, given, output)
        self.widths = {"H": hidden, "P": output, "I": given["x"].numel() // max(1, self.steps * self.batch), "1": 1}
        self.tensors: Tensors = {}
        self.strides: dict[str, int] = {}
        self.before: Tensors = {}

    def put(self, name: str, tensor: Tensor, stride: int = 0, before: Tensor | None = None) -> None:
        """Say where an array lies, and how far it is from step to step."""
        self.tensors[name], self.strides[name] = tensor, stride
        if before is not None:
            self.before[name] = before

    def stream(self, array: Array, over_time: bool = True) -> Tensor:
        """Memory for values of every step, or, if they need not be kept, of one."""
        width = array.blocks * self.widths[array.size]
        tensor = self.given["x"].new_empty(self.steps if over_time else 1, self.batch, width)
        self.put(array.name, tensor, self.batch * width if over_time else 0)
        return tensor

    def gradient(self, array: Array) -> None:
        """Memory for a gradient: one per step, or a sum that begins at 0."""
        if array.kind == "stream":
            self.stream(array)
        else:
            rows = self.threads if array.kind == "sum" else self.batch
            self.put(array.name, self.given["x"].new_zeros(rows, array.blocks * self.widths[array.size]))

    def call(self, name: str, keep: bool) -> None:
        """Run all steps of the pass.

        Raises:
            MemoryError: if the machine's memory does not suffice.
        """
        count = len(self.p.arrays)
        addresses, strides = [0] * (2 * count), [0] * count
        for k, array in enumerate(layout(self.p)):
            if array.name not in self.tensors:
                self._put_given(array)
            addresses[k], strides[k] = self.tensors[array.name].data_ptr(), self.strides[array.name]
            if array.name in self.before:
                addresses[count + k] = self.before[array.name].data_ptr()
        for matrix, first, _, _ in matrices(self.p):
            weight = self.given[matrix]
            addresses.append(
                weight.data_ptr() + first * self._block(matrix) * weight[0].numel() * weight.element_size()
            )
        w = self.widths
        settings = (self.steps, self.batch, w["H"], w["P"], w["I"], int(self.run.bare.reverse), self.threads)
        assert len(settings) == len(DIMENSIONS)
        numbers = (ctypes.c_long * (len(settings) + count))(*settings, *strides)
        table = (ctypes.c_void_p * len(addresses))(*addresses)
        if getattr(self.run.kernel.library, f"{name}_run")(numbers, table, int(keep)):
            raise MemoryError(f"no memory for the packed weights of {self.run.kernel.step.cell!r}")

    def _block(self, matrix: str) -> int:
        """Rows of a block of a matrix."""
        call = next(call for call in self.p.calls if call.matrix == matrix)
        return self.widths[(call.of if call.transposed else call.out).size]

    def _put_given(self, array: Array) -> None:
        """An input, a number, or scratch memory."""
        if array.kind == "scalar":
            self.put(array.name, self.given["x"].new_tensor([self.run.bare.scalars[array.name]]))
        elif array.name in self.given:
            tensor = self.given[array.name]
            self.put(array.name, tensor, tensor[0].numel() if array.kind == "stream" else 0)
        else:
            width = array.blocks * self.widths[array.size]
            self.put(array.name, self.given["x"].new_empty(self.batch, width))


def _hidden(run: Run, given: Mapping[str, Tensor], output: int) -> int:
    """H: the size of any state but h, which may be projected."""
    sizes = run.kernel.program.sizes
    for name, size in sizes.items():
        if size == "H":
            first = given[f"{name}_first"]
            return first.numel() // max(1, first.shape[0])
    return output
