"""``lstmzoo study memory``: which cell remembers how far, with equal parameters, equal steps and its own best rate."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lstmzoo.config.options import described_options, parse_options
from lstmzoo.io.progress import progress_bar
from lstmzoo.nn import list_cells
from lstmzoo.settings import settings_of
from lstmzoo.study.checks import check_cells, check_lists, check_numbers, check_problems, check_rates
from lstmzoo.study.done import Done, alone
from lstmzoo.study.memory_report import markdown, write
from lstmzoo.study.trial import Trial

TUNING_SEEDS = (1000, 1001)
"""Of the trials that choose a learning rate; no seeds that count."""

QUICK: dict[str, Any] = {
    "cells": ("rnn_tanh", "gru", "lstm"),
    "distances": (5, 20, 60),
    "seeds": 3,
    "steps": 300,
    "lrs": (0.01,),
    "output": Path("runs/study_memory_quick"),
}
"""What `quick` takes where nothing else is said."""


def study_memory(
    task: Sequence[str] = ("recall",),
    cells: Sequence[str] = ("rnn_tanh", "gru", "lstm", "lstm@forget_bias=1.0", "lstm@forget_bias=null", "lstm1997"),
    distances: Sequence[int] = (10, 30, 100, 300),
    seeds: int = 5,
    steps: int = 500,
    lrs: Sequence[float] = (0.001, 0.003, 0.01),
    parameters: int = 6000,
    hidden_size: int | None = None,
    batch_size: int = 32,
    jobs: int | None = None,
    quick: bool = False,
    output: Path = Path("runs/study_memory"),
) -> list[dict[str, Any]]:
    """Train cells on problems whose answer lies ever further back.

    Args:
        task: data sets with a distance, see ``lstmzoo list data``: recall, adding, temporal_order, ...
        cells: any of ``lstmzoo list cells``, or all; options of the model behind an @, e.g. ``lstm@forget_bias=1.0``.
        distances: steps from what is to be remembered to the answer.
        seeds: networks of each cell at each distance.
        steps: most training steps; training ends when a problem is learnt.
        lrs: learning rates, of which every cell gets its best at every distance, with two seeds that do not count; a
            single one is taken as it is.
        parameters: weights and biases of a network; as many units are taken as fit.
        hidden_size: units, in place of `parameters`.
        batch_size: sequences per step.
        jobs: networks trained at a time, each on one thread; null: one per core.
        quick: a minute's look: fewer cells, distances, seeds and steps, one learning rate.
        output: folder; a study that was interrupted goes on there.

    Returns:
        The trials that count.

    Raises:
        LstmzooError: an option that makes no sense, or a folder with another study in it.
    """
    cells = list_cells() if list(cells) == ["all"] else cells
    shared: dict[str, Any] = {
        "steps": steps,
        "batch_size": batch_size,
        "parameters": parameters,
        "hidden_size": hidden_size,
    }
    check_numbers(seeds=seeds, jobs=jobs, **shared)
    check_lists(task=task, cells=cells, distances=distances, lrs=lrs)
    check_rates(lrs)
    check_problems(task, distances)
    check_cells(cells, task, shared)
    longest_first = sorted(distances, reverse=True)
    points = [(one, cell, distance) for distance in longest_first for one in task for cell in cells]

    def trials(point: tuple[str, str, int], chosen: Iterable[int], rates: Iterable[float]) -> list[Trial]:
        return [Trial(*point, seed, lr, **shared) for seed in chosen for lr in rates]

    tuning = [trial for point in points for trial in trials(point, TUNING_SEEDS, lrs)] if len(lrs) > 1 else []
    count = len(tuning) + seeds * len(points)
    with alone(output), progress_bar("Studying", count, "networks") as advance:
        done = Done(output, {"study": "memory", **shared})
        workers = jobs or os.cpu_count() or 1
        done.complete(tuning, workers, advance)
        counted = []
        for point in points:
            tried = [done.result(trial) for trial in trials(point, TUNING_SEEDS, lrs)] if tuning else []
            counted += trials(point, range(seeds), [_best_rate(tried) if tried else lrs[0]])
        done.complete(counted, workers, advance)
    order = {cell: place for place, cell in enumerate(cells)}
    found = [done.result(trial) for trial in counted]
    return sorted(found, key=lambda one: (task.index(one["task"]), order[one["cell"]], one["distance"], one["seed"]))


USAGE = f"""\
usage: lstmzoo study memory [option=value ...]

{(study_memory.__doc__ or "").partition(chr(10))[0]}

{described_options(settings_of(study_memory))}
"""


def study(argv: Sequence[str]) -> None:
    """Run the study that the words after ``lstmzoo study memory`` ask for; write and print what it found."""
    settings = settings_of(study_memory)
    options = parse_options(argv, settings, "lstmzoo study memory")
    if options.get("quick"):
        options = QUICK | options
    output = options.get("output", settings["output"].default)
    try:
        found = study_memory(**options)
    except KeyboardInterrupt:
        print("What is done is kept; the same command goes on with it.")
        raise
    files = write(found, output)
    print(markdown(found))
    print(f"Written to {output}: {', '.join(files)}")


def _best_rate(tried: Sequence[dict[str, Any]]) -> float:
    """The rate with the highest mean score; of equals, the one that took fewer steps."""
    rates = dict.fromkeys(one["lr"] for one in tried)

    def merit(lr: float) -> tuple[float, float]:
        ours = [one for one in tried if one["lr"] == lr]
        return round(sum(one["score"] for one in ours) / len(ours), 2), -sum(one["steps"] for one in ours)

    return max(rates, key=merit)
