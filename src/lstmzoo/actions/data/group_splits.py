"""Assigning groups of videos to train, val and test.

Videos that share a person, a scene or a camera are alike; such a group must be in one split only, or a model is tested
on what it was trained on.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from lstmzoo.errors import DataError, LstmzooError, unknown_choice
from lstmzoo.io.wording import listed

TRIES = 200
"""Random assignments tried before giving up; one is enough unless groups span several classes."""


def named_groups(groups: Mapping[str, set[str]], split: str, names: Sequence[object]) -> set[str]:
    """Look up groups that were chosen for a split.

    Raises:
        LstmzooError: there is no such group.
    """
    chosen = {_as_written(groups, str(name)) for name in names}
    for name in sorted(chosen - groups.keys()):
        raise LstmzooError(f"data.{split}_groups: {unknown_choice('group', name, groups)}")
    return chosen


def _as_written(groups: Mapping[str, set[str]], name: str) -> str:
    """The only group with this number; configurations read 03 as the number 3."""
    same = [group for group in groups if name.isdigit() and group.isdigit() and int(group) == int(name)]
    return same[0] if name not in groups and len(same) == 1 else name


def assign_groups(
    groups: Mapping[str, set[str]], *, val: float | set[str], test: float | set[str], seed: int = 0
) -> dict[str, str]:
    """Assign every group to a split.

    Args:
        groups: the classes of each group.
        val: the groups of the validation split, or the share of all groups to draw for it (0 for no such split).
        test: the same for the test split.
        seed: seed of the random choice.

    Returns:
        The split (train, val or test) of each group. Every class is in every split that is drawn, and in train.

    Raises:
        DataError: a class has too few groups for that.
        LstmzooError: a share that is not in [0, 1), or a group named for two splits.
    """
    fixed: dict[str, str] = {}
    shares: dict[str, float] = {}
    for split, wanted in (("test", test), ("val", val)):
        if isinstance(wanted, set):
            for group in sorted(wanted):
                if group in fixed:
                    raise LstmzooError(f"group {group!r} is in val_groups and in test_groups; it can be in one only")
                fixed[group] = split
        elif not 0 <= wanted < 1:
            raise LstmzooError(f"data.{split}_fraction is a share of the groups in [0, 1), not {wanted!r}")
        elif wanted > 0:
            shares[split] = wanted
    if shares:
        _check_enough(groups, fixed, shares)
    rng = np.random.default_rng(seed)
    for _ in range(TRIES):
        assigned = _assign(groups, fixed, shares, rng.permutation(sorted(groups)).tolist())
        if assigned is not None:
            return assigned
    raise DataError(
        f"the groups cannot be assigned so that every class is in {', '.join(shares)} and in train, because they span "
        "several classes; name them with data.val_groups=[...] and data.test_groups=[...], or set data.val_fraction=0"
    )


def _check_enough(groups: Mapping[str, set[str]], fixed: Mapping[str, str], shares: Mapping[str, float]) -> None:
    needed = len(shares) + 1
    for name in sorted(set().union(*groups.values())):
        free = sorted(group for group, classes in groups.items() if name in classes and group not in fixed)
        if len(free) < needed:
            raise DataError(
                f"class {name!r} has {len(free)} group(s) to assign, {listed(free)}, but needs {needed}: one for "
                f"each of {', '.join(['train', *shares])}; add videos, set data.val_fraction=0, "
                "name groups with data.test_groups=[...], or correct data.group_pattern"
            )


def _assign(
    groups: Mapping[str, set[str]], fixed: Mapping[str, str], shares: Mapping[str, float], order: Sequence[str]
) -> dict[str, str] | None:
    """Assign groups in the given order; None where a class is missing from a split."""
    assigned = dict(fixed)
    free = [group for group in order if group not in fixed]
    target = {split: max(1, round(share * len(groups))) for split, share in shares.items()}
    everything: set[str] = set().union(*groups.values())
    for position, split in enumerate(shares):
        needed_later = len(shares) - position  # splits still to come, and train
        covered: set[str] = set()
        taken = 0
        # First groups that bring a class the split does not have yet, then others up to its share.
        for covering in (True, False):
            for group in list(free):
                wanted = bool(groups[group] - covered) if covering else taken < target[split]
                if wanted and _can_spare(groups, free, group, needed_later):
                    free.remove(group)
                    assigned[group] = split
                    covered |= groups[group]
                    taken += 1
        if covered != everything:
            return None
    return assigned | dict.fromkeys(free, "train")


def _can_spare(groups: Mapping[str, set[str]], free: Sequence[str], group: str, needed_later: int) -> bool:
    """Whether each class of a group has enough other free groups for the splits to come."""
    return all(sum(name in groups[other] for other in free) > needed_later for name in groups[group])
