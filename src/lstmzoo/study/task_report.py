"""The outcome of `lstmzoo study tasks`: study.json, study.csv, study.md, study.png."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lstmzoo.io.atomic import csv_file, write_atomically
from lstmzoo.study.bootstrap import interval_over_items
from lstmzoo.study.task_figures import Bars, task_study
from lstmzoo.study.task_plans import PLANS
from lstmzoo.study.task_runs import Job, Outcome

COLUMNS = ("task", "model", "cell", "distance", "seed", "condition", "score", "parameters", "steps", "lr")


@dataclass(frozen=True)
class Summary:
    """A model under a condition.

    Attributes:
        mean: of the scores over seeds and test items.
        low: lower end of the 95 % interval.
        high: its upper end.
    """

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.mean:.1f} ({100 * self.low:.0f}–{100 * self.high:.0f})"


@dataclass(frozen=True)
class Studied:
    """What was found of a task.

    Attributes:
        task: registered name.
        distance: D.
        steps: optimiser steps of each run.
        runs: the runs that count, with their outcomes.
    """

    task: str
    distance: int
    steps: int
    runs: Sequence[tuple[Job, Outcome]]

    @property
    def models(self) -> list[str]:
        """The models, in the order of the study."""
        return [*dict.fromkeys(job.model for job, _ in self.runs)]

    @property
    def conditions(self) -> list[str]:
        """The conditions, the first of them unchanged."""
        return [one.name for one in self.runs[0][0].conditions]

    def summary(self, model: str, condition: str) -> Summary | None:
        """Mean and interval; None where the condition does not apply, or a run diverged."""
        scores = [outcome.items.get(condition) for job, outcome in self.runs if job.model == model]
        there = [one for one in scores if one is not None]
        if len(there) < len(scores):
            return None
        whole = np.array(there)
        return Summary(float(whole.mean()), *interval_over_items(whole))


def rows(studied: Sequence[Studied]) -> list[dict[str, Any]]:
    """A row for each run and condition; the score is null where it does not apply."""
    found = []
    for study in studied:
        for job, outcome in study.runs:
            for condition in study.conditions:
                items = outcome.items.get(condition)
                score = None if items is None else float(np.mean(items))
                values = (study.task, job.model, job.cell, study.distance, job.seed, condition, score)
                found.append(dict(zip(COLUMNS, (*values, outcome.parameters, study.steps, job.lr), strict=True)))
    return found


def markdown(studied: Sequence[Studied]) -> str:
    """A table for each task: models by conditions."""
    parts = []
    for study in studied:
        plan, seeds = PLANS[study.task], len({job.seed for job, _ in study.runs})
        chance = "" if plan.chance is None else f"; chance: {100 * plan.chance:.0f}"
        parts.append(
            f"**{study.task}**, D = {study.distance}: {plan.measure}{chance}. {study.steps} steps, "
            f"{seeds} seed{'s' * (seeds > 1)}; mean (95 % interval by bootstrap over seeds and test items).\n"
        )
        parts.append(f"| model | {' | '.join(study.conditions)} | parameters | lr |")
        parts.append("|" + "---|" * (len(study.conditions) + 3))
        for model in study.models:
            cells = [study.summary(model, condition) for condition in study.conditions]
            job, outcome = next(one for one in study.runs if one[0].model == model)
            diverged = any(found.diverged for one, found in study.runs if one.model == model)
            texts = ["diverged" if diverged else "–" if cell is None else str(cell) for cell in cells]
            parts.append(f"| {model} | {' | '.join(texts)} | {outcome.parameters:,} | {job.lr:g} |")
        parts.append("")
    return "\n".join(parts)


def write(studied: Sequence[Studied], output: Path) -> list[str]:
    """Write the files; returns their names."""
    found = rows(studied)
    write_atomically(output / "study.json", json.dumps(found, indent=1) + "\n")
    with csv_file(output / "study.csv", COLUMNS) as write_row:
        for row in found:
            write_row(["" if row[column] is None else row[column] for column in COLUMNS])
    write_atomically(output / "study.md", markdown(studied))
    panels = []
    for study in studied:
        scores = {
            condition: [
                None if one is None else (one.mean, one.low, one.high)
                for one in (study.summary(model, condition) for model in study.models)
            ]
            for condition in study.conditions
        }
        plan = PLANS[study.task]
        panels.append(Bars(f"{study.task}, D = {study.distance}", plan.measure, study.models, scores, plan.chance))
    task_study(panels, output / "study.png")
    return ["study.json", "study.csv", "study.md", "study.png"]
