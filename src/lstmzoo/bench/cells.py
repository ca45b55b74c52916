"""Cells against torch.nn.LSTM, against the loop one would write by hand, and against another package's cell."""

import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from lstmzoo import nn as zoo
from lstmzoo.bench.arguments import chosen, parsed
from lstmzoo.bench.peak_memory import peak_memory
from lstmzoo.bench.timing import interleaved
from lstmzoo.errors import LstmzooError
from lstmzoo.nn.layer import Step

FORM = "steps x batch x input x hidden"
SIZES = (
    "32x16x512x256",
    "64x16x256x256",
    "20x64x512x512",
    "100x1x64x64",
    "256x32x128x128",
    "100x8x256x1024",
)
TORCH: dict[str, Callable[[int, int], torch.nn.Module]] = {
    "gru": torch.nn.GRU,
    "rnn_tanh": torch.nn.RNN,
    "rnn_relu": lambda i, h: torch.nn.RNN(i, h, nonlinearity="relu"),
}
TORCHRECURRENT = {  # our names → those of the package torchrecurrent
    "indrnn": "IndRNN",
    "janet": "JANET",
    "lstm1997": "OriginalLSTM",
    "mgu": "MGU",
    "multiplicative_lstm": "MultiplicativeLSTM",
    "mut1": "MUT1",
    "mut2": "MUT2",
    "mut3": "MUT3",
    "peephole_lstm": "PeepholeLSTM",
}


class PlainLoop(torch.nn.Module):
    """The loop that a user writes around a cell's equations: two products and the step, step after step."""

    def __init__(self, module: zoo.Recurrent) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        """(T, B, I) → (T, B, H) and the last state."""
        module = self.module
        weights, step = module.weights()[0], Step(module.cell)
        s = module.cell.State(*(state[0] for state in module.initial_state(x, x.shape[1])))
        below = torch.zeros_like(s.h)
        outputs = []
        for x_t in x:
            s, _ = step(weights, {"x": x_t if module.cell.manual_projection else weights.input(x_t), "below": below}, s)
            outputs.append(s.h)
        return torch.stack(outputs), s


def bench_cells(
    cells: Sequence[str] = (),
    sizes: Sequence[str] = SIZES,
    repeats: int = 7,
    device: Literal["cpu", "cuda"] = "cpu",
    dtype: Literal["float32", "float64", "bfloat16", "float16"] = "float32",
    lengths: bool = False,
) -> Iterator[dict[str, Any]]:
    """Cells, compiled and in other engines, against torch's own kernels where there are some.

    Args:
        cells: all if none are named.
        sizes: steps x batch x input x hidden.
        repeats: measurements, of which the median counts.
        device: where.
        dtype: of the numbers.
        lengths: packed sequences of different lengths.

    Yields:
        One row per cell and size: milliseconds of ours, and for every rival its time relative to ours (above 1, ours is
        faster), of inference and of training (forward and backward); and the peak of memory of a training step, in MB,
        of ours and of torch.nn.LSTM.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise LstmzooError("device=cuda: torch finds no CUDA device here; use device=cpu")
    cells, shapes = chosen(cells, zoo.list_cells(), "cell"), {size: parsed(size, FORM) for size in sizes}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for size, shape in shapes.items():
            for cell in cells:
                row = _bench_cell(cell, shape, repeats, torch.device(device), getattr(torch, dtype), lengths)
                yield {"cell": cell, "size": size, **row}
    finally:
        torch.set_num_threads(threads)


def _bench_cell(
    cell: str, shape: list[int], repeats: int, device: torch.device, dtype: torch.dtype, lengths: bool
) -> dict[str, Any]:
    steps, batch, features, hidden = shape
    x: Any = torch.randn(steps, batch, features, device=device, dtype=dtype)
    rivals = _rivals(cell, features, hidden)
    if lengths:
        x = pack_padded_sequence(x, torch.linspace(steps, 1, batch).round().long())
        rivals = {name: rivals[name] for name in ("ours", "nn_lstm", "nn_same") if name in rivals}
    modules = {name: m.to(device, dtype) for name, m in rivals.items()}
    row: dict[str, Any] = {}
    for mode, make in (("inference", inference), ("training", training)):
        runs = {name: make(module, x) for name, module in modules.items()}
        if device.type == "cuda":
            seconds = interleaved({n: _until_done(run) for n, run in runs.items()}, repeats, time.perf_counter)
        else:
            seconds = interleaved(runs, repeats)
        row[f"{mode}_ms"] = 1000 * seconds["ours"]
        row |= {f"{mode}_vs_{name}": s / seconds["ours"] for name, s in seconds.items() if name != "ours"}
    for name in ("ours", "nn_lstm"):
        modules[name].zero_grad()  # what is freed inside must have been allocated inside
        row[f"peak_mb_{name}"] = peak_memory(training(modules[name], x), device) / 1e6
    return row


def _rivals(cell: str, features: int, hidden: int) -> dict[str, torch.nn.Module]:
    ours = zoo.Recurrent(cell, features, hidden)
    modules = {"ours": ours, "nn_lstm": torch.nn.LSTM(features, hidden), "loop": PlainLoop(ours)}
    if cell in TORCH:
        modules["nn_same"] = TORCH[cell](features, hidden)
    if cell in TORCHRECURRENT and importlib.util.find_spec("torchrecurrent"):
        modules["torchrecurrent"] = getattr(importlib.import_module("torchrecurrent"), TORCHRECURRENT[cell])(
            features, hidden
        )
    return modules


def geometric_means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Summarise rows of `bench_cells`.

    Returns:
        One row per cell: the geometric mean over sizes of every ratio, and the smallest one against torch.nn.LSTM.
    """
    summary = []
    for cell in dict.fromkeys(row["cell"] for row in rows):
        own = [row for row in rows if row["cell"] == cell]
        ratios = [k for k in own[0] if "_vs_" in k]
        means = {k: statistics.geometric_mean(row[k] for row in own) for k in ratios}
        least = {f"{mode}_least": min(row[f"{mode}_vs_nn_lstm"] for row in own) for mode in ("inference", "training")}
        summary.append({"cell": cell, **means, **least})
    return summary


def inference(module: torch.nn.Module, x: Any) -> Callable[[], object]:
    def run() -> object:
        with torch.inference_mode():
            return module(x)

    return run


def training(module: torch.nn.Module, x: Any) -> Callable[[], object]:
    def run() -> None:
        module.zero_grad()
        output = module(x)[0]
        (output.data if isinstance(output, PackedSequence) else output).sum().backward()

    return run


def _until_done(run: Callable[[], object]) -> Callable[[], object]:
    def timed() -> None:
        run()
        torch.cuda.synchronize()

    return timed
