"""Which objects of a sequence are scored, and in which frames.

The official code takes the highest number in the first mask for the number of objects. In DAVIS that is right.
Elsewhere numbers jump (1, 7: five objects that are never there and so count as found), and objects enter later.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lstmzoo.errors import LstmzooError
from lstmzoo.io.wording import listed
from lstmzoo.segmentation.metrics.davis_rules import REMEDY, VOID, Masks, Rules


@dataclass(frozen=True)
class Plan:
    """What of a sequence is scored, K objects in N frames."""

    predicted: Masks  # T masks (H, W); the proposals, or the objects, are numbered from 1
    truth: Masks  # T masks (H, W); the objects are numbered from 1
    frames: Sequence[int]  # the scored frames, N of them, counted from 0
    starts: np.ndarray  # (K,) for each object the frame whose true mask is given, or in which it appears
    counts: np.ndarray  # bool (K, N), whether an object counts in a frame
    numbers: tuple[int, ...] = ()  # what objects are called in the data set, K of them; empty: 1, 2, …
    proposals: tuple[int, ...] = ()  # what proposals are called in the result; empty: 1, 2, …
    unscored: tuple[int, ...] = ()  # numbers of the data set's objects that are not scored


def official_plan(predicted: Masks, truth: Masks, rules: Rules) -> Plan:
    """Plan by the rule of DAVIS: objects 1 to the highest number in the first mask, in all scored frames."""
    frames = rules.scored(len(truth))
    objects = rules.count(np.asarray(truth[0]))
    return Plan(predicted, truth, frames, np.zeros(objects, int), np.ones((objects, len(frames)), bool))


def plan_of_what_occurs(predicted: Masks, truth: Masks, rules: Rules, names: Sequence[str]) -> Plan:
    """Plan for any data: the objects are the numbers that occur, and count from their first annotated frame on."""
    scored = rules.scored(len(truth))
    appears: dict[int, int] = {}
    for index in range(len(truth)):
        for number in present(truth[index]) - {VOID}:
            appears.setdefault(1 if rules.binary else number, index)
    given = rules.protocol == "semi-supervised"  # the mask with which an object appears is not scored
    starts = {number: appears[number] for number in sorted(appears)}
    numbers = tuple(number for number, start in starts.items() if start + given <= scored[-1])
    unscored = tuple(starts.keys() - set(numbers))
    first = np.array([starts[number] for number in numbers], int)
    counts: np.ndarray = np.array(scored) >= first[:, None] + given  # (K, N)
    seen = np.any(counts, axis=0)
    frames = [index for index, counted in zip(scored, seen, strict=True) if counted]
    proposals = numbers
    if rules.matching:
        proposals = tuple(sorted(set().union(*(present(predicted[index]) for index in frames))))
    if not rules.binary:
        dropped = () if rules.matching else unscored
        predicted = Renumbered(predicted, proposals, names, dropped=dropped)
        truth = Renumbered(truth, numbers, names, dropped=unscored, kept=(VOID,))
    return Plan(predicted, truth, frames, first, counts[:, seen], numbers, proposals, unscored)


class Renumbered(Sequence[np.ndarray]):
    """Masks whose numbers are replaced by 1, 2, …; a number that is not known is an error.

    Args:
        masks: T masks (H, W).
        numbers: those that become 1, 2, …
        names: of the sequence and its frames, T of them, for the message.
        dropped: numbers that become background.
        kept: numbers that stay.
    """

    def __init__(
        self,
        masks: Masks,
        numbers: Sequence[int],
        names: Sequence[str],
        *,
        dropped: Sequence[int] = (),
        kept: Sequence[int] = (),
    ) -> None:
        self.masks, self.names = masks, names
        self.known = {*numbers, *dropped, *kept}
        self.table = np.zeros(256, np.uint8)
        self.table[list(numbers)] = np.arange(1, len(numbers) + 1)
        self.table[list(kept)] = kept

    def __len__(self) -> int:
        return len(self.masks)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]
        mask = np.asarray(self.masks[index])
        if strange := present(mask) - self.known:
            raise LstmzooError(
                f"{self.names[index]}: the result holds the number {max(strange)}, but the sequence has the objects "
                f"{listed(sorted(self.known))}; {REMEDY}"
            )
        return self.table[mask]


def present(mask: np.ndarray) -> set[int]:
    """Return the numbers in a mask but 0, the background.

    Raises:
        LstmzooError: they are not from 0 to 255.
    """
    mask = np.asarray(mask)
    found = np.flatnonzero(np.bincount(mask.ravel())) if mask.dtype == np.uint8 else np.unique(mask)  # much faster
    numbers = set(found.tolist()) - {0}
    if numbers and (min(numbers) < 0 or max(numbers) > VOID):
        raise LstmzooError(f"a mask holds numbers from 0 to 255, not from {min(numbers)} to {max(numbers)}")
    return numbers


def by_sequence(found: Sequence[tuple[str, Sequence[int]]]) -> str:
    """Word numbers of objects by sequence, e.g. ``a (1, 7), b (2)``."""
    return listed(f"{name} ({listed(numbers)})" for name, numbers in found)
