"""Clips of masked videos for training, whole videos for validation and test."""

from __future__ import annotations

from itertools import dropwhile
from pathlib import Path
from typing import Any

from lstmzoo.errors import DataError, LstmzooError, unknown_choice
from lstmzoo.segmentation.data import DAVIS, SegmentationClips, read_mask
from lstmzoo.segmentation.data.inspection import LEAST_MASKS
from lstmzoo.segmentation.data.layout import SIMULATED_MARKER, MaskedVideo, find_layout, find_lists, find_sequences
from lstmzoo.segmentation.data.masks import shows_object
from lstmzoo.synthetic.folder import is_ours, read_marker
from lstmzoo.training.data_module import BaseDataModule

DATASETS = ("davis", "davis_simulated", "mask_folder")
SIMULATION_KEYS = {
    "train": "data.train_sequences",
    "val": "data.val_sequences",
    "test": "data.test_sequences",
    "frames": "data.simulated_frames",
    "size": "data.simulated_size",
    "seed": "data.simulation_seed",
}
"""Arguments of `simulate_davis`, and their keys in a configuration."""


class _NoVideos:
    """What `SegmentationClips` checks its options on, where there are no videos yet."""

    def __init__(self) -> None:
        self.sequences: list[MaskedVideo] = []
        self.binary = False


class SegmentationDataModule(BaseDataModule):
    """The data of video segmentation; see `DAVIS` and `SegmentationClips`.

    Args:
        name: davis, davis_simulated or mask_folder.
        root: folder of the data set.
        train_list: the list in ImageSets with the sequences trained on; ``all`` for every sequence.
        val_list: ... validated on.
        test_list: ... tested on.
        year: whose lists; None takes those that are there.
        resolution: of the files.
        binary: all objects are one, the foreground.
        unsupervised: take the masks of the unsupervised track.
        follows: the first mask that shows an object is given (semi-supervised), so that no earlier one can be scored.
        clip_len: frames per training clip.
        batch_size: clips per batch and process; whole videos are always taken one at a time.
        num_workers: processes that load; 0 for the training process itself.
        test_split: what is tested on: test, val or train.
        seed: of the order and of the clips.
        simulate: arguments of the simulator, to make the data set where it is missing; None never makes any.
        **clips: further arguments of `SegmentationClips`.

    Raises:
        LstmzooError: an unknown name.
    """

    def __init__(
        self,
        name: str,
        root: str,
        *,
        train_list: str = "train",
        val_list: str = "val",
        test_list: str = "val",
        year: int | None = None,
        resolution: str = "480p",
        binary: bool = False,
        unsupervised: bool = False,
        follows: bool = False,
        clip_len: int = 8,
        batch_size: int = 4,
        num_workers: int = 0,
        test_split: str = "test",
        seed: int = 0,
        simulate: dict[str, Any] | None = None,
        **clips: Any,
    ) -> None:
        super().__init__(batch_size=batch_size, num_workers=num_workers, test_split=test_split, seed=seed)
        if name not in DATASETS:
            raise LstmzooError(unknown_choice("data.name", name, DATASETS))
        self.source, self.root = name, Path(root)
        self.lists = {"train": train_list, "val": val_list, "test": test_list}
        self.files: dict[str, Any] = {
            "year": year,
            "resolution": resolution,
            "binary": binary or None,  # the lists of 2016 say so themselves
            "unsupervised": unsupervised,
        }
        self.follows = follows
        self.clips = {"clip_len": clip_len, **clips}
        self.simulate = simulate

    def prepare_data(self) -> None:
        """Make the simulated data set if it is missing."""
        if self.simulate is not None:
            simulate_missing(self.root, self.simulate)

    def check(self, *, test: bool) -> None:
        SegmentationClips(_NoVideos(), seed=self.seed, **self.clips)
        year, resolution, unsupervised = (self.files[key] for key in ("year", "resolution", "unsupervised"))
        if self.simulate is not None and is_ours(self.root, SIMULATED_MARKER):
            check_simulation(self.root, self.simulate)
            return
        layout = find_layout(self.root, resolution, unsupervised=unsupervised)
        for split in ("train", "val", self.test_split) if test else ("train", "val"):
            find_sequences(layout, find_lists(layout, self.lists[split], year=year, resolution=resolution))

    def setup(self, stage: str | None = None) -> None:
        """Open the data sets of a stage."""
        if stage == "fit" and self.train_dataset is None:
            self.train_dataset = SegmentationClips(self._open("train"), seed=self.seed, **self.clips)
            self.val_dataset = self._open_scored("val")
        if stage == "test" and self.test_dataset is None:
            self.test_dataset = self._open_scored(self.test_split)

    @property
    def labels(self) -> list[str]:
        """No classes: objects are numbered, and every video has its own."""
        return []

    @property
    def sizes(self) -> str:
        return f"sequences: {', '.join(f'{len(data.sequences)} {split}' for split, data in self.datasets().items())}"

    @property
    def even_batch_size(self) -> None:
        """Whole videos one at a time: their sizes and lengths differ."""
        return None

    def _open(self, split: str) -> DAVIS:
        return DAVIS(self.root, self.lists[split], **self.files)

    def _open_scored(self, split: str) -> DAVIS:
        """Open what results are compared with."""
        dataset = self._open(split)
        for video in dataset.sequences:
            masks = [mask for mask in video.masks if mask is not None]
            masks = _from_first_object(masks) if self.follows else masks
            if len(masks) < LEAST_MASKS:
                which = " from the first that shows an object on" if self.follows else ""
                raise DataError(
                    f"{video.name} of the list {self.lists[split]!r} has {len(masks)} masks{which}; to score a result "
                    f"takes {LEAST_MASKS}: take it out of the list, or name another with data.{split}_list"
                )
        return dataset


