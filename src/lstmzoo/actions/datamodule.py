"""Clips for training, validation and test, from a data set chosen by name."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from lstmzoo.actions.data.clip_dataset import ClipDataset
from lstmzoo.actions.data.kth import KTH, choose_sequences
from lstmzoo.actions.data.kth_files import read_sequences
from lstmzoo.actions.data.kth_protocols import split_persons
from lstmzoo.actions.data.video_division import divide
from lstmzoo.actions.data.video_folder import VideoFolder
from lstmzoo.errors import DataError, LstmzooError, unknown_choice
from lstmzoo.io.augment import Augment
from lstmzoo.io.clips import ClipSampler
from lstmzoo.synthetic.checks import check_whole
from lstmzoo.synthetic.folder import is_ours
from lstmzoo.training.data_module import BaseDataModule

DATASETS: dict[str, type[ClipDataset]] = {"kth": KTH, "kth_simulated": KTH, "video_folder": VideoFolder}


class ClipDataModule(BaseDataModule):
    """The data of action recognition.

    Args:
        name: kth, kth_simulated or video_folder.
        root: folder of the data set.
        batch_size: clips per batch and process.
        num_workers: processes that load clips; 0 for the training process itself.
        val_clips: clips per sequence in validation.
        test_clips: clips per sequence in the test.
        test_split: what is tested on: test, val or train (evenly spaced clips in each).
        grey: one channel instead of three.
        seed: of the order, the clips and their views in training.
        flip: mirror half of the training clips.
        shift: farthest move of a training clip, as a share of the frame.
        zoom: strongest zoom of a training clip.
        simulate: arguments of the simulator, to make the data set where it is missing; None never makes any.
        **dataset: further arguments of the data set.

    Raises:
        LstmzooError: an unknown name.
    """

    def __init__(
        self,
        name: str,
        root: str,
        *,
        batch_size: int = 32,
        num_workers: int = 0,
        val_clips: int = 1,
        test_clips: int = 4,
        test_split: str = "test",
        grey: bool = True,
        seed: int = 0,
        flip: bool = True,
        shift: float = 0.0,
        zoom: float = 0.0,
        simulate: dict[str, Any] | None = None,
        **dataset: Any,
    ) -> None:
        super().__init__(batch_size=batch_size, num_workers=num_workers, test_split=test_split, seed=seed)
        if name not in DATASETS:
            raise LstmzooError(unknown_choice("data.name", name, DATASETS))
        if val_clips < 1 or test_clips < 1:
            raise LstmzooError("data.val_clips and data.test_clips must be 1 or more")
        self.source, self.root = name, Path(root)
        self.val_clips, self.test_clips = val_clips, test_clips
        self.simulate = simulate
        self.arguments = {**dataset, "grey": grey, "augment": Augment(flip, shift, zoom)}

    def prepare_data(self) -> None:
        """Make the simulated data set if it is missing."""
        if self.simulate is not None:
            simulate_missing(self.root, self.simulate, self.arguments)

    def setup(self, stage: str | None = None) -> None:
        """Open the data sets of a stage; their videos are decoded into the cache at the first time."""
        if stage == "fit" and self.train_dataset is None:
            self.train_dataset = self._open("train", train=True, seed=self.seed)
            self.val_dataset = self._open("val", num_clips=self.val_clips, **self._known_fps())
        if stage == "test" and self.test_dataset is None:
            self.test_dataset = self._open(self.test_split, train=False, num_clips=self.test_clips, **self._known_fps())

    def check(self, *, test: bool) -> None:
        from lstmzoo.actions.data import kth_simulated as kth

        ClipSampler(**self._known_by(ClipSampler))
        if self.source == "video_folder":
            division = divide(self.root, **self._known_by(divide))
            if not division.of("train"):
                raise DataError(f"{self.root} has no video in split 'train'")
            if test and not division.of(self.test_split):
                raise DataError(
                    f"{self.root} has no {self.test_split} split; add one, or train without: test_after_fit=false"
                )
        elif self.simulate is not None and is_ours(self.root, kth.MARKER):
            if kth.contents(self.root) is None:
                _check_simulation(self.simulate, self.arguments)
        else:
            for split in ("train", self.test_split) if test else ("train",):
                choose_sequences(self.root, split, **self._known_by(choose_sequences))

    def _known_by(self, function: Any) -> dict[str, Any]:
        known = inspect.signature(function).parameters
        return {key: value for key, value in self.arguments.items() if key in known}

    @property
    def labels(self) -> list[str]:
        return (self.train_dataset or self.test_dataset).classes

    @property
    def fps(self) -> float | None:
        """Frames per second that clips are meant for: those of most training videos; None where none tells them."""
        return None if self.train_dataset is None else self.train_dataset.fps

    @property
    def sizes(self) -> str:
        opened = self.datasets()
        numbers = f"sequences: {', '.join(f'{len(data.segments)} {split}' for split, data in opened.items())}"
        divisions = [data.division for data in opened.values() if isinstance(data, VideoFolder)]
        return f"{numbers}; {divisions[0]}" if divisions else numbers

    def _known_fps(self) -> dict[str, float]:
        return {"fps": self.fps} if self.fps else {}

    def _open(self, split: str, **arguments: Any) -> ClipDataset:
        size = tuple(self.arguments.get("size", (64, 64)))
        dataset: Any = DATASETS[self.source]
        return dataset(self.root, split, **{**self.arguments, "size": size, **arguments})


def _check_simulation(simulate: dict[str, Any], protocol: dict[str, Any]) -> None:
    """Find out before videos are made that the protocol has no use for so few persons."""
    from lstmzoo.actions.data.kth_simulated import PERSONS, SCENARIOS

    persons = simulate["persons"]
    check_whole("data.persons", persons, 1, PERSONS)
    check_whole("data.scenarios", simulate["scenarios"], 1, SCENARIOS)
    check_whole("data.simulation_seed", simulate["seed"], 0)
    options = {key: protocol[key] for key in ("protocol", "fold", "folds") if key in protocol}
    tested = split_persons(**options, persons=range(1, persons + 1), seed=protocol.get("split_seed", 0))
    for split in ("train", "test"):
        if not tested.of(split):
            raise LstmzooError(
                f"data.persons={persons}: protocol {options.get('protocol')!r} would have no {split} persons; simulate "
                "more (25 for the official split), or choose data.protocol=kfold"
            )


def simulate_missing(root: Path, arguments: dict[str, Any], protocol: dict[str, Any]) -> None:
    """Make or complete a simulated KTH in `root`; a finished one, or one that is none of ours, is left as it is.

    Args:
        root: folder of the data set.
        arguments: those of `simulate_kth`: persons, scenarios and seed.
        protocol: those of the data set, which may have no use for so few persons.

    Raises:
        LstmzooError: an argument that is not possible, or too few persons for the protocol.
    """
    from lstmzoo.actions.data import kth_simulated as kth

    if not is_ours(root, kth.MARKER):
        return
    found = kth.contents(root)
    if found is None:
        _check_simulation(arguments, protocol)
    else:
        different = [key for key, value in arguments.items() if found[key] != value]
        if different:
            has, asked = (", ".join(f"{key}={some[key]}" for key in different) for some in (found, arguments))
            print(f"{root} holds a simulated KTH with {has} and is taken as it is, not with {asked}")
        arguments = found
    planned = arguments["persons"] * len(kth.ACTIONS) * arguments["scenarios"]
    wanted = planned if found is None else len(read_sequences(root))
    there = sum(1 for _ in root.glob("*/*.avi"))
    if found is None or there < wanted:
        state = f"only {there} of {wanted} videos" if there else "no data"
        print(f"There is {state} in {root} yet: simulating KTH with {arguments['persons']} persons")
        kth.simulate_kth(root, **arguments)
