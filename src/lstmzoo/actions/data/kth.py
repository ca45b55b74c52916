"""KTH, human action recognition: 25 persons, 6 actions, 4 scenarios, 2391 sequences.

Schuldt, Laptev, Caputo, "Recognizing human actions: a local SVM approach", ICPR 2004. For non-commercial use.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from lstmzoo.actions.data.clip_dataset import ClipDataset
from lstmzoo.actions.data.kth_check import KTHReport, check
from lstmzoo.actions.data.kth_files import (
    ACTIONS,
    SEQUENCES_FILE,
    find_videos,
    missing_videos,
    parse_name,
    parse_sequences,
    read_sequences,
    remedy,
)
from lstmzoo.actions.data.kth_prepare import prepare
from lstmzoo.actions.data.kth_protocols import PROTOCOLS, Protocol, split_persons
from lstmzoo.actions.data.kth_simulator import simulate_kth
from lstmzoo.actions.data.segments import LabelledVideo, Range
from lstmzoo.errors import DataError
from lstmzoo.io.wording import listed
from lstmzoo.registry import register_dataset

__all__ = ["ACTIONS", "KTH", "PROTOCOLS", "KTHReport", "check", "parse_sequences"]


@register_dataset("kth", "recognition", root="data/kth")
class KTH(ClipDataset):
    """The real KTH, six actions of 25 persons: `lstmzoo data prepare kth` fetches it.

    The folder holds 00sequences.txt and the videos, all in it or in one folder per action. Videos are decoded once,
    when the data set is first opened. Files that were cut short are used as far as they decode; a `DataWarning` names
    them.

    Args:
        root: folder with 00sequences.txt and the videos, flat or in a folder per action.
        split: train, val, test, trainval (both) or all. A split that the protocol does not have is empty.
        protocol: official (8/8/9 persons), 16/9, leave_one_out or kfold; see `lstmzoo.actions.data.kth_protocols`.
        fold: leave_one_out: the person tested; kfold: the group of persons tested, 0 … folds - 1.
        folds: kfold: number of groups of persons.
        split_seed: kfold: seed by which persons are divided into groups; independent of the seed of training, so that
            training again with another seed tests the same persons.
        **settings: those of `ClipDataset`.

    Raises:
        DataError: there is no data set, a broken 00sequences.txt, or nothing usable in this split.
        LstmzooError: an unknown split or protocol, or a fold that the protocol does not have.
    """

    licence = "non-commercial use"
    classes: Sequence[str] = list(ACTIONS)
    subsets: ClassVar = {"gaits": ("walking", "jogging", "running")}

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        protocol: Protocol = "official",
        fold: int = 0,
        folds: int = 5,
        split_seed: int = 0,
        **settings: Any,
    ) -> None:
        self.protocol, self.fold, self.folds, self.split_seed = protocol, fold, folds, split_seed
        super().__init__(root, split, **settings)

    def find_videos(self, split: str) -> Sequence[LabelledVideo]:
        sequences = read_sequences(self.root)
        names = {name: parse_name(name) for name in sequences}
        everyone = {name.person for name in names.values()}
        persons = split_persons(
            self.protocol, persons=everyone, fold=self.fold, folds=self.folds, seed=self.split_seed
        ).of(split)
        chosen = {name: sequences[name] for name in sequences if names[name].person in persons}
        wanted = {name: ranges for name, ranges in chosen.items() if ranges}
        if not wanted:
            self._explain_empty(split, everyone)
        files = self._find_files(chosen, wanted)
        return [
            LabelledVideo(
                files[name],
                label=ACTIONS.index(names[name].action),
                group=f"person{names[name].person:02d}",
                name=name,
                scenario=names[name].scenario,
                ranges=ranges,
            )
            for name, ranges in wanted.items()
            if name in files
        ]

    def _find_files(self, chosen: dict[str, list[Range]], wanted: dict[str, list[Range]]) -> dict[str, Path]:
        """Find the files of the videos that have ranges; note what is odd."""
        files = find_videos(self.root)
        missing = [name for name in wanted if name not in files.paths]
        if wanted and len(missing) == len(wanted):
            raise DataError(f"{self.root}: {missing_videos(missing)}. {remedy(self.root)}")
        if missing:
            self.problems.append(f"{self.root}: {missing_videos(missing)}")
        for name, others in files.duplicates.items():
            if wanted.get(name):
                self.problems.append(
                    f"{name} was found {len(others) + 1} times; {files.paths[name]} is used, not {listed(others)}"
                )
        unlisted = [path for name, path in files.paths.items() if name in chosen and not chosen[name]]
        if unlisted:
            self.problems.append(
                f"{self.root}: not used, because {SEQUENCES_FILE} has no frame ranges for them: {listed(unlisted)}"
            )
        return files.paths

    def _explain_empty(self, split: str, everyone: set[int]) -> None:
        """Explain an empty split, unless it is a validation split that the protocol leaves empty."""
        if split == "val" and self.protocol in ("16/9", "leave_one_out"):
            return
        message = (
            f"{self.root} has no person of split {split!r} under protocol {self.protocol!r}; it has persons "
            f"{listed(everyone, 25)}. Simulate more persons, or use protocol=kfold or protocol=leave_one_out"
        )
        if split != "val":
            raise DataError(message)
        self.problems.append(message)

    check = staticmethod(check)  # type: ignore[assignment]
    simulate = staticmethod(simulate_kth)
    prepare = staticmethod(prepare)
