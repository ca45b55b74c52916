"""``lstmzoo bench``: how fast things are, as ratios inside one run."""

import json
import platform
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from lstmzoo.config.options import described_options, parse_options
from lstmzoo.errors import LstmzooError, unknown_choice
from lstmzoo.io.atomic import write_atomically
from lstmzoo.settings import Setting, settings_of

JSON = Setting("json", Path, None, "write the numbers for machines to this file, too")

Rows = Iterable[dict[str, Any]]


def run(argv: Sequence[str]) -> None:
    """Run a benchmark and print its table."""
    if not argv or argv[0] == "help" or {"-h", "--help"} & set(argv):
        print(usage(), end="")
        return
    if argv[0] not in BENCHMARKS:
        raise LstmzooError(f"lstmzoo bench: {unknown_choice('benchmark', argv[0], BENCHMARKS)}")
    benchmark = BENCHMARKS[argv[0]]
    options = parse_options(argv[1:], settings_of(benchmark) | {"json": JSON}, f"lstmzoo bench {argv[0]}")
    target = options.pop("json", None)
    for name, value in options.items():
        if isinstance(value, int) and not isinstance(value, bool) and value < 1:
            raise LstmzooError(f"lstmzoo bench {argv[0]}: {name}={value} must be at least 1")
    rows = _measure(benchmark(**options))
    show = _show_cells if argv[0] == "cells" else _show
    show(rows, f"{argv[0]} on {_processor()}")
    if target is not None:
        import torch

        machine = {"processor": _processor(), "torch": torch.__version__}
        write_atomically(target, json.dumps({**machine, "rows": rows}, indent=2) + "\n")


def usage() -> str:
    """The help text, from the benchmarks' own declarations."""
    lines = ["usage: lstmzoo bench NAME [option=value ...]", ""]
    for name, benchmark in BENCHMARKS.items():
        about = (benchmark.__doc__ or "").partition("\n")[0]
        lines += [f"  {name:<10}{about}", described_options(settings_of(benchmark), indent=12), ""]
    return "\n".join([*lines, described_options({"json": JSON}), ""])


def cells(
    cells: Sequence[str] = (),
    sizes: Sequence[str] = (),
    repeats: int = 7,
    device: Literal["cpu", "cuda"] = "cpu",
    dtype: Literal["float32", "float64", "bfloat16", "float16"] = "float32",
    lengths: bool = False,
) -> Rows:
    """Cells, compiled and in other engines, against torch's own kernels where there are some.

    Args:
        cells: all if none are named.
        sizes: steps x batch x input x hidden, e.g. 32x16x512x256.
        repeats: measurements, of which the median counts.
        device: where.
        dtype: of the numbers.
        lengths: packed sequences of different lengths.
    """
    import torch

    from lstmzoo.bench.cells import SIZES, bench_cells
    from lstmzoo.nn import get_cell, list_cells

    if device == "cuda" and not torch.cuda.is_available():
        raise LstmzooError("device=cuda: torch finds no CUDA device here; use device=cpu")
    for cell in cells:
        try:
            get_cell(cell)
        except ValueError as error:
            raise LstmzooError(str(error)) from error
    chosen = _sizes(sizes, "steps x batch x input x hidden") or SIZES
    return bench_cells(list(cells or list_cells()), list(chosen), repeats, device, dtype, lengths)


def conv(cells: Sequence[str] = (), sizes: Sequence[str] = (), repeats: int = 7) -> Rows:
    """Cells with convolutions for maps, against the loop with a convolution per step.

    Args:
        cells: some of those that have a convolutional form.
        sizes: steps x batch x input channels x hidden channels x height x width x kernel, e.g. 16x8x3x32x32x32x3;
            beyond 3 channels, the input has a gradient, too.
        repeats: measurements, of which the median counts.
    """
    from lstmzoo.bench.conv import CELLS, SIZES, bench_conv
    from lstmzoo.nn import get_cell, list_cells

    convolutional = [name for name in list_cells() if get_cell(name).convolutional]
    form = "steps x batch x input channels x hidden channels x height x width x kernel"
    return bench_conv(_known(cells, convolutional, "cell") or list(CELLS), _sizes(sizes, form) or list(SIZES), repeats)


