"""The arrays of a pass: which tensor holds what, and the addresses that the C code gets."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lstmzoo.nn.engine.native.emit import DIMENSIONS, layout, matrices
from lstmzoo.nn.engine.native.kernel import Kernel
from lstmzoo.nn.engine.native.passes import Array, Pass
from lstmzoo.nn.layer import Layer

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Run:
    """One run of a kernel, apart from its tensors.

    Attributes:
        kernel: the kernel.
        names: what the tensors are, in order: streams, states (``h_first``), held inputs, vectors, matrices.
        bare: the layer without its tensors.
        image: height and width, where the maps are convolutions; else ().
    """

    kernel: Kernel
    names: tuple[str, ...]
    bare: Layer
    image: tuple[int, ...]

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
        self.steps, self.batch = given["x"].shape[:2]
        self.threads = max(1, min(torch.get_num_threads(), self.batch // 4))
        per_sequence = {
            size: given[f"{name}_first"].numel() // max(1, self.batch)
            for name, size in run.kernel.program.sizes.items()
        }
        output = per_sequence.get("P", per_sequence.get("H", 1))
        inputs = given["x"].numel() // max(1, self.steps * self.batch)
        self.widths = {"P": output, "I": inputs, "1": 1, "H": per_sequence.get("H", output)}
        self.tensors: Tensors = {}
        self.strides: dict[str, int] = {}
        self.before: Tensors = {}

    def put(self, name: str, tensor: Tensor, stride: int = 0, before: Tensor | None = None) -> None:
        """Say where an array lies, how far it is from step to step, and what precedes the first step."""
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

    def tables(self) -> tuple[Any, Any]:
        """Numbers and addresses as `lstmzoo.nn.engine.native.emit.emit` describes them."""
        count, arrays = len(self.p.arrays), layout(self.p)
        addresses, strides = [0] * (2 * count), [0] * count
        for k, array in enumerate(arrays):
            if array.name not in self.tensors:
                self._put_given(array)
            addresses[k], strides[k] = self.tensors[array.name].data_ptr(), self.strides[array.name]
            if array.name in self.before:
                addresses[count + k] = self.before[array.name].data_ptr()
        if not self.run.image:
            addresses += [self._matrix(matrix, first) for matrix, first, _, _ in matrices(self.p)]
        w = self.widths
        settings = (self.steps, self.batch, w["H"], w["P"], w["I"], int(self.run.bare.reverse), self.threads)
        assert len(settings) == len(DIMENSIONS)
        return (ctypes.c_long * (len(settings) + count))(*settings, *strides), (ctypes.c_void_p * len(addresses))(
            *addresses
        )

    def _matrix(self, name: str, first: int) -> int:
        """Address of a matrix from some block on."""
        weight = self.given[name]
        call = next(call for call in self.p.calls if call.matrix == name)
        rows = first * self.widths[(call.of if call.transposed else call.out).size]
        return weight.data_ptr() + rows * weight.shape[1] * weight.element_size()

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

    def index(self, array: Array) -> int:
        """Where the address of an array stands."""
        return [a.name for a in layout(self.p)].index(array.name)

    def at(self, array: Array, step: int) -> Tensor:
        """An array in one step, as images (B, channels, height, width)."""
        tensor, kept = self.tensors[array.name], self.strides[array.name] != 0
        reverse, done = self.run.bare.reverse, self.steps - 1 - step
        t = done if reverse else step
        if array.kind == "before":
            earlier = (t + 1 if reverse else t - 1) if kept else (step - 1) % 2
            tensor = tensor[earlier] if step else self.before[array.name]
        elif array.kind != "fixed":
            place = {"stream": t if kept else 0, "after": t if kept else step % 2}
            tensor = tensor[place.get(array.kind, (done + (array.kind == "carried")) % 2)]
        return tensor.view(self.batch, -1, *self.run.image)
