"""The arrays of a pass: which tensor holds what, and the addresses that the C code gets."""

import ctypes
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from lstmzoo.nn.engines.native.emit import DIMENSIONS, matrices, ordered_arrays
from lstmzoo.nn.engines.native.image_rows import ImageRows
from lstmzoo.nn.engines.native.kernel import Kernel
from lstmzoo.nn.engines.native.passes import Array, Pass
from lstmzoo.nn.layer import Layer
from lstmzoo.nn.weights import Weights

Tensors = dict[str, Tensor]
PIECE = 8 * 2**20  # bytes; far larger blocks are slower: the allocator returns them to the system and asks for new ones


@dataclass(frozen=True)
class Run:
    """One run of a kernel, apart from its tensors.

    Attributes:
        kernel: the kernel.
        names: what the tensors are, in the order of `Layer.inputs`.
        shown: names of the states whose values over time are handed out.
        streams: names of the inputs that differ from step to step.
        per_sequence: names of the inputs that stay the same.
        weights: the layer's weights, without its tensors.
        scalars: numbers.
        reverse: whether it runs from the last step to the first.
        layout: how images lie in memory, for convolutional cells.
    """

    kernel: Kernel
    names: tuple[str, ...]
    shown: tuple[str, ...]
    streams: tuple[str, ...]
    per_sequence: tuple[str, ...]
    weights: Weights
    scalars: Mapping[str, float]
    reverse: bool
    layout: ImageRows | None

    def layer(self, given: Tensors) -> Layer:
        """The layer that was run, with these tensors."""
        first = tuple(f"{name}_first" for name in self.kernel.states)
        known = {*self.streams, *self.per_sequence, *first}
        return Layer(
            step=self.kernel.step,
            weights=type(self.weights)(
                self.weights.cell,
                self.weights.hidden_size,
                {name: tensor for name, tensor in given.items() if name not in known},
            ),
            streams={name: given[name] for name in self.streams},
            per_sequence={name: given[name] for name in self.per_sequence},
            scalars=self.scalars,
            state=tuple(given[name] for name in first),
            reverse=self.reverse,
            keep_states=self.shown == self.kernel.states,
        )


