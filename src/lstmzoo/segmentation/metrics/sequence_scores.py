"""Scoring one sequence by the rules of DAVIS: every object in every frame, and which mask is which object's."""

from collections.abc import Sequence
from itertools import product

import numpy as np

from lstmzoo.errors import LstmzooError
from lstmzoo.segmentation.metrics.davis_rules import MAX_PROPOSALS, VOID, Masks, Rules
from lstmzoo.segmentation.metrics.measures import Region, compare, content_box, outline_radius
from lstmzoo.segmentation.metrics.numbering import Plan, official_plan, plan_of_what_occurs, present
from lstmzoo.segmentation.metrics.scores import SequenceScores
from lstmzoo.segmentation.metrics.stability import matching_cost


def score_sequence(
    predicted: Masks,
    truth: Masks,
    *,
    protocol: str = "semi-supervised",
    binary: bool = False,
    stability: bool = False,
    name: str = "",
    frames: Sequence[str] | None = None,
    official: bool = True,
) -> SequenceScores:
    """Score the masks of one sequence.

    Semi-supervised (the first mask was given): the first and the last frame are not scored, the result's number k is
    compared with object k, and 255 in the truth is background. Unsupervised: all frames are scored, up to 20 proposals
    are matched with the objects so that the sum of their mean (J + F) / 2 is greatest (Hungarian method), proposals
    left over cost nothing, and pixels of 255 in the truth are void. Binary (DAVIS 2016): every number but 0 of the
    result, and every one but 0 and 255 of the truth, is the one object, and neither protocol scores the first and the
    last frame.

    The objects are 1..K with K the highest number in the first frame's truth; what appears later is background. That is
    the official rule, made for DAVIS. With ``official=False``, for any other data, the objects are the numbers that
    occur in the truth, and each counts from the first annotated frame that shows it on: in that one it is given.

    An object that the result has not got scores as an empty mask. Frames without an annotation are left out by the
    caller: ``score_sequence(predicted[annotated], truth[annotated])``.

    Args:
        predicted: T masks (H, W) of whole numbers, 0 the background; an array, or anything with a length and an index.
        truth: likewise.
        protocol: ``"semi-supervised"`` or ``"unsupervised"``.
        binary: one object, whatever the numbers are.
        stability: also compute T, see `lstmzoo.segmentation.metrics.temporal_stability`; slow.
        name: the sequence's name, for the result and for messages.
        frames: T names of the frames, likewise; by default their numbers from 0.
        official: which objects there are, see above.

    Returns:
        J and F of each object in each scored frame; nan where it does not count yet.

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
    if official:
        plan = official_plan(predicted, truth, rules)
    else:
        plan = plan_of_what_occurs(predicted, truth, rules, [f"{name} {frame}".strip() for frame in names])
    objects = len(plan.starts)
    rows = max(MAX_PROPOSALS, objects) if rules.matching else objects
    pairs = list(product(range(rows), range(objects))) if rules.matching else [(k, k) for k in range(objects)]
    j, f = np.zeros((len(pairs), len(plan.frames))), np.zeros((len(pairs), len(plan.frames)))
    proposals = 0  # the highest number in the result
    occurring = {1} if binary else present(plan.truth[0]) - {VOID}
    for column, index in enumerate(plan.frames):
        ours, theirs = rules.clean(plan.predicted[index], plan.truth[index], objects, names[index])
        proposals = max(proposals, int(ours.max(initial=0)))
        occurring |= present(theirs)
        j[:, column], f[:, column] = _compare(ours, theirs, rows, objects, pairs)
    chosen = np.arange(objects)
    if rules.matching:
        needed = max(proposals, objects)
        j, f = (values.reshape(rows, objects, -1)[:needed] for values in (j, f))
        chosen = _best_matching((_mean(j, plan.counts) + _mean(f, plan.counts)) / 2)
        j, f = (values[chosen, np.arange(objects)] for values in (j, f))
    j[~plan.counts] = f[~plan.counts] = np.nan
    called = plan.proposals or tuple(range(1, rows + 1))
    return SequenceScores(
        name=name,
        frames=[names[index] for index in plan.frames],
        j=j,
        f=f,
        proposals=np.array([_name(row, called) for row in chosen.tolist()], int),
        t=_stability(plan, rules) if stability else None,
        highest=called[proposals - 1] if proposals else 0,
        numbers=plan.numbers,
        unscored=plan.unscored or tuple(sorted(number for number in occurring if number > objects)),
        absent=tuple(sorted(set(range(1, objects + 1)) - occurring)) if official else (),
    )


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


def _name(row: int, called: Sequence[int]) -> int:
    """What a proposal is called; one that the result has not got, by a number beyond its highest."""
    return called[row] if row < len(called) else called[-1] + row - len(called) + 1


def _mean(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the means over the frames that count; (M, K, N), bool (K, N) -> (M, K)."""
    return np.where(counts, values, 0).sum(axis=2) / counts.sum(axis=1)


def _best_matching(quality: np.ndarray) -> np.ndarray:
    """Return the row for each column so that the sum is greatest; (M, K) with M >= K -> (K,)."""
    from scipy.optimize import linear_sum_assignment  # takes longer to import than most sequences to score

    rows, columns = linear_sum_assignment(-quality)
    return rows[np.argsort(columns)]


def _stability(plan: Plan, rules: Rules) -> np.ndarray:
    """Return the costs behind T, (K, N): each scored frame against the one before, the first against the true mask."""
    costs = np.full(plan.counts.shape, np.nan)
    before = np.asarray(plan.truth[0])
    for column, index in enumerate(plan.frames):
        now = np.asarray(plan.predicted[index])
        for k, start in enumerate(plan.starts):
            if plan.counts[k, column]:
                begins = not column or not plan.counts[k, column - 1]
                masks = np.stack([_given(plan.truth[start], rules) if begins else before, now])
                costs[k, column] = matching_cost(*(masks != 0 if rules.binary else masks == k + 1))
        before = now
    return costs


def _given(truth: np.ndarray, rules: Rules) -> np.ndarray:
    """The true mask that an object begins with."""
    return rules.clean(truth, truth, 1, "")[0] if rules.binary else np.asarray(truth)
