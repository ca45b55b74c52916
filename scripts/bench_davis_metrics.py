"""How fast lstmzoo scores masks, against vos-benchmark: same masks, same number of processes, one run.

    python scripts/bench_davis_metrics.py ../shared/data/davis2016

The results that are scored are the true masks, shifted by a few pixels that depend on the frame alone, and written as
PNGs of the same kind in a temporary folder. Both programs get turns and read from the same disk cache; the times are
those of whole calls, processes started and files read. What they find must agree.

Needs ``pip install vos-benchmark``, which computes J and F of the same definition, without recall, decay or void.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from lstmzoo.segmentation.metrics import evaluate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="a data set in the layout of DAVIS")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="of either program (default: %(default)s)"
    )
    parser.add_argument("--repeats", type=int, default=3, help="turns of either program (default: %(default)s)")
    options = parser.parse_args()
    truth = options.root / "Annotations" / "480p"
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        frames = write_results(truth, results)
        programs: dict[str, Callable[[], tuple[float, float]]] = {
            "vos-benchmark": lambda: vos_benchmark(truth, results, options.processes),
            "lstmzoo": lambda: ours(options.root, results, options.processes),
        }
        times: dict[str, list[float]] = {name: [] for name in programs}
        found = {}
        for _ in range(options.repeats):
            for name, program in programs.items():
                begin = time.perf_counter()
                found[name] = program()
                times[name].append(time.perf_counter() - begin)
    for name, seconds in times.items():
        shown = ", ".join(f"{second:.2f}" for second in seconds)
        j, f = found[name]
        print(f"{name:<14} {shown} s; best {frames / min(seconds):.0f} frames/s; J {j:.6f} F {f:.6f}")
    difference = max(abs(a - b) for a, b in zip(*found.values(), strict=True))
    ratio = min(times["vos-benchmark"]) / min(times["lstmzoo"])
    print(f"{ratio:.2f} times as fast, {options.processes} processes, {frames} frames; they differ by {difference:.0e}")


def write_results(truth: Path, results: Path) -> int:
    """Write shifted masks; return how many of them will be scored: all but the first and the last of each sequence."""
    scored = 0
    for sequence in sorted(path for path in truth.iterdir() if path.is_dir()):
        (results / sequence.name).mkdir()
        files = sorted(sequence.glob("*.png"))
        scored += len(files) - 2
        for number, path in enumerate(files):
            with Image.open(path) as image:
                mask, palette = np.asarray(image), image.getpalette()
            shifted = Image.fromarray(np.roll(mask, (number % 7 - 3, number % 11 - 5), (0, 1)))
            if palette is not None:
                shifted.putpalette(palette)
            shifted.save(results / sequence.name / path.name)
    return scored


def ours(root: Path, results: Path, processes: int) -> tuple[float, float]:
    """Return the means of J and F."""
    summary = evaluate(results, root, split="all", workers=processes).summary()
    return summary["J-Mean"], summary["F-Mean"]


def vos_benchmark(truth: Path, results: Path, processes: int) -> tuple[float, float]:
    """Return the means of J and F."""
    from vos_benchmark.benchmark import benchmark

    silence = io.StringIO()
    with contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
        _, j, f, _ = benchmark([str(truth)], [str(results)], num_processes=processes)
    return j[0] / 100, f[0] / 100


if __name__ == "__main__":
    main()
