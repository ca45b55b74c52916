"""The learning rate as a pure function of the step, so that nothing needs saving and overrides take effect.

A schedule gives the share of the peak learning rate at a step, with s = step, w = warm-up, n = total, all in steps.
What they are made with by default stands in ``configs/scheduler/``.
Schedulers of torch can be used as well (``scheduler._target_=torch.optim.lr_scheduler...``); they keep a state.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Training(NamedTuple):
    """What a schedule needs to know of a training, in optimizer steps."""

    total: float  # steps until trainer.max_epochs
    warmup: float  # steps of linear warm-up
    per_epoch: int  # steps of an epoch


class Schedule(Protocol):
    """Gives the share of the peak learning rate at a step, counted from 0, after the warm-up."""

    def __call__(self, step: int, training: Training) -> float: ...


@dataclass(frozen=True)
class Constant:
    """Always the peak."""

    def __call__(self, step: int, training: Training) -> float:
        return 1.0


@dataclass(frozen=True)
class Cosine:
    """(1 + cos(π min(1, (s − w) / (n − w)))) / 2 (Loshchilov & Hutter 2017, without restarts).

    Args:
        epochs: until it is zero; None for trainer.max_epochs.
    """

    epochs: float | None

    def __call__(self, step: int, training: Training) -> float:
        total = self.epochs * training.per_epoch if self.epochs else training.total
        share = (step - training.warmup) / max(total - training.warmup, 1)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, share))))


@dataclass(frozen=True)
class Step:
    """gamma^(epoch // every).

    Args:
        every: epochs from one step to the next.
        gamma: factor.
    """

    every: int
    gamma: float

    def __call__(self, step: int, training: Training) -> float:
        return float(self.gamma ** (step // training.per_epoch // self.every))


@dataclass(frozen=True)
class OneCycle:
    """Up from `start` to 1 in a share `up` of the training, then down to 0, along cosines (Smith & Topin 2018).

    Args:
        up: share of the training in which it rises.
        start: where it starts, as a share of the peak.
    """

    up: float
    start: float

    def __call__(self, step: int, training: Training) -> float:
        done = min(1.0, step / max(training.total, 1))
        if done < self.up:
            return self.start + (1 - self.start) * 0.5 * (1 - math.cos(math.pi * done / self.up))
        return 0.5 * (1 + math.cos(math.pi * (done - self.up) / (1 - self.up)))


def learning_rate(step: int, peak: float, schedule: Schedule, training: Training) -> float:
    """Return the learning rate of one optimizer step: peak (s + 1) / w while s + 1 < w, then as the schedule says."""
    if step + 1 < training.warmup:
        return peak * (step + 1) / training.warmup
    return peak * schedule(step, training)
