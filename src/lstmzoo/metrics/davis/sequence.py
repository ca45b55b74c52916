"""Scoring one sequence by the rules of DAVIS: which frames and pixels count, and which mask is which object's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from lstmzoo.errors import LstmzooError, unknown_choice
from lstmzoo.metrics.davis.measures import Region, compare, content_box, outline_radius
from lstmzoo.metrics.davis.scores import SequenceScores
from lstmzoo.metrics.davis.stability import matching_cost

PROTOCOLS = ("semi-supervised", "unsupervised")
VOID = 255
MAX_PROPOSALS = 20

Masks = np.ndarray | Sequence[np.ndarray]


def score_sequence(
    predicted: Masks,
    truth: Masks,
    *,
    protocol: str = "semi-supervised",
    binary: bool = False,
    stability: bool = False,
    name: str = "",
    frames: Sequence[str] | None = None,
) -> SequenceScores:
    """Score the masks of one sequence.

    Semi-supervised (the first mask was given): the first and the last frame are not scored, the result's number k is
    compared with object k, and 255 in the truth is background. Unsupervised: all frames are scored, up to 20 proposals
    are matched with the objects so that the sum of their mean (J + F) / 2 is greatest (Hungarian method), proposals
    left over cost nothing, and pixels of 255 in the truth are void. Binary (DAVIS 2016): every number but 0 of the
    result, and every one but 0 and 255 of the truth, is the one object, and neither protocol scores the first and the
    last frame.

    The objects are 1..K with K the highest number in the first frame's truth; what appears later is background. An
    object that the result has not got scores as an empty mask. Frames without an annotation are left out by the caller:
    ``score_sequence(predicted[annotated], truth[annotated])``.

    Args:
        predicted: T masks (H, W) of whole numbers, 0 the background; an array, or anything with a length and an index.
        truth: likewise.
        protocol: ``"semi-supervised"`` or ``"unsupervised"``.
        binary: one object, whatever the numbers are.
        stability: also compute T, see `lstmzoo.metrics.davis.temporal_stability`; slow.
        name: the sequence's name, for the result and for messages.
        frames: T names of the frames, likewise; by default their numbers from 0.

    Returns:
        J and F of each object in each scored frame.

    Raises:
        LstmzooError: lengths or sizes differ, numbers in the result that stand for no object, too few frames.

    Source: Perazzi et al. 2016, §4; Pont-Tuset et al. 2017, "The 2017 DAVIS Challenge on Video Object Segmentation";
    Caelles et al. 2019, "The 2019 DAVIS Challenge on VOS: Unsupervised Multi-Object Segmentation". Where the papers
    leave things open (void, objects, the highest number), as in the official evaluation of 2017.
    """
    names = list(frames) if frames is not None else [str(index) for index in range(len(truth))]
    rules = Rules(protocol, binary, name)
    if stability and rules.matching:
        raise LstmzooError("T is defined for masks that belong to known objects, not for unsupervised proposals")
    if len(predicted) != len(truth):
        raise LstmzooError(f"{name or 'the sequence'} has {len(truth)} annotated frames, its result {len(predicted)}")
    scored = rules.scored(len(truth))
    objects = rules.count(np.asarray(truth[0]))
    rows = max(MAX_PROPOSALS, objects) if rules.matching else objects
    pairs = list(product(range(rows), range(objects))) if rules.matching else [(k, k) for k in range(objects)]
    j, f = np.zeros((len(pairs), len(scored))), np.zeros((len(pairs), len(scored)))
    proposals = 0  # the highest number in the result
    for column, index in enumerate(scored):
        ours, theirs = rules.clean(predicted[index], truth[index], objects, names[index])
        proposals = max(proposals, int(ours.max(initial=0)))
        j[:, column], f[:, column] = _compare(ours, theirs, rows, objects, pairs)
    chosen = np.arange(objects)
    if rules.matching:
        needed = max(proposals, objects)
        j, f = (values.reshape(rows, objects, -1)[:needed] for values in (j, f))
        chosen = _best_matching((j.mean(axis=2) + f.mean(axis=2)) / 2)
        j, f = (values[chosen, np.arange(objects)] for values in (j, f))
    t = _stability(predicted, truth, scored, rules, objects) if stability else None
    return SequenceScores(name, [names[index] for index in scored], j, f, chosen + 1, t, proposals)


@dataclass(frozen=True)
class Rules:
    """What a protocol says about frames, pixels and numbers."""

    protocol: str
    binary: bool
    sequence: str

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise LstmzooError(unknown_choice("protocol", self.protocol, PROTOCOLS))

    @property
    def matching(self) -> bool:
        """Whether proposals are matched with objects."""
        return self.protocol == "unsupervised" and not self.binary

    def scored(self, length: int) -> range:
        """Return which frames of a sequence are scored."""
        scored = range(length) if self.matching else range(1, length - 1)
        if not scored:
            why = "" if self.matching else "; the first and the last are never scored"
            raise LstmzooError(f"{self.sequence or 'the sequence'}: {length} annotated frames are too few{why}")
        return scored

    def count(self, first: np.ndarray) -> int:
        """Return how many objects there are, given the truth of the first frame."""
        return 1 if self.binary else int(first.max(initial=0, where=first != VOID))

    def clean(
        self, predicted: np.ndarray, truth: np.ndarray, objects: int, frame: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return both masks as numbers of objects and proposals, uint8, 0 where nothing counts."""
        predicted, truth = np.asarray(predicted), np.asarray(truth)
        where = f"{self.sequence} {frame}".strip()
        if predicted.shape != truth.shape:
            sizes = ["x".join(map(str, mask.shape)) for mask in (predicted, truth)]
            raise LstmzooError(
                f"{where}: the result is {sizes[0]} (H x W), the truth {sizes[1]}; masks are as large as the frames"
            )
        if self.binary:
            predicted = (predicted != 0).view(np.uint8)
        elif (highest := int(predicted.max(initial=0))) > (limit := MAX_PROPOSALS if self.matching else objects):
            most = f"at most {limit} proposals are allowed" if self.matching else f"the sequence has {limit} objects"
            raise LstmzooError(f"{where}: the result holds the number {highest}, but {most}; number them 1 to {limit}")
        predicted, truth = predicted.astype(np.uint8, copy=False), truth.astype(np.uint8, copy=False)
        if truth.max(initial=0) == VOID:
            void = truth == VOID
            truth = np.where(void, 0, truth).astype(np.uint8)
            predicted = np.where(void, 0, predicted).astype(np.uint8) if self.protocol == "unsupervised" else predicted
        return predicted, (truth != 0).view(np.uint8) if self.binary else truth


