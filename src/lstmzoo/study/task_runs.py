"""The runs of a study: trained as by ``lstmzoo train``, then measured; several at a time, and none of them twice."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lstmzoo.config.compose import compose
from lstmzoo.errors import LstmzooError
from lstmzoo.io.atomic import make_folder, write_json
from lstmzoo.models import load
from lstmzoo.runs import build
from lstmzoo.runs.lock import has_checkpoint
from lstmzoo.runs.train import train
from lstmzoo.study.task_measures import Condition, measure
from lstmzoo.training.checkpoint_io import newest_checkpoint
from lstmzoo.training.ending import Diverged

RESULT = "study.json"


@dataclass(frozen=True)
class Job:
    """A run of a study.

    Attributes:
        task: registered name.
        model: as the study calls it: a cell, or a baseline.
        cell: the cell; None for a baseline.
        seed: of the run.
        lr: its learning rate.
        overrides: for ``lstmzoo train``.
        folder: the run folder.
        split: measured on.
        conditions: under which it is measured.
    """

    task: str
    model: str
    cell: str | None
    seed: int
    lr: float
    overrides: tuple[str, ...]
    folder: Path
    split: str
    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        parameters: of its model, see `count_parameters`.
        items: scores of the test items by condition; None where a condition does not apply to the cell.
        diverged: its numbers became infinite; then there are no scores.
    """

    parameters: int
    items: dict[str, list[float] | None]
    diverged: bool = False


def prepare_data(overrides: Sequence[str]) -> Any:
    """Make and decode the data of a configuration once, before several processes want them; returns their labels."""
    build.quiet()
    config = compose("train", overrides)
    build.absolute_paths(config)
    data = build.task_class(config).open_data(build.to_dict(config), simulate=True)
    data.check(test=True)
    data.prepare_data()
    data.setup("fit")
    data.setup("test")
    return data.labels


def count_parameters(model: torch.nn.Module) -> int:
    """Weights and biases of a model besides those of its image encoder, which all models of a task have alike."""
    return sum(one.numel() for name, one in model.named_parameters() if not name.startswith("encoder."))


def run_job(job: Job) -> tuple[Job, Outcome]:
    """Train and measure, as far as that has not been done before."""
    path = job.folder / RESULT
    if (outcome := _read(path)) and (outcome.diverged or {one.name for one in job.conditions} <= {*outcome.items}):
        return job, outcome
    make_folder(job.folder)
    with _into(job.folder / "log.txt"):
        try:
            outcome = _train_and_measure(job)
        except Diverged:
            outcome = Outcome(0, {}, diverged=True)
        except LstmzooError as error:
            raise LstmzooError(f"{job.folder}: {error}") from error
    write_json(path, vars(outcome))
    return job, outcome


def _train_and_measure(job: Job) -> Outcome:
    if not (job.folder / "metrics.json").is_file():
        resume = newest_checkpoint(job.folder) if has_checkpoint(job.folder) else None
        train(compose("train", job.overrides), job.folder.resolve(), resume)
    model: Any = load(job.folder / "checkpoints" / "last.ckpt")
    config = compose("train", job.overrides)
    build.absolute_paths(config)
    data = build.task_class(config).open_data(build.to_dict(config), split=job.split, model=model)
    data.setup("test")
    scores = {one.name: measure(job.task, model, data, job.cell, one) for one in job.conditions}
    items = {name: None if some is None else some.tolist() for name, some in scores.items()}
    return Outcome(count_parameters(model), items)


def _read(path: Path) -> Outcome | None:
    try:
        return Outcome(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


@contextmanager
def _into(path: Path) -> Iterator[None]:
    """Keep what a run prints in a file, so that only the study is seen on the terminal."""
    with open(path, "a", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
        yield
