"""One network of a study: built to a budget of parameters, trained for so many steps, measured on fresh sequences."""

from __future__ import annotations

import math
import time
import zlib
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor, nn

from lstmzoo.config.options import parse_options
from lstmzoo.errors import LstmzooError
from lstmzoo.models import create_model
from lstmzoo.nn import init
from lstmzoo.registry import datasets, models
from lstmzoo.sequences.data.sequence_dataset import SequenceDataset
from lstmzoo.settings import settings_of
from lstmzoo.study.look import forgetting, gradient_by_distance

CLIP = 1.0
"""Largest norm of the gradient."""

CHECK_EVERY, SOLVED, VALIDATION, TEST = 20, 0.99, 256, 512
"""Steps between two looks at the validation sequences; the score from which on a problem counts as learnt, and training
ends; how many sequences there are to look at, and to measure with."""

LARGEST_HIDDEN_SIZE = 4096


@dataclass(frozen=True)
class Trial:
    """What is trained on what.

    Attributes:
        task: a data set with a distance.
        cell: a cell, with options of `sequence_rnn` after it, each behind an @: ``lstm@forget_bias=1.0``.
        distance: D, in steps.
        seed: of the weights and of the training sequences; cells of one seed see the same sequences.
        lr: learning rate of Adam.
        steps: most training steps.
        batch_size: sequences per step.
        parameters: weights and biases that the model may have; used where `hidden_size` is None.
        hidden_size: units.
        window: steps of truncated back-propagation through time; None for all steps.
    """

    task: str
    cell: str
    distance: int
    seed: int
    lr: float
    steps: int
    batch_size: int = 32
    parameters: int = 6000
    hidden_size: int | None = None
    window: int | None = None


@dataclass
class Fit:
    """A trained network.

    Attributes:
        model: the network.
        data: the problem.
        steps: how many steps it was trained for.
        before: gradient by distance of the untrained network; see `gradient_by_distance`.
    """

    model: nn.Module
    data: SequenceDataset
    steps: int
    before: list[tuple[int, float]] = field(default_factory=list)


def cell_options(name: str) -> tuple[str, dict[str, Any]]:
    """Take ``lstm@forget_bias=1.0@num_layers=2`` apart.

    Returns:
        The cell, and options of `sequence_rnn`.

    Raises:
        LstmzooError: an option without a value, or one that there is not.
    """
    cell, *words = name.split("@")
    given = ("input_size", "num_classes", "target_steps", "cell", "hidden_size")
    settings = settings_of(models.get("sequence_rnn").target, given)
    return cell, parse_options(words, settings, f"the cell {name}")


def open_problem(task: str, distance: int, seed: int = 0, split: str = "train") -> SequenceDataset:
    """Open a data set with a distance."""
    return datasets.get(task).target(split, distance=distance, seed=seed)  # type: ignore[no-any-return]


def build(data: SequenceDataset, cell: str, hidden_size: int) -> nn.Module:
    """Build the network for a problem, its gates initialised for the length of the sequences."""
    name, options = cell_options(cell)
    model = create_model(
        "sequence_rnn",
        input_size=data.input_size,
        num_classes=data.num_classes or 1,
        target_steps=data.target_steps,
        cell=name,
        hidden_size=hidden_size,
        **options,
    )
    init.fit_length_(model, data.num_steps)
    return model


def count_parameters(model: nn.Module) -> int:
    """How many weights and biases are trained."""
    return sum(parameter.numel() for parameter in model.parameters())


def hidden_size_for(data: SequenceDataset, cell: str, parameters: int) -> int:
    """The most units with which the network has no more than so many weights and biases.

    Raises:
        LstmzooError: one unit has more already.
    """
    low, high = 0, LARGEST_HIDDEN_SIZE
    while high - low > 1:  # low fits, high does not
        middle = (low + high) // 2
        with torch.device("meta"):
            fits = count_parameters(build(data, cell, middle)) <= parameters
        low, high = (middle, high) if fits else (low, middle)
    if low == 0:
        raise LstmzooError(f"parameters={parameters} is too few for the cell {cell}; take more")
    return low