def _compare(
    predicted: np.ndarray, truth: np.ndarray, rows: int, objects: int, pairs: list[tuple[int, int]]
) -> np.ndarray:
    """Return J and F in one frame of each pair of a proposal and an object, counted from 0: (2, pairs)."""
    radius = outline_radius(truth.shape)
    crop = content_box(predicted | truth)
    predicted, truth = predicted[crop], truth[crop]
    if len(pairs) == objects:  # every mask is compared once, in its own box
        found = [compare(predicted == a + 1, truth == b + 1, radius) for a, b in pairs]
    else:
        ours = [Region(predicted == number, radius) for number in range(1, rows + 1)]
        theirs = [Region(truth == number, radius) for number in range(1, objects + 1)]
        found = [(ours[a].jaccard(theirs[b]), ours[a].boundary_f(theirs[b])) for a, b in pairs]
    return np.array(found).reshape(-1, 2).T


def _best_matching(quality: np.ndarray) -> np.ndarray:
    """Return the row for each column so that the sum is greatest; (M, K) with M >= K -> (K,)."""
    from scipy.optimize import linear_sum_assignment  # takes longer to import than most sequences to score

    rows, columns = linear_sum_assignment(-quality)
    return rows[np.argsort(columns)]


def _stability(predicted: Masks, truth: Masks, scored: range, rules: Rules, objects: int) -> np.ndarray:
    """Return the costs behind T, (K, N): each scored frame against the one before, the first against the true mask."""
    before, _ = rules.clean(truth[0], truth[0], objects, "") if rules.binary else (np.asarray(truth[0]), None)
    costs = np.zeros((objects, len(scored)))
    for column, index in enumerate(scored):
        now = np.asarray(predicted[index])
        for number in range(1, objects + 1):
            masks = [mask != 0 if rules.binary else mask == number for mask in (before, now)]
            costs[number - 1, column] = matching_cost(*masks)
        before = now
    return costs
