"""Scoring a folder of masks that any method made, all sequences of a split, on all cores."""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from lstmzoo.errors import DataError, DataWarning, LstmzooError
from lstmzoo.io.progress import progress_bar
from lstmzoo.io.wording import listed
from lstmzoo.segmentation.data.layout import (
    SIMULATED_MARKER,
    Layout,
    MaskedVideo,
    find_layout,
    find_lists,
    find_sequences,
)
from lstmzoo.segmentation.data.masks import read_mask
from lstmzoo.segmentation.metrics.davis_rules import Rules
from lstmzoo.segmentation.metrics.numbering import by_sequence
from lstmzoo.segmentation.metrics.scores import DavisScores, SequenceScores
from lstmzoo.segmentation.metrics.sequence_scores import score_sequence


def evaluate(
    results: str | os.PathLike[str],
    root: str | os.PathLike[str],
    *,
    split: str = "val",
    year: int | None = None,
    resolution: str = "480p",
    protocol: str = "semi-supervised",
    binary: bool | None = None,
    stability: bool = False,
    workers: int | None = None,
    progress: bool = False,
) -> DavisScores:
    """Score the masks in a folder, see `score_sequence`.

    The official rules hold for the lists of a year. For your own lists (``ImageSets/val.txt``), and for ``all``, the
    objects are the numbers that occur, and each counts from the first annotated frame that shows it on.

    Args:
        results: a folder with a folder of PNGs for each sequence, named as the frames are: ``camel/00012.png``. Pixels
            hold the numbers of objects: palette or grey. Frames that are not scored may be missing.
        root: the data set, see `lstmzoo.data.DAVIS`.
        split: which of its lists, or all.
        year: whose lists; None takes those that are there, 2017 before 2016.
        resolution: of masks and frames.
        protocol: ``"semi-supervised"`` or ``"unsupervised"``; with several objects the latter needs the masks of the
            unsupervised track, ``Annotations_unsupervised``, but for your own and simulated data.
        binary: all objects are one; by default so for the lists of 2016.
        stability: also compute T; slow.
        workers: number of processes; by default as many as there are cores for us.
        progress: show a progress bar.

    Returns:
        The scores of all sequences, in the order of the list.

    Raises:
        DataError: no data set, no results, missing sequences or frames, files that are not masks, wrong sizes or
            numbers.
        LstmzooError: an unknown protocol, year or resolution, or an impossible number of workers.
    """
    if workers is not None and (type(workers) is not int or workers < 1):
        raise LstmzooError(f"workers={workers}: it is a number of processes, 1 or more, or null for one per core")
    layout = find_layout(root, resolution)
    lists = find_lists(layout, split, year=year, resolution=resolution)
    year = lists[0].year
    binary = year == 2016 if binary is None else binary
    if protocol == "unsupervised" and not binary:
        layout = _unsupervised_layout(layout, year, resolution)
    videos = find_sequences(layout, lists)
    jobs = [_job(video, Path(results), Rules(protocol, binary, video.name)) for video in videos]
    _check_complete(jobs, Path(results))
    if workers is None:
        workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    official = year is not None
    found = _run(partial(_score, stability=stability, official=official), jobs, min(workers, len(jobs)), progress)
    scores = DavisScores([found[job.rules.sequence] for job in jobs])
    if not scores.objects():
        which = "first masks" if official else "masks but the last two"
        raise DataError(f"the {which} of the {split} split in {root} have no objects, so there is nothing to score")
    _warn_of_numbers(scores, root, split, official=official)
    if not binary and max(one.highest for one in scores.sequences) == 1 < max(len(one.j) for one in scores.sequences):
        warnings.warn(
            f"the masks in {results} hold no number but 0 and 1, those in {root} several objects; if they are masks of "
            "the foreground, data.binary=true (in Python binary=True) scores them as such",
            DataWarning,
            stacklevel=2,
        )
    return scores


def _warn_of_numbers(scores: DavisScores, root: str | os.PathLike[str], split: str, *, official: bool) -> None:
    """Say what the numbers of the objects mean for the scores."""
    found = scores.sequences
    own = f"the official rules are for DAVIS; for your own data, put the list at ImageSets/{split}.txt"
    words = []
    if jumping := [(one.name, one.numbers) for one in found if any(n > k for k, n in enumerate(one.numbers, start=1))]:
        words.append(f"numbers of objects jump: {by_sequence(jumping)}; only those that occur are scored")
    if absent := [(one.name, one.absent) for one in found if one.absent]:
        words.append(f"no mask has these numbers of objects, which count as found: {by_sequence(absent)}; {own}")
    if unscored := [(one.name, one.unscored) for one in found if one.unscored]:
        why = f"they appear after the first mask; {own}" if official else "they appear in the last two masks at most"
        words.append(f"objects that are not scored: {by_sequence(unscored)}; {why}")
    for word in words:
        warnings.warn(f"{root}: {word}", DataWarning, stacklevel=3)