def train(trial: Trial) -> Fit:
    """Train a network until the problem is learnt, or the steps are used up."""
    data = open_problem(trial.task, trial.distance, trial.seed)
    hidden_size = trial.hidden_size or hidden_size_for(data, trial.cell, trial.parameters)
    torch.manual_seed(trial.seed)
    model = build(data, trial.cell, hidden_size)
    fit = Fit(model, data, 0, gradient_by_distance(model, data))
    optimizer = torch.optim.Adam(model.parameters(), trial.lr)
    generator = _generator(trial, "training")
    validation = _sequences(trial, "validation", "val", VALIDATION)
    right = 0.0
    for step in range(trial.steps):
        x, target = data.draw(trial.batch_size, generator)
        optimizer.zero_grad()
        answers = _answers(model, x, trial.window)
        loss = data.loss(answers, target).mean()
        if not math.isfinite(loss.item()):
            break
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        fit.steps = step + 1
        right = 0.9 * right + 0.1 * data.is_right(answers.detach(), target).float().mean().item()
        promising = fit.steps % CHECK_EVERY == 0 and score(right, data.chance) > 0.8 * SOLVED
        if promising and score(accuracy(model, data, *validation)[0], data.chance) >= SOLVED:
            break
    return fit


def run(trial: Trial) -> dict[str, Any]:
    """Train and measure a network.

    Returns:
        What was trained (task, cell, distance, seed, lr, and how), and what came out: steps that it took, parameters,
        accuracy, score (0: chance, 1: all right), mse, gradient by distance before and after training, and how long
        its gates keep a memory.
    """
    started = time.perf_counter()
    fit = train(trial)
    found, mse = accuracy(fit.model, fit.data, *_sequences(trial, "test", "test", TEST))
    return {
        "task": trial.task,
        "cell": trial.cell,
        "distance": trial.distance,
        "seed": trial.seed,
        "accuracy": found,
        "parameters": count_parameters(fit.model),
        "steps": fit.steps,
        "lr": trial.lr,
        "window": trial.window,
        "hidden_size": fit.model.model_args["hidden_size"],  # type: ignore[index]
        "score": score(found, fit.data.chance),
        "mse": mse,
        "seconds": round(time.perf_counter() - started, 2),
        "gradient_before": fit.before,
        "gradient_after": gradient_by_distance(fit.model, fit.data),
        "half_life": forgetting(fit.model, fit.data),
    }


def score(found: float, chance: float) -> float:
    """Accuracy corrected for chance: 0 for guessing, 1 for all right."""
    return (found - chance) / (1 - chance)


@torch.no_grad()
def accuracy(model: nn.Module, data: SequenceDataset, x: Tensor, target: Tensor) -> tuple[float, float | None]:
    """The share of right answers, and of a regression the mean squared error."""
    parts = [model(part) for part in x.split(64)]
    answers = torch.cat(parts)
    right = data.is_right(answers, target).float().mean().item()
    mse = None if data.num_classes else data.loss(answers, target).mean().item()
    return right, mse if mse is None or math.isfinite(mse) else None


def _answers(model: Any, x: Tensor, window: int | None) -> Tensor:
    """The answers at the last steps; each leads back to x within its own window."""
    if window is None:
        return model(x)  # type: ignore[no-any-return]
    state, left, parts = None, x.shape[1], []
    borders = range(left % window or window, left, window)  # windows end with the sequence: the last one is whole
    for part in x.tensor_split([*borders], dim=1):
        answered = min(part.shape[1], max(0, model.target_steps - left + part.shape[1]))
        with torch.set_grad_enabled(answered > 0):
            answers, state = model.forward_steps(part, model.detach_state(state), answered)
        left -= part.shape[1]
        parts.append(answers)
    return torch.cat(parts, dim=1)


def _sequences(trial: Trial, purpose: str, split: str, number: int) -> tuple[Tensor, Tensor]:
    """Sequences to measure with; of a data set with so many images only, from those of the split."""
    return open_problem(trial.task, trial.distance, trial.seed, split).draw(number, _generator(trial, purpose))


def _generator(trial: Trial, purpose: str) -> Generator:
    words = f"{trial.task} {trial.distance} {trial.seed} {purpose}"
    return Generator().manual_seed(zlib.crc32(words.encode()))
