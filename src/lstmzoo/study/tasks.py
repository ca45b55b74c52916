"""``lstmzoo study tasks``: what memory is worth in the three tasks, with equal data, steps and parameters."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from lstmzoo.config.compose import compose
from lstmzoo.config.options import described_options, parse_options
from lstmzoo.errors import LstmzooError, unknown_choice
from lstmzoo.io.atomic import write_json
from lstmzoo.io.progress import progress_bar
from lstmzoo.models.argument_checks import find_cell
from lstmzoo.nn import list_cells
from lstmzoo.runs import build
from lstmzoo.settings import settings_of
from lstmzoo.study.checks import check_keeping, check_lists, check_numbers, check_rates
from lstmzoo.study.done import SETTINGS, alone
from lstmzoo.study.pool import run_all
from lstmzoo.study.task_measures import conditions
from lstmzoo.study.task_plans import BASELINE, MEAN, MODELS, PLANS
from lstmzoo.study.task_report import Studied, markdown, write
from lstmzoo.study.task_runs import Job, Outcome, count_parameters, prepare_data, run_job

TUNING_SEED = 1000
"""Of the runs that choose a learning rate; no seed that counts."""

LONGEST = 1000
"""The largest distance: every clip or sentence has as many steps, and more."""


def study_tasks(
    task: str = "all",
    models: Sequence[str] = MODELS,
    seeds: int = 3,
    budget: int | None = None,
    distance: int | None = None,
    reset_every: int = 8,
    lrs: Sequence[float] | None = None,
    quick: bool = False,
    jobs: int | None = None,
    output: Path = Path("runs/study_tasks"),
) -> list[Studied]:
    """Train models that differ in their memory only, and measure what is left of each when it is disturbed.

    Args:
        task: recognition, captioning, segmentation, or all.
        models: memory-free, mean (over time; recognition only), and any of ``lstmzoo list cells``; options of the model
            behind an @, e.g. ``lstm@forget_bias=1.0``.
        seeds: runs of each model that count.
        budget: optimiser steps of each run; null: those of the task.
        distance: D: frames of the empty scene at the end of a clip, frames of the occlusion, or words between the last
            word and the description; null: that of the task.
        reset_every: steps after which the state is reset, in one of the conditions.
        lrs: learning rates, of which each model gets the one that is best on the validation split, with a seed of its
            own; a single one is taken as it is; null: those of the task.
        quick: a look at whether everything runs: few data, few steps, one seed, one learning rate.
        jobs: runs at a time, each on one thread; null: one per core.
        output: folder; a study that was interrupted goes on there.

    Returns:
        What was found of each task.

    Raises:
        LstmzooError: an option that makes no sense, or a folder with another study in it.
    """
    asked = _Asked(budget, distance, None if lrs is None else tuple(lrs), quick, reset_every, output)
    chosen = [*PLANS] if task == "all" else [task]
    _check(chosen, models, seeds, asked, jobs)
    with alone(output):
        return _run(chosen, models, seeds, asked, jobs)


def _run(chosen: Sequence[str], models: Sequence[str], seeds: int, asked: _Asked, jobs: int | None) -> list[Studied]:
    """Choose the learning rates, then train and measure what counts."""
    _claim(chosen, asked)
    for one in chosen:
        asked.labels[one] = prepare_data(asked.without_size(one, BASELINE))
    of_task = {one: [model for model in models if model != MEAN or MEAN in PLANS[one].without_memory] for one in chosen}
    pairs = [(one, model) for one in chosen for model in of_task[one]]
    tuning = [
        asked.job(one, model, TUNING_SEED, lr)
        for one, model in pairs
        for lr in asked.lrs(one)
        if len(asked.lrs(one)) > 1
    ]
    repeats = 1 if asked.quick else seeds
    with progress_bar("Studying", len(tuning) + repeats * len(pairs), "runs") as advance:

        def outcomes_of(work: Sequence[Job]) -> list[Outcome]:
            found = {}
            for job, outcome in run_all(run_job, work, jobs or os.cpu_count() or 1) if work else ():
                found[job] = outcome
                advance(1)
            return [found[job] for job in work]

        best = _best(tuning, outcomes_of(tuning))
        final = [
            asked.job(one, model, seed, best.get((one, model), asked.lrs(one)[0]))
            for seed in range(repeats)
            for one, model in pairs
        ]
        outcomes = outcomes_of(final)
    return [
        Studied(
            one,
            asked.distance_of(one),
            asked.steps(one),
            sorted(
                [(job, outcome) for job, outcome in zip(final, outcomes, strict=True) if job.task == one],
                key=lambda found: (of_task[one].index(found[0].model), found[0].seed),
            ),
        )
        for one in chosen
    ]


USAGE = f"""\
usage: lstmzoo study tasks [option=value ...]

