"""``lstmzoo study truncation``: what truncated back-propagation through time cuts off."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lstmzoo.config.options import described_options, parse_options
from lstmzoo.io.atomic import csv_file, write_atomically
from lstmzoo.io.progress import progress_bar
from lstmzoo.settings import settings_of
from lstmzoo.study.checks import check_cells, check_lists, check_numbers, check_problems, check_rates
from lstmzoo.study.done import Done, alone
from lstmzoo.study.trial import Trial
from lstmzoo.viz.style import INK, bare, drawing, figure, save

COLUMNS = ("task", "cell", "distance", "window", "seed", "accuracy", "score", "parameters", "steps", "lr")


def study_truncation(
    task: str = "recall",
    cells: Sequence[str] = ("rnn_tanh", "gru", "lstm"),
    distances: Sequence[int] = (5, 10, 20, 40, 80),
    windows: Sequence[int] = (4, 8, 16, 32, 64, 128),
    seeds: int = 3,
    steps: int = 400,
    lr: float = 0.01,
    parameters: int = 6000,
    batch_size: int = 32,
    jobs: int | None = None,
    output: Path = Path("runs/study_truncation"),
) -> list[dict[str, Any]]:
    """Train cells with the gradient cut off after so many steps, on problems whose answer lies further back or not.

    The state is carried from window to window, the gradient is not.

    Args:
        task: a data set with a distance, see ``lstmzoo list data``.
        cells: any of ``lstmzoo list cells``, with options behind an @.
        distances: steps from what is to be remembered to the answer.
        windows: steps of truncated back-propagation through time.
        seeds: networks of each cell, distance and window.
        steps: most training steps.
        lr: learning rate of all of them.
        parameters: weights and biases of a network; as many units are taken as fit.
        batch_size: sequences per step.
        jobs: networks trained at a time, each on one thread; null: one per core.
        output: folder; a study that was interrupted goes on there.

    Returns:
        What came out of every trial; see `lstmzoo.study.trial.run`.

    Raises:
        LstmzooError: an option that makes no sense, or a folder with another study in it.
    """
    shared: dict[str, Any] = {"steps": steps, "batch_size": batch_size, "parameters": parameters}
    check_numbers(seeds=seeds, jobs=jobs, **shared)
    check_lists(cells=cells, distances=distances, windows=windows)
    check_numbers(windows=min(windows))
    check_rates([lr])
    check_problems([task], distances)
    check_cells(cells, [task], {**shared, "hidden_size": None})
    trials = [
        Trial(task, cell, distance, seed, lr, window=window, **shared)
        for distance in sorted(distances, reverse=True)
        for cell in cells
        for window in windows
        for seed in range(seeds)
    ]
    with alone(output), progress_bar("Studying", len(trials), "networks") as advance:
        done = Done(output, {"study": "truncation", **shared})
        done.complete(trials, jobs or os.cpu_count() or 1, advance)
    order = list(cells)
    found = [done.result(trial) for trial in trials]
    return sorted(found, key=lambda one: (order.index(one["cell"]), one["distance"], one["window"], one["seed"]))


USAGE = f"""\
usage: lstmzoo study truncation [option=value ...]

{(study_truncation.__doc__ or "").partition(chr(10))[0]}

{described_options(settings_of(study_truncation))}
"""


def study(argv: Sequence[str]) -> None:
    """Run the study that the words after ``lstmzoo study truncation`` ask for; write and print what it found."""
    settings = settings_of(study_truncation)
    options = parse_options(argv, settings, "lstmzoo study truncation")
    output = options.get("output", settings["output"].default)
    found = study_truncation(**options)
    files = write(found, output)
    print(markdown(found))
    print(f"Written to {output}: {', '.join(files)}")


def write(found: Sequence[Mapping[str, Any]], output: Path) -> list[str]:
    """Write the results of a study; return the names of the files."""
    rows = [{key: one[key] for key in COLUMNS} for one in found]
    write_atomically(output / "study.json", "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    with csv_file(output / "study.csv", COLUMNS) as write_row:
        for row in rows:
            write_row(row.values())
    write_atomically(output / "study.md", markdown(found))
    draw(found, output / "study.png")
    return ["study.json", "study.csv", "study.md", "study.png"]


def markdown(found: Sequence[Mapping[str, Any]]) -> str:
    """A table of mean scores per cell: a row per window, a column per distance."""
    parts = []
    for cell in dict.fromkeys(one["cell"] for one in found):
        windows, distances, means = _map(found, cell)
        lines = [["window", *(f"D = {D}" for D in distances)], ["---"] * (len(distances) + 1)]
        lines += [[str(w), *(f"{mean:.2f}" for mean in row)] for w, row in zip(windows, means, strict=True)]
        parts.append(f"`{cell}`\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")
    return "\n".join(parts)


def draw(found: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Draw a map per cell: window against distance; above the line the window holds all that is to be remembered."""
    cells = list(dict.fromkeys(one["cell"] for one in found))
    with drawing():
        made = figure(3.1 * len(cells) + 1.3, 3.6)
        panels = np.atleast_1d(made.subplots(1, len(cells), sharey=True))
        for axes, cell in zip(panels, cells, strict=True):
            windows, distances, means = _map(found, cell)
            image = axes.imshow(means, cmap="Blues", vmin=0, vmax=1, origin="lower", aspect="auto")
            for row, column in np.ndindex(*means.shape):
                colour = "white" if means[row, column] > 0.55 else INK
                axes.text(column, row, f"{means[row, column]:.2f}", ha="center", va="center", color=colour, fontsize=8)
            enough = [sum(window <= D for window in windows) - 0.5 for D in distances]
            axes.step(np.arange(-1, len(distances) + 1), [enough[0], *enough, enough[-1]], where="mid", color="#d55e00")
            axes.set(xlim=(-0.5, len(distances) - 0.5), ylim=(-0.5, len(windows) - 0.5), xlabel="distance D")
            axes.set_xticks(range(len(distances)), [str(D) for D in distances])
            axes.set_title(cell, loc="left", fontweight="bold")
            axes.tick_params(length=0)
            bare(axes, keep=())
        panels[0].set_yticks(range(len(windows)), [str(window) for window in windows])
        panels[0].set_ylabel("window, steps")
        made.colorbar(image, ax=list(panels), fraction=0.03, pad=0.02).set_label("score: 0 chance, 1 all right")
        return save(made, path)


def _map(found: Sequence[Mapping[str, Any]], cell: str) -> tuple[list[int], list[int], np.ndarray]:
    """Windows, distances, and the mean score of each pair, (windows, distances)."""
    ours = [one for one in found if one["cell"] == cell]
    windows, distances = (sorted({one[key] for one in ours}) for key in ("window", "distance"))
    means = [
        [np.mean([one["score"] for one in ours if (one["window"], one["distance"]) == (w, D)]) for D in distances]
        for w in windows
    ]
    return windows, distances, np.array(means)
