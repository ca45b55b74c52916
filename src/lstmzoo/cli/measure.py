"""``lstmzoo bench``, ``study`` and ``compare``: things measured beside each other."""

import importlib
import json
import platform
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from lstmzoo.config.options import described_options, parse_options
from lstmzoo.errors import LstmzooError, unknown_choice
from lstmzoo.io.atomic import write_atomically
from lstmzoo.settings import Setting, settings_of

BENCHMARKS = ("cells", "conv", "captions", "data", "models", "stream")
"""Each is a module of `lstmzoo.bench`, with a function ``bench_NAME``."""

JSON = Setting("json", Path, None, "write the numbers for machines to this file, too")

STUDIES = {
    "memory": "how far back cells remember, with equal parameters and steps",
    "truncation": "what truncated back-propagation through time cuts off",
    "rules": "the four rules of the memory cell, in one figure",
    "tasks": "what memory is worth in the three tasks, and what is left of it when it is disturbed",
}

STUDY = """\
usage: lstmzoo study NAME [option=value ...]

{studies}

`lstmzoo study NAME --help` lists the options. A study that was interrupted goes on with the same command.

Examples
  lstmzoo study memory quick=true                      in about a minute
  lstmzoo study memory task=recall,temporal_order cells=rnn_tanh,gru,lstm distances=10,100,1000
  lstmzoo study tasks task=recognition
"""

COMPARE = """\
usage: lstmzoo compare RUN RUN ... [output=FOLDER]

One table of what differs between runs and what they reached, mean ± standard deviation over seeds, and their curves in
one figure: summary.csv, summary.md and summary.png in FOLDER (default: the working directory). A folder that is not a
run stands for all runs below it.

Example
  lstmzoo compare runs/kth_lstm runs/kth_framewise output=comparison
"""


def run_study(argv: Sequence[str]) -> None:
    """Run a study."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(STUDY.format(studies="\n".join(f"  {name:<12}{about}" for name, about in STUDIES.items())), end="")
        return
    if argv[0] not in STUDIES:
        raise LstmzooError(f"lstmzoo study: {unknown_choice('study', argv[0], STUDIES)}")
    module = importlib.import_module(f"lstmzoo.study.{argv[0]}")
    if {"-h", "--help", "help"} & {*argv[1:]}:
        print(module.USAGE, end="")
        return
    module.study(argv[1:])


def run_compare(argv: Sequence[str]) -> None:
    """Compare the runs that the arguments name."""
    if not argv or {"-h", "--help"} & set(argv):
        print(COMPARE, end="")
        return
    from lstmzoo.runs.compare import compare

    outputs = [word.removeprefix("output=") for word in argv if word.startswith("output=")]
    named = [Path(word).expanduser() for word in argv if not word.startswith("output=")]
    folders = [folder for place in named for folder in _runs_in(place)]
    if len(folders) < 2:
        raise LstmzooError(f"compare takes two runs or more, and found {len(folders)} in {', '.join(map(str, named))}")
    compare(folders, Path(outputs[-1]).expanduser() if outputs else Path())


def _runs_in(place: Path) -> list[Path]:
    if not place.is_dir():
        raise LstmzooError(f"{place} is not a folder: name run folders, or a folder of runs")
    if (place / "config.yaml").is_file():
        return [place]
    return sorted(file.parent for file in place.glob("**/config.yaml") if (file.parent / "metrics.json").is_file())


def run_bench(argv: Sequence[str]) -> None:
    """Run a benchmark and print its table."""
    if not argv or argv[0] == "help" or {"-h", "--help"} & set(argv):
        print(bench_usage(), end="")
        return
    if argv[0] not in BENCHMARKS:
        raise LstmzooError(f"lstmzoo bench: {unknown_choice('benchmark', argv[0], BENCHMARKS)}")
    benchmark = _benchmark(argv[0])
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


def bench_usage() -> str:
    """The help text, from the benchmarks' own declarations."""
    lines = ["usage: lstmzoo bench NAME [option=value ...]", ""]
    for name in BENCHMARKS:
        about = (_benchmark(name).__doc__ or "").partition("\n")[0]
        lines += [f"  {name:<10}{about}", described_options(settings_of(_benchmark(name)), indent=12), ""]
    return "\n".join([*lines, described_options({"json": JSON}), ""])


def _benchmark(name: str) -> Callable[..., Iterable[dict[str, Any]]]:
    return getattr(importlib.import_module(f"lstmzoo.bench.{name}"), f"bench_{name}")  # type: ignore[no-any-return]


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