{(study_tasks.__doc__ or "").partition(chr(10))[0]}

{described_options(settings_of(study_tasks))}
"""


def study(argv: Sequence[str]) -> None:
    """Run the study that the words after ``lstmzoo study tasks`` ask for; write and print what it found."""
    settings = settings_of(study_tasks)
    options = parse_options(argv, settings, "lstmzoo study tasks")
    if options.get("quick"):
        options.setdefault("output", Path("runs/study_tasks_quick"))
    output = options.get("output", settings["output"].default)
    try:
        studied = study_tasks(**options)
    except KeyboardInterrupt:
        print("What is done is kept; the same command goes on with it.")
        raise
    files = write(studied, output)
    print(markdown(studied))
    print(f"Written to {output}: {', '.join(files)}")


class _Asked:
    """The options that make one study, with the defaults of each task."""

    def __init__(
        self,
        budget: int | None,
        distance: int | None,
        lrs: tuple[float, ...] | None,
        quick: bool,
        reset_every: int,
        output: Path,
    ) -> None:
        self.budget, self.distance, self._lrs, self.quick = budget, distance, lrs, quick
        self.conditions, self.output = tuple(conditions(reset_every)), output
        self.labels: dict[str, Any] = {}
        self._sizes: dict[tuple[str, str], int] = {}

    def distance_of(self, task: str) -> int:
        if self.distance is not None:
            return self.distance
        return PLANS[task].distance // (4 if self.quick else 1)

    def steps(self, task: str) -> int:
        return self.budget or PLANS[task].steps[self.quick]

    def lrs(self, task: str) -> tuple[float, ...]:
        return self._lrs or (PLANS[task].lrs[:1] if self.quick else PLANS[task].lrs)

    def overrides(self, task: str, model: str) -> list[str]:
        plan = PLANS[task]
        common = self.without_size(task, model)
        size = [] if plan.hidden_size is None else [f"model.hidden_size={self.size(task, model)}"]
        return [*common, *size, *_TRAINER, f"trainer.max_steps={self.steps(task)}"]

    def size(self, task: str, model: str) -> int:
        """Units with which a model has as many parameters as the LSTM of the plan, as nearly as can be."""
        if (task, model) not in self._sizes:
            ours, theirs = (_counter(self.without_size(task, one), self.labels[task]) for one in ("lstm", model))
            near = PLANS[task].hidden_size or 1
            self._sizes[task, model] = _matching_size(theirs, ours(near), near)
        return self._sizes[task, model]

    def without_size(self, task: str, model: str) -> list[str]:
        return PLANS[task].overrides(task, model, self.distance_of(task), self.quick, self.output / "data")

    def job(self, task: str, model: str, seed: int, lr: float) -> Job:
        final = seed != TUNING_SEED
        baseline = model in PLANS[task].without_memory
        return Job(
            task,
            model,
            None if baseline else model.partition("@")[0],
            seed,
            lr,
            (*self.overrides(task, model), f"seed={seed}", f"task.lr={lr}"),
            self.output / task / model.replace(":", ".") / (f"seed_{seed}" if final else f"lr_{lr:g}"),
            "test" if final else "val",
            self.conditions if final else self.conditions[:1],
        )


_TRAINER = (
    *("trainer.accelerator=cpu", "trainer.max_epochs=-1", "trainer.limit_val_batches=0", "test_after_fit=false"),
    *("callbacks.patience=null", "callbacks.progress=none"),
)


def _best(jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> dict[tuple[str, str], float]:
    """The learning rate of each model with the highest score; of those that are equal, the first."""
    scores: dict[tuple[str, str], dict[float, float]] = {}
    for job, outcome in zip(jobs, outcomes, strict=True):
        items = outcome.items.get(job.conditions[0].name)
        score = -1.0 if items is None else sum(items) / len(items)  # it diverged
        scores.setdefault((job.task, job.model), {})[job.lr] = score
    return {key: max(found, key=lambda lr: found[lr]) for key, found in scores.items()}


def _counter(overrides: Sequence[str], labels: Any) -> Callable[[int], int]:
    """What counts the parameters of a model by its number of units."""
    config = compose("train", overrides)

    @cache
    def count(size: int) -> int:
        config.model.hidden_size = size
        with torch.random.fork_rng(devices=[]):
            return count_parameters(build.build_task(config, labels, announce=False).model)

    return count


def _matching_size(count: Callable[[int], int], wanted: int, near: int) -> int:
    """The size with which the number of parameters comes nearest, up to eight times another one."""
    low, high = 1, 8 * near
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if count(middle) < wanted else (low, middle)
    return min((max(low - 1, 1), low), key=lambda size: abs(count(size) - wanted))


def _check(tasks: Sequence[str], models: Sequence[str], seeds: int, asked: _Asked, jobs: int | None) -> None:
    for task in tasks:
        if task not in PLANS:
            raise LstmzooError(f"lstmzoo study tasks: {unknown_choice('task', task, [*PLANS, 'all'])}")
    check_lists(models=models, lrs=asked.lrs(tasks[0]))
    check_rates(asked.lrs(tasks[0]))
    every = asked.conditions[2].reset_every
    check_numbers(seeds=seeds, budget=asked.budget, distance=asked.distance, reset_every=every, jobs=jobs)
    if asked.distance is not None and asked.distance > LONGEST:
        raise LstmzooError(f"lstmzoo study tasks: distance={asked.distance} must be at most {LONGEST}")
    if tuple(models) == (MEAN,) and any(MEAN not in PLANS[task].without_memory for task in tasks):
        raise LstmzooError(f"lstmzoo study tasks: models={MEAN} alone is for task=recognition")
    for model in models:
        cell, *options = model.split("@")
        if ":" in cell:
            find_cell(cell)
        elif cell not in (known := [BASELINE, MEAN, *list_cells()]) or (options and cell in (BASELINE, MEAN)):
            raise LstmzooError(f"lstmzoo study tasks: {unknown_choice('model', model, known)}")
        elif options:
            check_keeping(model)
        for task in tasks if options else ():
            compose("train", asked.without_size(task, model))  # it knows the options, and complains of others


def _claim(tasks: Sequence[str], asked: _Asked) -> None:
    """Note what a study is made of, or refuse to mix it with another one."""
    path = asked.output / SETTINGS
    found: dict[str, Any] = {}
    if path.is_file():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            raise LstmzooError(f"{path} is broken; give another folder with output=FOLDER") from None
        if found.get("study") != "tasks":
            raise LstmzooError(f"{asked.output} holds another study; give another folder with output=FOLDER")
    found["study"] = "tasks"
    for task in tasks:
        mine = {"distance": asked.distance_of(task), "budget": asked.steps(task), "lrs": [*asked.lrs(task)]}
        mine |= {"quick": asked.quick}
        if task in found and found[task] != mine:
            different = [key for key in mine if found[task].get(key) != mine[key]]
            there, here = (", ".join(f"{key}={some.get(key)}" for key in different) for some in (found[task], mine))
            raise LstmzooError(
                f"{asked.output} holds a study of {task} with {there}, not {here}; give another folder with "
                "output=FOLDER"
            )
        found[task] = mine
    write_json(path, found)
