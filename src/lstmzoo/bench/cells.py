"""Cells against torch.nn: CPU time of inference and of a training step, on one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from lstmzoo import nn as zoo
from lstmzoo.bench.timing import interleaved

TORCH: dict[str, Callable[[int, int], torch.nn.Module]] = {
    "lstm": torch.nn.LSTM,
    "gru": torch.nn.GRU,
    "rnn_tanh": torch.nn.RNN,
    "rnn_relu": lambda i, h: torch.nn.RNN(i, h, nonlinearity="relu"),
}
SIZES = ("32x16x512x256", "64x16x256x256", "100x1x64x64", "256x32x128x128")  # TxBxIxH


def bench_cells(cells: list[str], sizes: list[str], repeats: int) -> Iterator[dict[str, Any]]:
    """Time cells as they run by default, on the reference engine, and torch's module of the same name.

    Args:
        cells: registered names.
        sizes: e.g. ``"32x16x512x256"``: steps × batch × input size × hidden size.
        repeats: repetitions that the medians are taken over.

    Yields:
        One row per cell and size: milliseconds of each rival, and ours' throughput relative to torch.nn.LSTM's or,
        where torch has the cell, to that cell's.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for size in sizes:
            for cell in cells:
                yield _bench_cell(cell, size, repeats)
    finally:
        torch.set_num_threads(threads)


def _bench_cell(cell: str, size: str, repeats: int) -> dict[str, Any]:
    steps, batch, features, hidden = (int(n) for n in size.split("x"))
    x = torch.randn(steps, batch, features)
    modules = {
        "ours": zoo.Recurrent(cell, features, hidden),
        "reference": zoo.Recurrent(cell, features, hidden, engine="reference"),
        "torch": TORCH.get(cell, torch.nn.LSTM)(features, hidden),
    }
    row: dict[str, Any] = {"cell": cell, "size": size}
    for mode, make in (("inference", _inference), ("training", _training)):
        seconds = interleaved({name: make(module, x) for name, module in modules.items()}, repeats)
        row |= {f"{mode}_{name}_ms": 1000 * s for name, s in seconds.items()}
        row[f"{mode}_ratio"] = seconds["torch"] / seconds["ours"]
    return row


def _inference(module: torch.nn.Module, x: torch.Tensor) -> Callable[[], object]:
    def run() -> object:
        with torch.inference_mode():
            return module(x)

    return run


def _training(module: torch.nn.Module, x: torch.Tensor) -> Callable[[], object]:
    def run() -> None:
        module.zero_grad()
        module(x)[0].sum().backward()

    return run
