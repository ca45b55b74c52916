"""What of Lightning's Trainer belongs to the recipe of a training, and so goes on with a run: not devices and the like.

A run that is resumed is to end as if it had never stopped, wherever that happens. So its file says how long and how it
is trained, and nothing of what happens on this machine, which may be another one, or another person's.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from lstmzoo.errors import CheckpointError
from lstmzoo.models.metadata import brief

MOST = 10**9

PRECISIONS = "32-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true", "64-true", "32", "bf16", "16", "64"
"""Lightning's, without those of further packages."""

Rule = tuple[Callable[[Any], bool], str]


def _whole(least: int) -> Rule:
    return lambda value: type(value) is int and least <= value <= MOST, f"a whole number of at least {least}"


def _or_null(rule: Rule) -> Rule:
    return lambda value: value is None or rule[0](value), f"{rule[1]}, or null"


def _part(value: Any) -> bool:
    return _whole(0)[0](value) or (isinstance(value, float) and 0 <= value <= 1)


FLAG: Rule = (lambda value: isinstance(value, bool), "true or false")
PART: Rule = (_part, "a number of batches, or a share from 0.0 to 1.0")

RECIPE: dict[str, Rule] = {
    "max_epochs": _or_null(_whole(-1)),
    "min_epochs": _or_null(_whole(0)),
    "max_steps": _whole(-1),
    "min_steps": _or_null(_whole(0)),
    "precision": (lambda value: str(value) in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
    "accumulate_grad_batches": _whole(1),
    "limit_train_batches": PART,
    "limit_val_batches": PART,
    "limit_test_batches": PART,
    "overfit_batches": PART,
    "check_val_every_n_epoch": _or_null(_whole(1)),
    "val_check_interval": (lambda value: _part(value) and value > 0, "a number of batches, or a share of an epoch"),
    "deterministic": (lambda value: isinstance(value, bool) or value == "warn", "true, false or warn"),
    "benchmark": _or_null(FLAG),
    "detect_anomaly": FLAG,
    "sync_batchnorm": FLAG,
}
"""Arguments of the Trainer that are taken over, with what they may be."""


def take_recipe(
    stored: Any, default: Mapping[str, Any], origin: str, given: Collection[str]
) -> tuple[dict[str, Any], list[str]]:
    """Complete this machine's arguments of the Trainer with the recipe of a run.

    Args:
        stored: the group ``trainer`` of the run's configuration.
        default: that of this version.
        origin: the file, for messages.
        given: keys that the command line gives; what is stored of them does not matter.

    Returns:
        The arguments, and the settings that were not taken over though they are not the defaults, as ``key=value``.

    Raises:
        CheckpointError: a value that cannot be.
    """
    if not isinstance(stored, dict):
        raise CheckpointError(f"{origin} has trainer={brief(stored)}; it is a group of keys: {', '.join(default)}")
    stored = {key: value for key, value in stored.items() if f"trainer.{key}" not in given}
    taken, left_out = dict(default), []
    for key, value in stored.items():
        if key not in RECIPE:
            left_out += [f"trainer.{key}={brief(value)}"] * (value != default.get(key))
            continue
        fits, words = RECIPE[key]
        if not fits(value):
            raise CheckpointError(
                f"{origin} has trainer.{key}={brief(value)}; it is {words}: give trainer.{key}=... on the command line"
            )
        taken[key] = value
    return taken, left_out


CLASSES = {
    "optimizer": ("torch.optim.AdamW", "torch.optim.SGD", "torch.optim.RMSprop"),
    "scheduler": (
        *(f"lstmzoo.training.schedule.{name}" for name in ("Constant", "Cosine", "Step", "OneCycle")),
        "torch.optim.lr_scheduler.ReduceLROnPlateau",
    ),
}
"""Classes that a run may name in its file: those of ``configs/``."""


def take_named_class(group: str, stored: Any, origin: str, given: Collection[str]) -> Any:
    """Take over the optimizer or the scheduler of a run; a class that is none of ours is for the command line to name.

    Args:
        group: optimizer or scheduler.
        stored: as the run's configuration has it.
        origin: the file, for messages.
        given: keys that the command line gives; what is stored of them does not matter.

    Raises:
        CheckpointError: another class, or arguments that are not plain values.
    """
    left = {key: value for key, value in stored.items() if f"{group}.{key}" not in given} if _is_dict(stored) else {}
    named = f"{group}._target_" in given or left.get("_target_") in CLASSES[group]
    if not _is_dict(stored) or not named or not all(map(_is_argument, left.values())):
        raise CheckpointError(
            f"{origin} has {group}={brief(stored)}, which is not taken from a file: it is one of "
            f"{', '.join(CLASSES[group])}, with numbers as arguments. If it is right, give {group}._target_=... on the "
            "command line"
        )
    return {"_target_": CLASSES[group][0], **left}


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


def _is_argument(value: Any) -> bool:
    """Whether this is a number, a text in which nothing is put in place of anything, null, or a list of them."""
    if isinstance(value, list):
        return all(not isinstance(one, list) and _is_argument(one) for one in value)
    return value is None or (type(value) in (bool, int, float, str) and "${" not in str(value))
