"""``lstmzoo bench``: ratios measured in one run, as a table and, if asked for, JSON."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from lstmzoo.cli.options import flag, names, parse_options
from lstmzoo.errors import LstmzooError, unknown_choice

USAGE = """\
usage: lstmzoo bench captions|cells|conv|data|models|stream [option=value ...]

  captions captions per second, greedy and with three beams, of many pictures together and one by one, from features
           that are there already (49 x 1280 a picture, 2,540 words)
             models=nic,...    pictures=32    words=12 (of every caption)    repeats=3
  cells    a cell as it runs by default against torch.nn.LSTM, torch's module of the same name (nn same), the loop one
           would write by hand, and torchrecurrent's cell where that package is installed: milliseconds of inference and
           of a training step (CPU time of one thread; with device=cuda the time until it is done), how many times
           longer each rival takes (above 1, ours is faster), and the peak of memory of a training step in MB
             cells=lstm,gru    sizes=32x16x512x256,... (steps x batch x input x hidden)    repeats=7
             device=cpu        dtype=float32    lengths=false (true: packed sequences of different lengths)
  conv     a cell with convolutions for maps against the loop with a convolution per step, in the same terms
             cells=lstm,gru,...    repeats=7    sizes=16x8x3x32x32x32x3,... (steps x batch x input channels x hidden
             channels x height x width x kernel; beyond 3 channels, the input has a gradient, too)
  data     frames per second: plain reading with OpenCV, into the frame cache, out of it
             root=data/kth_simulated    videos=40
  models   clips per second of inference and of training, of networks for actions
             models=action_rnn,...    batch=32    clip_len=16    size=64    repeats=5
  stream   a made-up video segmented frame by frame: frames per second, and the memory of the process meanwhile
             models=segment_recurrent,...    frames=1000    encoder=small    objects=1 (of models that are guided)
             size=480x854    network=240x427 (height x width of the video, and of what the network sees)

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
    rows = _measure(benchmark(**options))
    show = _show_cells if argv[0] == "cells" else _show
    show(rows, f"{argv[0]} on {_processor()}")
    if target is not None:
        import torch

        machine = {"processor": _processor(), "torch": torch.__version__}
        target.write_text(json.dumps({**machine, "rows": rows}, indent=2) + "\n", encoding="utf-8")


def _processor() -> str:
    """What the machine calls its processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _cells(
    cells: Sequence[str] = (),
    sizes: Sequence[str] = (),
    repeats: int = 7,
    device: str = "cpu",
    dtype: str = "float32",
    lengths: bool = False,
) -> Iterable[dict[str, Any]]:
    from lstmzoo.bench.cells import SIZES, bench_cells
    from lstmzoo.nn import get_cell, list_cells

    for cell in cells:
        try:
            get_cell(cell)
        except ValueError as error:
            raise LstmzooError(str(error)) from error
    return bench_cells(list(cells or list_cells()), list(sizes or SIZES), repeats, device, dtype, lengths)


def _conv(cells: Sequence[str] = (), sizes: Sequence[str] = (), repeats: int = 7) -> Iterable[dict[str, Any]]:
    from lstmzoo.bench.conv import CELLS, SIZES, bench_conv
    from lstmzoo.nn import get_cell, list_cells

    convolutional = [name for name in list_cells() if get_cell(name).convolutional]
    for cell in cells:
        if cell not in convolutional:
            raise LstmzooError(unknown_choice("cell", cell, convolutional))
    return bench_conv(list(cells or CELLS), list(sizes or SIZES), repeats)


def _captions(
    models: Sequence[str] = (), pictures: int = 32, words: int = 12, repeats: int = 3
) -> Iterable[dict[str, Any]]:
    from lstmzoo.bench.captions import CAPTIONERS, bench_captions

    return bench_captions(_known(models, CAPTIONERS), pictures, words, repeats)


def _known(models: Sequence[str], known: Sequence[str]) -> list[str]:
    """The models that are asked for, or all that can be had."""
    for model in models:
        if model not in known:
            raise LstmzooError(unknown_choice("model", model, known))
    return list(models or known)


def _data(root: Path = Path("data/kth_simulated"), videos: int = 40) -> Iterable[dict[str, Any]]:
    from lstmzoo.bench.data import bench_data
    from lstmzoo.io.video import VIDEO_SUFFIXES

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

    known = _known(models, list_models("action_*"))
    return bench_models(known, batch, clip_len, size, repeats)


def _stream(
    models: Sequence[str] = (),
    frames: int = 1000,
    encoder: str = "small",
    objects: int = 1,
    size: tuple[int, int] = (480, 854),
    network: tuple[int, int] = (240, 427),
) -> Iterable[dict[str, Any]]:
    from lstmzoo.bench.stream import bench_stream
    from lstmzoo.models import list_models
    from lstmzoo.models.encoders import create_pyramid

    chosen = _known(models, list_models("segment_*"))
    create_pyramid(encoder)  # an unknown name shows before anything is measured
    return bench_stream(chosen, frames, size, network, encoder, objects)


def _size(text: str, form: str, example: str) -> str:
    numbers = text.split("x")
    if len(numbers) != form.count(" x ") + 1 or not all(number.isdigit() and int(number) for number in numbers):
        raise ValueError(f"a size is {form}, e.g. {example}")
    return text


def _count(text: str) -> int:
    if int(text) < 1:
        raise ValueError("it must be at least 1")
    return int(text)


def _device(text: str) -> str:
    import torch

    if text not in ("cpu", "cuda"):
        raise ValueError(unknown_choice("device", text, ["cpu", "cuda"]))
    if text == "cuda" and not torch.cuda.is_available():
        raise ValueError("torch finds no CUDA device here; use device=cpu")
    return text


def _dtype(text: str) -> str:
    choices = ["float32", "float64", "bfloat16", "float16"]
    if text not in choices:
        raise ValueError(unknown_choice("dtype", text, choices))
    return text


def _frame_size(text: str) -> tuple[int, int]:
    height, width = _size(text, "height x width", "480x854").split("x")
    return int(height), int(width)


def _sizes(text: str) -> list[str]:
    return [_size(size, "steps x batch x input x hidden", "32x16x512x256") for size in names(text)]


def _conv_sizes(text: str) -> list[str]:
    form = "steps x batch x input channels x hidden channels x height x width x kernel"
    return [_size(size, form, "16x8x3x32x32x32x3") for size in names(text)]


def _measure(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Collect rows, and say on the terminal how many there are so far."""
    from lstmzoo.io.terminal import PlainConsole

    found: list[dict[str, Any]] = []
    with PlainConsole(stderr=True).status("measuring ...") as status:
        for row in rows:
            found.append(row)
            status.update(f"measuring ... {len(found)} done, the last: {next(iter(row.values()))}")
    return found


