"""The arrays of a pass: which tensor holds what, and the addresses that the C code gets."""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lstmzoo.nn.engine.native.emit import DIMENSIONS, layout, matrices
from lstmzoo.nn.engine.native.kernel import Kernel
from lstmzoo.nn.engine.native.layout import Layout
from lstmzoo.nn.engine.native.passes import Array, Pass
from lstmzoo.nn.layer import Layer

Tensors = dict[str, Tensor]
PIECE = 8 * 2**20  # bytes; far larger blocks are slower: the allocator returns them to the system and gets them anew


@dataclass(frozen=True)
class Run:
    """One run of a kernel, apart from its tensors.

    Attributes:
        kernel: the kernel.
        names: what the tensors are, in order: streams, states (``h_first``), held inputs, vectors, matrices.
        bare: the layer without its tensors.
        layout: how images lie in memory, where the maps are convolutions.
    """

    kernel: Kernel
    names: tuple[str, ...]
    bare: Layer
    layout: Layout | None

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the states."""
        return tuple(self.kernel.program.sizes)

    @property
    def shown(self) -> tuple[str, ...]:
        """Names of the states whose values over time are handed out."""
        return self.states if self.bare.keep_states else self.states[:1]


class Memory:
    """The arrays of a pass in one run.

    Args:
        run: the run.
        given: its tensors.
        p: the pass.
    """

    def __init__(self, run: Run, given: Tensors, p: Pass) -> None:
        self.run, self.given, self.p = run, given, p
        self.x = given["input" if "input" in given else "x"]
        self.steps, self.batch = self.x.shape[:2]
        self.threads = max(1, min(torch.get_num_threads(), self.batch // 4))
        per_sequence = {
            size: given[f"{name}_first"].numel() // max(1, self.batch)
            for name, size in run.kernel.program.sizes.items()
        }
        output = per_sequence.get("P", per_sequence.get("H", 1))
        self.widths = {"P": output, "I": self.x.shape[2], "1": 1, "H": per_sequence.get("H", output)}
        self.tensors: Tensors = {}
        self.strides: dict[str, int] = {}
        self.before: Tensors = {}
        self.starts: dict[str, int] = {}  # of streams of which there is only a part at one time
        self.addresses: Any = None

    @functools.cached_property
    def piece(self) -> int:
        """Steps whose products W x, or the gradients of such, are in memory together."""
        if self.run.layout is None:
            return self.steps
        step = self.batch * self.widths["H"] * len(self.run.kernel.step.cell.gates) * self.x.element_size()
        return min(self.steps, max(1, PIECE // step))

    def put(self, name: str, tensor: Tensor, stride: int = 0, before: Tensor | None = None) -> None:
        """Say where an array lies, how far it is from step to step, and what precedes the first step."""
        self.tensors[name], self.strides[name] = tensor, stride
        if before is not None:
            self.before[name] = before

    def put_part(self, name: str, tensor: Tensor, start: int) -> None:
        """Say where the part of a stream lies that begins at some time; until the next call, no other is looked at."""
        self.put(name, tensor, tensor[0].numel())
        self.starts[name] = start
        if self.addresses is not None:
            self.addresses[self.index(name)] = self._address(name)

    def part(self, name: str, piece: slice) -> Tensor:
        """A stream in the steps of a piece."""
        return self.tensors[name] if name in self.starts else self.tensors[name][piece]

    def _address(self, name: str) -> int:
        """Where a stream would begin if all of it were there."""
        tensor, before = self.tensors[name], self.starts.get(name, 0) * self.strides[name]
        return tensor.data_ptr() - before * tensor.element_size()

    def stream(self, array: Array, over_time: bool = True) -> Tensor:
        """Memory for values of every step, or, if they need not be kept, of one."""
        tensor = self.new(array, self.steps if over_time else 1)
        self.put(array.name, tensor, tensor[0].numel() if over_time else 0)
        return tensor

    def new(self, array: Array, steps: int) -> Tensor:
        """Memory for the values of a stream in some number of steps."""
        return self.x.new_empty(steps, self.batch, array.blocks * self.widths[array.size])

    def gradient(self, array: Array) -> None:
        """Memory for a gradient that is handed out: one per step, or a sum that begins at 0."""
        if array.kind == "stream":
            self.stream(array)
        else:
            rows = self.threads if array.kind == "sum" else self.batch
            self.put(array.name, self.x.new_zeros(rows, array.blocks * self.widths[array.size]))

    def tables(self) -> tuple[Any, Any]:
        """Numbers and addresses as `lstmzoo.nn.engine.native.emit.emit` describes them."""
        count, arrays = len(self.p.arrays), layout(self.p)
        addresses, strides = [0] * (2 * count), [0] * count
        for k, array in enumerate(arrays):
            if array.name not in self.tensors:
                self._put_given(array)
            addresses[k], strides[k] = self._address(array.name), self.strides[array.name]
            if array.name in self.before:
                addresses[count + k] = self.before[array.name].data_ptr()
        if self.run.layout is None:
            addresses += [self._matrix(matrix, first) for matrix, first, _, _ in matrices(self.p)]
        w, to_c = self.widths, ctypes.c_void_p * len(addresses)
        settings = (self.steps, self.batch, w["H"], w["P"], w["I"], int(self.run.bare.reverse), self.threads)
        assert len(settings) == len(DIMENSIONS)
        self.addresses = to_c(*addresses)
        return (ctypes.c_long * (len(settings) + count))(*settings, *strides), self.addresses

    def _matrix(self, name: str, first: int) -> int:
        """Address of a matrix from some block on."""
        weight = self.given[name]
        call = next(call for call in self.p.calls if call.matrix == name)
        rows = first * self.widths[(call.of if call.transposed else call.out).size]
        return weight.data_ptr() + rows * weight.shape[1] * weight.element_size()

    def _put_given(self, array: Array) -> None:
        """An input, a number, or scratch memory."""
        if array.kind == "scalar":
            self.put(array.name, self.x.new_tensor([self.run.bare.scalars[array.name]]))
        elif array.name in self.given:
            tensor = self.given[array.name]
            self.put(array.name, tensor, tensor[0].numel() if array.kind == "stream" else 0)
        else:
            width = array.blocks * self.widths[array.size]
            self.put(array.name, self.x.new_empty(self.batch, width))

    def index(self, name: str) -> int:
        """Where the address of an array stands."""
        return [a.name for a in layout(self.p)].index(name)

    def at(self, array: Array, step: int) -> Tensor:
        """An array in one step, as images (B, channels, height, width)."""
        tensor, kept = self.tensors[array.name], self.strides[array.name] != 0
        reverse, done = self.run.bare.reverse, self.steps - 1 - step
        t = done if reverse else step
        if array.kind == "before":
            earlier = (t + 1 if reverse else t - 1) if kept else (step - 1) % 2
            tensor = tensor[earlier] if step else self.before[array.name]
        elif array.kind != "fixed":
            place = {"stream": t - self.starts.get(array.name, 0) if kept else 0, "after": t if kept else step % 2}
            tensor = tensor[place.get(array.kind, (done + (array.kind == "carried")) % 2)]
        assert self.run.layout is not None
        return self.run.layout.images(tensor.view(self.batch, -1))
