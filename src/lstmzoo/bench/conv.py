"""Cells with convolutions for maps against the loop that a user writes: one convolution of [x, h] per step."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lstmzoo import nn as zoo
from lstmzoo.bench.arguments import chosen, parsed
from lstmzoo.bench.cells import PlainLoop, inference, training
from lstmzoo.bench.peak_memory import peak_memory
from lstmzoo.bench.timing import interleaved

CELLS = ("lstm", "gru", "peephole_lstm")
FORM = "steps x batch x input channels x hidden channels x height x width x kernel"
SIZES = (
    "16x8x3x32x32x32x3",
    "20x4x16x16x16x16x5",
    "10x2x32x64x60x108x3",
)
FRAMES = 3  # channels: an input with more is taken for features, which have gradients


class CatLoop(torch.nn.Module):
    """The usual loop: in every step x and h are put together, convolved once, and the cell's equations follow."""

    def __init__(self, module: zoo.ConvRecurrent) -> None:
        super().__init__()
        self.module = module
        named = module.weights()[0].named
        self.weight = torch.nn.Parameter(torch.cat([named["weight_ih"], named["weight_hh"]], dim=1).detach())
        self.bias = torch.nn.Parameter((named["bias_ih"] + named["bias_hh"]).detach())

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        """(T, B, I, height, width) → (T, B, C, height, width) and the last state."""
        cell, p = self.module.cell, self.module.weights()[0].parameters()
        gates = cell.Gates(*cell.gates.values())
        s = cell.State(*(state[0] for state in self.module.initial_state(x, x.shape[1])))
        outputs = []
        for x_t in x:
            z = F.conv2d(torch.cat([x_t, s.h], dim=1), self.weight, self.bias, padding="same")
            s = cell.step(cell.Inputs(*z.chunk(len(cell.gates), dim=1)), s, gates, p)
            outputs.append(s.h)
        return torch.stack(outputs), s


def loop_of(module: zoo.ConvRecurrent) -> torch.nn.Module:
    """The loop one writes for a cell: a `CatLoop` if every gate sees W x + R h, else with two convolutions per step."""
    cell = module.cell
    apart = cell.manual_projection or cell.separate_terms or cell.deferred or cell.input_only or cell.below is not None
    return PlainLoop(module) if apart else CatLoop(module)


def bench_conv(
    cells: Sequence[str] = CELLS, sizes: Sequence[str] = SIZES, repeats: int = 7
) -> Iterator[dict[str, Any]]:
    """Cells with convolutions for maps, against the loop with a convolution per step.

    Args:
        cells: some of those that have a convolutional form.
        sizes: steps x batch x input channels x hidden channels x height x width x kernel; beyond 3 channels, the input
            has a gradient, too.
        repeats: measurements, of which the median counts.

    Yields:
        One row per cell and size: milliseconds of inference and of training (forward and backward), how many times
        longer the loop takes (above 1, ours is faster), and the peak of memory of a training step, in MB, of both.
    """
    convolutional = [name for name in zoo.list_cells() if zoo.get_cell(name).convolutional]
    cells, shapes = chosen(cells, convolutional, "cell"), {size: parsed(size, FORM) for size in sizes}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for size, shape in shapes.items():
            for cell in cells:
                yield {"cell": cell, "size": size, **_bench_cell(cell, shape, repeats)}
    finally:
        torch.set_num_threads(threads)


def _bench_cell(cell: str, shape: list[int], repeats: int) -> dict[str, Any]:
    steps, batch, channels, hidden, height, width, kernel = shape
    x = torch.randn(steps, batch, channels, height, width, requires_grad=channels > FRAMES)
    ours = zoo.ConvRecurrent(cell, channels, hidden, kernel)
    modules = {"ours": ours, "loop": loop_of(ours)}
    row: dict[str, Any] = {}
    for mode, make in (("inference", inference), ("training", training)):
        seconds = interleaved({name: make(module, x) for name, module in modules.items()}, repeats)
        row |= {f"{mode}_ms": 1000 * seconds["ours"], f"{mode}_vs_loop": seconds["loop"] / seconds["ours"]}
    for name, module in modules.items():
        module.zero_grad()  # what is freed inside must have been allocated inside
        x.grad = None
        row[f"peak_mb_{name}"] = peak_memory(training(module, x), x.device) / 1e6
    return row
