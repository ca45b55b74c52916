"""KTH, human action recognition: 25 persons, 6 actions, 4 scenarios, 2391 sequences.

Schuldt, Laptev, Caputo, "Recognizing human actions: a local SVM approach", ICPR 2004. For non-commercial use.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from lstmzoo.actions.data.clip_dataset import ClipDataset, Segment
from lstmzoo.actions.data.kth_check import KTHReport, check
from lstmzoo.actions.data.kth_files import (
    ACTIONS,
    SEQUENCES_FILE,
    Range,
    VideoFiles,
    clamp_ranges,
    find_videos,
    missing_videos,
    parse_name,
    parse_sequences,
    read_sequences,
    remedy,
)
from lstmzoo.actions.data.kth_protocols import PROTOCOLS, SPLITS, split_persons
from lstmzoo.errors import DataError, DataWarning
from lstmzoo.io import video
from lstmzoo.io.augment import Augment
from lstmzoo.io.cache import FrameCache, default_cache_dir
from lstmzoo.io.clips import ClipSampler
from lstmzoo.io.wording import listed

__all__ = ["ACTIONS", "KTH", "PROTOCOLS", "SPLITS", "KTHReport", "check", "parse_sequences"]


class KTH(ClipDataset):
    """The sequences of KTH, or of a simulated KTH, as clips.

    The folder holds 00sequences.txt and the videos, all in it or in one folder per action. Videos are decoded once,
    when the data set is first opened. Files that were cut short are used as far as they decode; a `DataWarning` names
    them.

    Args:
        root: folder of the data set.
        split: train, val, test, trainval (both) or all.
        protocol: who is trained on and who is tested: official, 16/9, leave_one_out or kfold; see
            `lstmzoo.actions.data.kth_protocols`. A split that the protocol does not have is empty.
        fold: leave_one_out: the person tested; kfold: the group of persons tested, 0 … folds − 1.
        folds: kfold: number of groups of persons.
        split_seed: kfold: seed by which persons are dealt into groups; apart from `seed`, so that training again with
            another seed tests the same persons.
        clip_len: frames per clip (T).
        frame_interval: distance of neighbouring frames of a clip, in frames of the video (25 per second).
        num_clips: clips per sequence.
        size: (height, width) of the frames, in pixels.
        grey: luminance only (C = 1), else RGB (C = 3).
        train: random clips instead of evenly spaced ones; by default for ``split="train"``.
        seed: seed of the random clips and views.
        augment: random views of the training clips; None for none.
        fps: frames per second that `frame_interval` is meant for; None for the rate of most of the split's videos.
        cache_dir: folder of the decoded frames; by default ``root/.lstmzoo_cache``.
        progress: show a progress bar while videos are decoded.

    Raises:
        DataError: there is no data set, a broken 00sequences.txt, or nothing usable in this split.
        LstmzooError: an unknown split or protocol, or a fold that the protocol does not have.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        *,
        protocol: str = "official",
        fold: int = 0,
        folds: int = 5,
        split_seed: int = 0,
        clip_len: int = 16,
        frame_interval: int = 2,
        num_clips: int = 1,
        size: tuple[int, int] = (64, 64),
        grey: bool = True,
        train: bool | None = None,
        seed: int = 0,
        augment: Augment | None = Augment(),  # noqa: B008 (frozen)
        fps: float | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        progress: bool = True,
    ) -> None:
        self.root = Path(root)
        self.split = split
        self.protocol = protocol
        sampler = ClipSampler(clip_len, frame_interval, num_clips)
        cache = FrameCache(cache_dir or default_cache_dir(self.root), size=size, grey=grey)
        chosen = choose_sequences(self.root, split, protocol=protocol, fold=fold, folds=folds, split_seed=split_seed)
        segments = _segments(self.root, chosen, cache, progress)
        train = split == "train" if train is None else train
        super().__init__(segments, ACTIONS, cache, sampler, train=train, seed=seed, augment=augment, fps=fps)