def _from_first_object(masks: list[Path]) -> list[Path]:
    """Leave out the masks before the first that shows an object."""
    return list(dropwhile(lambda mask: not shows_object(read_mask(mask)), masks))


def simulate_missing(root: Path, arguments: dict[str, Any]) -> None:
    """Make or complete a simulated data set in `root`; a data set that is none of ours is left as it is.

    Args:
        root: folder of the data set.
        arguments: those of `simulate_davis`.

    Raises:
        LstmzooError: a number out of its range, by the name that it has in a configuration.
        DataError: the folder holds a simulated set of other sequences.
    """
    from lstmzoo.segmentation.data.davis_simulated import simulate_davis

    if not is_ours(root, SIMULATED_MARKER):
        return
    check_simulation(root, arguments)
    if not (root / SIMULATED_MARKER).is_file():
        print(f"There is no data in {root} yet: simulating DAVIS")
    simulate_davis(root, **arguments)


def check_simulation(root: Path, arguments: dict[str, Any]) -> None:
    """Complain of what `simulate_missing` cannot make, or not there."""
    from lstmzoo.segmentation.data.davis_simulated import check_numbers

    check_numbers(SIMULATION_KEYS, **arguments)
    if (root / SIMULATED_MARKER).is_file():
        _check_same(root, read_marker(root / SIMULATED_MARKER), arguments)


def _check_same(root: Path, found: dict[str, Any], arguments: dict[str, Any]) -> None:
    """Refuse a simulated set of other sequences than those asked for, and say how to train on it all the same."""
    wanted = {name: list(value) if name == "size" else value for name, value in arguments.items()}
    differing = [name for name in ("frames", "size", "seed") if name in found and found[name] != wanted[name]]
    if differing:
        there, asked = (
            ", ".join(f"{SIMULATION_KEYS[name]}={values[name]}" for name in differing) for values in (found, wanted)
        )
        raise DataError(
            f"{root} holds a set that was simulated with {there}, and this asks for {asked}. To train on it as it is: "
            f"data=davis data.root={root} data.test_list=test; or give another folder with data.root"
        )