def captions(models: Sequence[str] = (), images: int = 32, words: int = 12, repeats: int = 3) -> Rows:
    """Captions per second, many images together against one by one.

    Args:
        models: captioners; all if none are named.
        images: images decoded together.
        words: length of every caption.
        repeats: measurements, of which the median counts.
    """
    from lstmzoo.bench.captions import bench_captions
    from lstmzoo.models import list_models

    known = list_models("caption_*")
    return bench_captions(_known(models, known) or known, images, words, repeats)


def data(root: Path = Path("data/kth_simulated"), videos: int = 40) -> Rows:
    """Frames per second: plain reading with OpenCV, into the frame cache, out of it.

    Args:
        root: folder of videos.
        videos: how many of them.
    """
    from lstmzoo.bench.data import bench_data
    from lstmzoo.io.video import VIDEO_SUFFIXES

    paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    if not paths:
        raise LstmzooError(f"there are no videos in {root}; make some: lstmzoo data simulate kth root={root}")
    step = max(1, len(paths) // videos)
    return bench_data(paths[::step][:videos])


def models(models: Sequence[str] = (), batch: int = 32, clip_len: int = 16, size: int = 64, repeats: int = 5) -> Rows:
    """Clips per second of inference and of training, of models for actions.

    Args:
        models: action models; all if none are named.
        batch: clips together.
        clip_len: frames per clip.
        size: height and width of the frames.
        repeats: measurements, of which the median counts.
    """
    from lstmzoo.bench.models import bench_models
    from lstmzoo.models import list_models

    known = list_models("action_*")
    return bench_models(_known(models, known) or known, batch, clip_len, size, repeats)


def stream(
    models: Sequence[str] = (),
    frames: int = 1000,
    encoder: str = "small",
    objects: int = 1,
    size: str = "480x854",
    network: str = "240x427",
) -> Rows:
    """A made-up video segmented frame by frame: frames per second, and the memory of the process meanwhile.

    Args:
        models: segmentation models; all if none are named.
        frames: length of the video.
        encoder: of the models.
        objects: followed by models that take a first mask.
        size: height x width of the video.
        network: height x width of what the model sees.
    """
    from lstmzoo.bench.stream import bench_stream
    from lstmzoo.models import list_models

    known = list_models("segment_*")
    height, width = _pair(size)
    return bench_stream(_known(models, known) or known, frames, (height, width), _pair(network), encoder, objects)


BENCHMARKS: dict[str, Callable[..., Rows]] = {
    function.__name__: function for function in (cells, conv, captions, data, models, stream)
}


EXAMPLES = {2: "480x854", 4: "32x16x512x256", 7: "16x8x3x32x32x32x3"}
"""A size of so many numbers."""


def _known(names: Sequence[str], known: Sequence[str], kind: str = "model") -> list[str]:
    for name in names:
        if name not in known:
            raise LstmzooError(unknown_choice(kind, name, known))
    return list(names)


def _sizes(sizes: Sequence[str], form: str) -> list[str]:
    for size in sizes:
        numbers = size.split("x")
        if len(numbers) != form.count(" x ") + 1 or not all(number.isdigit() and int(number) for number in numbers):
            raise LstmzooError(f"size {size!r}: it must be {form}, e.g. {EXAMPLES[form.count(' x ') + 1]}")
    return list(sizes)


def _pair(size: str) -> tuple[int, int]:
    height, width = _sizes([size], "height x width")[0].split("x")
    return int(height), int(width)


def _processor() -> str:
    """What the machine calls its processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


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
