"""Which persons of KTH are trained on, and which are tested: the protocols used in the literature.

Results under different protocols cannot be compared. In all of them a person is in one split only.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple, get_args

import numpy as np

from lstmzoo.errors import LstmzooError, unknown_choice
from lstmzoo.io.split_names import UNIONS
from lstmzoo.io.wording import listed

Protocol = Literal["official", "16/9", "leave_one_out", "kfold"]

PROTOCOLS: tuple[str, ...] = get_args(Protocol)

TRAIN = frozenset(range(11, 19))
VAL = frozenset({19, 20, 21, 23, 24, 25, 1, 4})
TEST = frozenset({22, 2, 3, 5, 6, 7, 8, 9, 10})


class Persons(NamedTuple):
    """The persons of each split."""

    train: frozenset[int]
    val: frozenset[int]
    test: frozenset[int]

    def of(self, split: str) -> frozenset[int]:
        """Return the persons of a split.

        Raises:
            LstmzooError: `split` is not one of `UNIONS`.
        """
        if split not in UNIONS:
            raise LstmzooError(unknown_choice("split", split, UNIONS))
        return frozenset().union(*(getattr(self, part) for part in UNIONS[split]))


def split_persons(
    protocol: str = "official", *, persons: Iterable[int] = range(1, 26), fold: int = 0, folds: int = 5, seed: int = 0
) -> Persons:
    """Divide persons into training, validation and test.

    ``official``
        8 / 8 / 9 persons (Schuldt, Laptev, Caputo, ICPR 2004).
    ``16/9``
        The official training and validation persons against the official test persons; no validation split.
    ``leave_one_out``
        Person `fold` is tested, all others are trained on; no validation split.
    ``kfold``
        Persons are divided at random into `folds` equal groups. Group `fold` is tested, the next one validates.

    Args:
        protocol: one of the names above.
        persons: the persons that the data set has.
        fold: leave_one_out: the person tested; kfold: 0 … folds − 1. Unused otherwise.
        folds: kfold: number of groups. Unused otherwise.
        seed: kfold: seed of the random division. Unused otherwise.

    Returns:
        The persons of each split; no person is in two.

    Raises:
        LstmzooError: unknown protocol, or a fold that it does not have.
    """
    if protocol not in PROTOCOLS:
        raise LstmzooError(unknown_choice("protocol", protocol, PROTOCOLS))
    present = frozenset(persons)
    if protocol == "official":
        return Persons(TRAIN & present, VAL & present, TEST & present)
    if protocol == "16/9":
        return Persons((TRAIN | VAL) & present, frozenset(), TEST & present)
    if protocol == "leave_one_out":
        return _leave_one_out(present, fold)
    return _kfold(present, fold, folds, seed)


def _leave_one_out(persons: frozenset[int], fold: int) -> Persons:
    if fold not in persons:
        raise LstmzooError(
            "protocol leave_one_out: fold is the person to be tested, one of "
            f"{listed(sorted(persons), 25)}, not {fold!r}"
        )
    return Persons(persons - {fold}, frozenset(), frozenset({fold}))


def _kfold(persons: frozenset[int], fold: int, folds: int, seed: int) -> Persons:
    if not 3 <= folds <= len(persons):
        raise LstmzooError(
            f"protocol kfold: folds={folds!r} must lie between 3 (train, val, test) and the number of persons, "
            f"{len(persons)}"
        )
    if not 0 <= fold < folds:
        raise LstmzooError(f"protocol kfold: fold={fold!r} must lie between 0 and folds - 1 = {folds - 1}")
    shuffled = np.random.default_rng(seed).permutation(sorted(persons)).tolist()
    test, val = frozenset(shuffled[fold::folds]), frozenset(shuffled[(fold + 1) % folds :: folds])
    return Persons(persons - test - val, val, test)