def choose_sequences(
    root: Path, split: str, *, protocol: str = "official", fold: int = 0, folds: int = 5, split_seed: int = 0
) -> dict[str, list[Range]]:
    """Return the frame ranges of the videos of a split; see `KTH` for the arguments.

    Raises:
        DataError: there is no data set, a broken 00sequences.txt, or no person in this split.
        LstmzooError: an unknown split or protocol, or a fold that the protocol does not have.
    """
    sequences = read_sequences(root)
    names = {name: parse_name(name) for name in sequences}
    everyone = {name.person for name in names.values()}
    persons = split_persons(protocol, persons=everyone, fold=fold, folds=folds, seed=split_seed).of(split)
    chosen = {name: sequences[name] for name in sequences if names[name].person in persons}
    if not any(chosen.values()):
        _explain_empty(root, split, protocol, everyone)
    return chosen


def _explain_empty(root: Path, split: str, protocol: str, everyone: set[int]) -> None:
    """Tell a validation split that may be empty from one whose persons are not there."""
    if split == "val" and protocol in ("16/9", "leave_one_out"):
        return
    message = (
        f"{root} has no person of split {split!r} under protocol {protocol!r}; it has persons {listed(everyone, 25)}. "
        "Simulate more persons, or use protocol=kfold or protocol=leave_one_out"
    )
    if split != "val":
        raise DataError(message)
    warnings.warn(message, DataWarning, stacklevel=4)


def _segments(root: Path, sequences: dict[str, list[Range]], cache: FrameCache, progress: bool) -> list[Segment]:
    """Turn ranges into segments of the videos that are there, as far as they decode."""
    wanted = {name: ranges for name, ranges in sequences.items() if ranges}
    files = find_videos(root)
    found = {name: files.paths[name] for name in wanted if name in files.paths}
    missing = [name for name in wanted if name not in found]
    if wanted and not found:
        raise DataError(f"{root}: {missing_videos(missing)}. {remedy(root)}")
    _warn_of_odd_files(root, files, sequences, missing)
    failed = cache.build(found.values(), progress=progress)
    if found and len(failed) == len(found):
        raise DataError(
            f"none of {len(found)} videos in {root} can be decoded; the first: {next(iter(failed.values()))}"
        )
    segments: list[Segment] = []
    for name, path in found.items():
        if path in failed:
            lost = len(wanted[name])
            warnings.warn(f"{failed[path]}; its {lost} sequences are left out", DataWarning, stacklevel=4)
            continue
        segments += _segments_of(path, name, wanted[name], cache.count(path))
    if found and not segments:
        raise DataError(
            f"{root}: every sequence lies past the end of its video; {SEQUENCES_FILE} belongs to other files"
        )
    return segments


def _segments_of(path: Path, name: str, ranges: list[Range], frames: int) -> list[Segment]:
    kept, changes = clamp_ranges(ranges, frames)
    if changes:
        declared = video.declared_frames(path)
        warnings.warn(
            f"{path} declares {declared} frames, {frames} decode; sequences: {', '.join(changes)}",
            DataWarning,
            stacklevel=5,
        )
    person, action, scenario = parse_name(name)
    return [
        Segment(path, first - 1, last, ACTIONS.index(action), name, f"person{person:02d}", scenario)
        for first, last in kept
    ]


def _warn_of_odd_files(root: Path, files: VideoFiles, sequences: dict[str, list[Range]], missing: list[str]) -> None:
    if missing:
        warnings.warn(f"{root}: {missing_videos(missing)}", DataWarning, stacklevel=5)
    for name, others in files.duplicates.items():
        if sequences.get(name):
            warnings.warn(
                f"{name} was found {len(others) + 1} times; {files.paths[name]} is used, not {listed(others)}",
                DataWarning,
                stacklevel=5,
            )
    unlisted = [path for name, path in files.paths.items() if name in sequences and not sequences[name]]
    if unlisted:
        message = f"{root}: not used, because {SEQUENCES_FILE} has no frame ranges for them: {listed(unlisted)}"
        warnings.warn(message, DataWarning, stacklevel=5)