class Place(NamedTuple):
    """Where an array lies.

    Attributes:
        tensor: its memory.
        stride: numbers from step to step; 0: the same memory in all steps.
        before: what precedes the first step.
        start: of a stream of which there is only a part at one time, when that begins.
    """

    tensor: Tensor
    stride: int = 0
    before: Tensor | None = None
    start: int | None = None


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
        self.sums = run.kernel.library.sums(self.batch)
        sizes = {size: given[f"{name}_first"].shape[1] for name, size in run.kernel.program.sizes.items()}
        output = sizes.get("P", sizes.get("H", 1))
        self.widths = {"P": output, "I": self.x.shape[2], "1": 1, "H": sizes.get("H", output)}
        self.places: dict[str, Place] = {}
        self.addresses: Any = None

    @functools.cached_property
    def piece(self) -> int:
        """Steps whose products W x, or the gradients of such, are in memory together."""
        if self.run.layout is None:
            return self.steps
        step = self.batch * self.widths["H"] * len(self.run.kernel.step.cell.gates) * self.x.element_size()
        return min(self.steps, max(1, PIECE // step))

    def put_part(self, name: str, tensor: Tensor, start: int) -> None:
        """Say where the part of a stream lies that begins at some time; until the next call, no other is looked at."""
        self.put(name, Place(tensor, tensor[0].numel(), None, start))

    def put(self, name: str, place: Place) -> None:
        """Say where an array lies from now on."""
        self.places[name] = place
        if self.addresses is not None:
            self.addresses[self.index(name)] = self._address(place)

    def part(self, name: str, piece: slice) -> Tensor:
        """A stream in the steps of a piece."""
        place = self.places[name]
        return place.tensor[piece] if place.start is None else place.tensor

    def _address(self, place: Place) -> int:
        """Where a stream would begin if all of it were there."""
        return place.tensor.data_ptr() - (place.start or 0) * place.stride * place.tensor.element_size()

    def stream(self, array: Array, steps: int) -> Tensor:
        """Memory for the values of all steps, of some of them, or, if they need not be kept, of one."""
        tensor = self.x.new_empty(steps, self.batch, array.blocks * self.widths[array.size])
        self.places[array.name] = Place(tensor, tensor[0].numel() if steps > 1 else 0)
        return tensor

    def gradient(self, array: Array) -> None:
        """Memory for a gradient that is handed out: one per step, or a sum that begins at 0."""
        if array.kind == "stream":
            self.stream(array, self.steps)
        else:
            rows = self.sums if array.kind == "sum" else self.batch
            self.places[array.name] = Place(self.x.new_zeros(rows, array.blocks * self.widths[array.size]))

    def fill(self) -> None:
        """Find a place for every array that has none yet: a number, an input, or scratch memory."""
        for array in self.p.arrays.values():
            if array.name in self.places:
                continue
            if array.kind == "scalar":
                place = Place(self.x.new_full((1,), self.run.scalars[array.name]))
            elif array.name in self.given:
                tensor = self.given[array.name]
                place = Place(tensor, tensor[0].numel() if array.kind == "stream" else 0)
            else:
                place = Place(self.x.new_empty(self.batch, array.blocks * self.widths[array.size]))
            self.places[array.name] = place

    def tables(self) -> tuple[Any, Any]:
        """Numbers and addresses as `lstmzoo.nn.engines.native.emit.emit` describes them."""
        self.fill()
        given, widths = self.given, self.widths
        addresses, befores, strides = [], [], []
        for array in ordered_arrays(self.p):
            place = self.places[array.name]
            addresses.append(place.tensor.data_ptr() if place.start is None else self._address(place))
            befores.append(0 if place.before is None else place.before.data_ptr())
            strides.append(place.stride)
        addresses += befores
        for part in matrices(self.p) if self.run.layout is None else ():
            weight = given[part.name]
            row = weight.shape[1] * weight.element_size()
            addresses.append(weight.data_ptr() + part.first * widths[part.block_size] * row)
        w, reverse = widths, int(self.run.reverse)
        settings = (self.steps, self.batch, w["H"], w["P"], w["I"], reverse, self.sums)
        assert len(settings) == len(DIMENSIONS)
        self.addresses = (ctypes.c_void_p * len(addresses))(*addresses)
        return (ctypes.c_long * (len(settings) + len(strides)))(*settings, *strides), self.addresses

    def index(self, name: str) -> int:
        """Where the address of an array stands."""
        return [a.name for a in ordered_arrays(self.p)].index(name)

    def position(self, array: Array, step: int) -> tuple[Tensor, int | None]:
        """The tensor in which an array lies in one step, and its place along the first dimension; None: all of it."""
        place = self.places[array.name]
        reverse, done, kept = self.run.reverse, self.steps - 1 - step, place.stride != 0
        t = done if reverse else step
        if array.kind == "before":
            if not step and place.before is not None:
                return place.before, None
            return place.tensor, (t + 1 if reverse else t - 1) if kept else (step - 1) % 2
        if array.kind in ("fixed", "vector", "scalar", "sum"):
            return place.tensor, None
        at = {"stream": t - (place.start or 0) if kept else 0, "after": t if kept else step % 2}
        return place.tensor, at.get(array.kind, (done + (array.kind == "carried")) % 2)

    def rows(self, array: Array, step: int) -> Tensor:
        """An array in one step, (B, ·)."""
        tensor, at = self.position(array, step)
        return (tensor if at is None else tensor[at]).view(self.batch, -1)

    def images(self, array: Array, step: int) -> Tensor:
        """An array in one step, as images (B, channels, height, width)."""
        assert self.run.layout is not None
        return self.run.layout.images(self.rows(array, step))