def _show(rows: list[dict[str, Any]], title: str) -> None:
    """Print rows as a table."""
    from rich.table import Table

    from lstmzoo.io.terminal import PlainConsole

    columns = list(dict.fromkeys(column for row in rows for column in row))
    table = Table(title=title, title_justify="left")
    for column in columns:
        numeric = all(not isinstance(row.get(column), str) for row in rows)
        table.add_column(column.replace("_", " "), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(_cell(row.get(column, "")) for column in columns))
    PlainConsole().print(table)


def _show_cells(rows: list[dict[str, Any]], title: str) -> None:
    """Print what was measured of cells: a table for inference, one for training, and means over the sizes."""
    from lstmzoo.bench.cells import geometric_means

    for mode in ("inference", "training"):
        kept = ("cell", "size", f"{mode}_", *(("peak_mb",) if mode == "training" else ()))
        narrow = [{k.removeprefix(f"{mode}_"): v for k, v in row.items() if k.startswith(kept)} for row in rows]
        _show(narrow, f"{mode}: {title}")
    if len({row["size"] for row in rows}) > 1:
        for mode in ("inference", "training"):
            means = geometric_means(rows)
            _show(
                [
                    {k.removeprefix(f"{mode}_"): v for k, v in row.items() if k.startswith(("cell", mode))}
                    for row in means
                ],
                f"{mode}: geometric means over the sizes",
            )


def _cell(value: object) -> str:
    """A number as people read it."""
    if isinstance(value, float):
        return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


BENCHMARKS: dict[str, tuple[Callable[..., Iterable[dict[str, Any]]], dict[str, Callable[[str], object]]]] = {
    "captions": (_captions, {"models": names, "pictures": _count, "words": _count, "repeats": _count}),
    "cells": (
        _cells,
        {
            "cells": names,
            "sizes": _sizes,
            "repeats": _count,
            "device": _device,
            "dtype": _dtype,
            "lengths": flag,
        },
    ),
    "conv": (_conv, {"cells": names, "sizes": _conv_sizes, "repeats": _count}),
    "data": (_data, {"root": Path, "videos": int}),
    "models": (_models, {"models": names, "batch": int, "clip_len": int, "size": int, "repeats": _count}),
    "stream": (
        _stream,
        {
            "models": names,
            "frames": _count,
            "encoder": str,
            "objects": _count,
            "size": _frame_size,
            "network": _frame_size,
        },
    ),
}
