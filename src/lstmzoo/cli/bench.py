"""``lstmzoo bench cells | data | models``: ratios measured in one run, as a table and, if asked for, JSON."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from lstmzoo.cli.options import names, parse_options
from lstmzoo.errors import LstmzooError, unknown_choice

USAGE = """\
usage: lstmzoo bench cells|data|models [option=value ...]

  cells    milliseconds of CPU time (one thread) of inference and of a training step: ours (the engine chosen by
           default), the reference loop, and torch's module (torch.nn.LSTM where torch has no such cell); the ratio is
           ours' throughput relative to torch's
             cells=lstm,gru    sizes=32x16x512x256,... (steps x batch x input x hidden)    repeats=7
  data     frames per second: plain reading with OpenCV, into the frame cache, out of it
             root=data/kth_simulated    videos=40
  models   clips per second of inference and of training
             models=action_rnn,...    batch=32    clip_len=16    size=64    repeats=5

  json=FILE    write the numbers for machines, too
"""


def run(argv: list[str]) -> None:
    """Run a benchmark and print its table."""
    if not argv or argv[0] == "help" or {"-h", "--help"} & set(argv):
        print(USAGE, end="")
        return
    if argv[0] not in BENCHMARKS:
        raise LstmzooError(f"lstmzoo bench: {unknown_choice('benchmark', argv[0], BENCHMARKS)}")
    benchmark, kinds = BENCHMARKS[argv[0]]
    options = parse_options(argv[1:], {**kinds, "json": Path}, f"lstmzoo bench {argv[0]}")
    target = options.pop("json", None)
    rows = _show(benchmark(**options), f"{argv[0]} on {platform.processor() or platform.machine()}")
    if target is not None:
        import torch

        machine = {"processor": platform.processor() or platform.machine(), "torch": torch.__version__}
        target.write_text(json.dumps({**machine, "rows": rows}, indent=2) + "\n", encoding="utf-8")


def _cells(cells: Sequence[str] = (), sizes: Sequence[str] = (), repeats: int = 7) -> Iterable[dict[str, Any]]:
    from lstmzoo.bench.cells import SIZES, bench_cells
    from lstmzoo.nn import list_cells

    for cell in cells:
        if cell not in list_cells():
            raise LstmzooError(unknown_choice("cell", cell, list_cells()))
    return bench_cells(list(cells or list_cells()), list(sizes or SIZES), repeats)


def _data(root: Path = Path("data/kth_simulated"), videos: int = 40) -> Iterable[dict[str, Any]]:
    from lstmzoo.bench.data import bench_data
    from lstmzoo.data.video import VIDEO_SUFFIXES

    paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    if not paths:
        raise LstmzooError(f"there are no videos in {root}; make some: lstmzoo data simulate kth root={root}")
    step = max(1, len(paths) // videos)
    return bench_data(paths[::step][:videos])


def _models(
    models: Sequence[str] = (), batch: int = 32, clip_len: int = 16, size: int = 64, repeats: int = 5
) -> Iterable[dict[str, Any]]:
    from lstmzoo.bench.models import bench_models
    from lstmzoo.models import list_models

    for model in models:
        if model not in list_models():
            raise LstmzooError(unknown_choice("model", model, list_models()))
    return bench_models(list(models or list_models()), batch, clip_len, size, repeats)


def _size(text: str) -> str:
    numbers = text.split("x")
    if len(numbers) != 4 or not all(number.isdigit() and int(number) for number in numbers):
        raise ValueError("a size is steps x batch x input x hidden, e.g. 32x16x512x256")
    return text


def _sizes(text: str) -> list[str]:
    return [_size(size) for size in names(text)]


def _show(rows: Iterable[dict[str, Any]], title: str) -> list[dict[str, Any]]:
    """Print rows as a table, and return them."""
    from rich.console import Console
    from rich.table import Table

    found = []
    console = Console()
    with console.status("measuring ..."):
        for row in rows:
            found.append(row)
    table = Table(title=title, title_justify="left")
    for column in found[0]:
        numeric = not isinstance(found[0][column], str)
        table.add_column(column.replace("_", " "), justify="right" if numeric else "left")
    for row in found:
        table.add_row(*map(_cell, row.values()))
    console.print(table)
    return found


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


BENCHMARKS: dict[str, tuple[Callable[..., Iterable[dict[str, Any]]], dict[str, Callable[[str], object]]]] = {
    "cells": (_cells, {"cells": names, "sizes": _sizes, "repeats": int}),
    "data": (_data, {"root": Path, "videos": int}),
    "models": (_models, {"models": names, "batch": int, "clip_len": int, "size": int, "repeats": int}),
}