def _unsupervised_layout(layout: Layout, year: int | None, resolution: str) -> Layout:
    """The folder of the unsupervised track's masks; your own and simulated data need not have a second kind."""
    root = layout.root
    if not (root / "Annotations_unsupervised").is_dir():
        if year is None or (root / SIMULATED_MARKER).is_file():
            return layout
        raise DataError(
            f"{root} has no folder Annotations_unsupervised with the masks of all salient objects, which this protocol "
            f"is scored with: fetch it with `lstmzoo data prepare davis root={root} dataset=2017-unsupervised`, or "
            "score the foreground with data.binary=true (in Python binary=True)"
        )
    return find_layout(root, resolution, unsupervised=True)


class MaskFiles(Sequence[np.ndarray]):
    """Masks that are read when they are asked for."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]
        return read_mask(self.paths[index])


@dataclass(frozen=True)
class _Job:
    """The files of one sequence's annotated frames, and the rules for them."""

    rules: Rules
    folder: Path
    frames: list[str]
    truth: list[Path]
    predicted: list[Path]


def _job(video: MaskedVideo, results: Path, rules: Rules) -> _Job:
    annotated = [(frame.stem, mask) for frame, mask in zip(video.frames, video.masks, strict=True) if mask is not None]
    if len(annotated) < 2:
        raise DataError(
            f"{video.name} has {len(annotated)} masks for {len(video.frames)} frames, so nothing can be scored; the "
            "masks of the test sets are not public: send results to the evaluation server"
        )
    folder = results / video.name
    frames = [name for name, _ in annotated]
    return _Job(rules, folder, frames, [mask for _, mask in annotated], [folder / f"{name}.png" for name in frames])


def _check_complete(jobs: list[_Job], results: Path) -> None:
    """Make sure that there is a file for every frame that will be scored."""
    if not results.is_dir():
        raise DataError(f"{results} is not a folder; results are a folder of PNGs for each sequence")
    absent = [job.rules.sequence for job in jobs if not job.folder.is_dir()]
    if absent:
        deeper = next((one for one in sorted(results.glob("**/" + absent[0])) if one.is_dir()), None)
        hint = "write them" if deeper is None else f"did you mean results={deeper.parent}?"
        raise DataError(f"{results} has no folder for {listed(absent, 3)}, of {len(jobs)} sequences; {hint}")
    for job in jobs:
        there = {path.name for path in job.folder.iterdir()}
        needed = [job.predicted[index] for index in job.rules.scored(len(job.frames))]
        missing = [path for path in needed if path.name not in there]
        if missing:
            example = f"; there is {min(there)}" if there else ", the folder is empty"
            raise DataError(
                f"{listed(missing, 3)} not found, {len(missing)} of {len(needed)} results of {job.rules.sequence}"
                f"{example}: name masks as the frames are"
            )


def _score(job: _Job, stability: bool, official: bool) -> SequenceScores:
    """Score one sequence, in a process of its own."""
    rules = job.rules
    predicted, truth = MaskFiles(job.predicted), MaskFiles(job.truth)
    try:
        return score_sequence(
            predicted,
            truth,
            protocol=rules.protocol,
            binary=rules.binary,
            stability=stability,
            name=rules.sequence,
            frames=job.frames,
            official=official,
        )
    except DataError:
        raise
    except LstmzooError as error:
        raise DataError(f"{job.folder.parent}: {error}") from error


def _run(
    score: Callable[[_Job], SequenceScores], jobs: list[_Job], workers: int, progress: bool
) -> dict[str, SequenceScores]:
    """Score all sequences, in so many processes; return their scores by name."""
    bar = partial(progress_bar, "scoring", sum(len(job.frames) for job in jobs), "frames", show=progress)
    found = {}
    if workers <= 1:
        with bar() as advance:
            for job in jobs:
                found[job.rules.sequence] = score(job)
                advance(len(job.frames))
        return found
    jobs = sorted(jobs, key=lambda job: -len(job.frames))  # the longest first, so that no core waits for it at the end
    with _one_thread_each(), ProcessPoolExecutor(workers) as pool:
        futures = {pool.submit(score, job): job for job in jobs}
        with bar() as advance:  # begun after the processes: its thread should not be forked
            try:
                for future in as_completed(futures):
                    job = futures[future]
                    found[job.rules.sequence] = future.result()
                    advance(len(job.frames))
            except BrokenProcessPool as error:
                raise LstmzooError(
                    "a process that scored masks was killed, perhaps for want of memory; try fewer workers"
                ) from error
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
    return found


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Stop OpenCV's threads: a forked process would wait for them forever."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
