"""Clips of masked videos for training, whole videos for validation and test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import dropwhile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from lstmzoo.errors import DataError
from lstmzoo.segmentation.data.inspection import LEAST_MASKS
from lstmzoo.segmentation.data.layout import SIMULATED_MARKER
from lstmzoo.segmentation.data.mask_clips import SegmentationClips
from lstmzoo.segmentation.data.mask_folder import MaskFolder
from lstmzoo.segmentation.data.masks import read_mask, shows_object
from lstmzoo.settings import settings_of
from lstmzoo.synthetic.marked_folder import is_ours
from lstmzoo.training.data_module import BaseDataModule


class SegmentationDataModule(BaseDataModule):
    """The data of video segmentation; see `MaskFolder` and `SegmentationClips`.

    Args:
        dataset: the class of the data set.
        root: its folder.
        train_list: list in ImageSets with the sequences trained on, or folder of a split; all: every sequence.
        val_list: list or folder with the sequences validated on.
        test_list: list or folder with the sequences tested on.
        batch_size: clips per batch and process; whole videos are always taken one at a time.
        num_workers: processes that load; one hides loading behind training, 0: the training process itself.
        semi_supervised: the first mask that shows an object is given, so that no earlier one can be scored.
        test_split: what is tested on: test, val or train.
        seed: of the order and of the clips.
        simulate: simulate what is missing, if the data set can.
        **settings: further arguments of the data set, of its ``simulate_missing`` and of `SegmentationClips`.

    Raises:
        TypeError: an unknown setting.
    """

    PARTS: ClassVar = (SegmentationClips,)
    NOT_SETTINGS: ClassVar = (*BaseDataModule.NOT_SETTINGS, "source", "semi_supervised", "dry_run")

    def __init__(
        self,
        dataset: Callable[..., MaskFolder],
        root: str | Path,
        *,
        train_list: str = "train",
        val_list: str = "val",
        test_list: str = "val",
        batch_size: int = 4,
        num_workers: int = 1,
        semi_supervised: bool = False,
        test_split: str = "test",
        seed: int = 0,
        simulate: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(batch_size=batch_size, num_workers=num_workers, test_split=test_split, seed=seed)
        simulator = getattr(dataset, "simulate_missing", None)
        self.dataset, self.root = dataset, Path(root)
        self.lists = {"train": train_list, "val": val_list, "test": test_list}
        self.semi_supervised = semi_supervised
        self.classes: list[str] = []
        self.make_clips: Any = getattr(dataset, "PARTS", self.PARTS)[0]
        self.files, self.clips, self.simulation = (
            _settings_for(one, settings) for one in (dataset, self.make_clips, simulator)
        )
        if unknown := settings.keys() - {*self.files, *self.clips, *self.simulation}:
            raise TypeError(f"unknown settings: {', '.join(sorted(unknown))}")
        self.simulator = simulator if simulate else None

    def prepare_data(self) -> None:
        """Simulate the data set if it is missing."""
        if self.simulator is not None:
            self.simulator(self.root, **self.simulation)

    def check(self, *, test: bool) -> None:
        self.make_clips(SimpleNamespace(sequences=[], binary=False, table=None), seed=self.seed, **self.clips)
        if self.simulator is not None and is_ours(self.root, SIMULATED_MARKER):
            self.simulator(self.root, **self.simulation, dry_run=True)
            return
        self.setup("fit")
        if test:
            self.setup("test")

    def setup(self, stage: str | None = None) -> None:
        """Open the data sets of a stage."""
        if stage == "fit" and self.train_dataset is None:
            opened = self._open("train")
            self.train_dataset = self.make_clips(opened, seed=self.seed, **self.clips)
            self.classes = list(getattr(opened, "classes", []))
            self.val_dataset = self._open_scored("val")
        if stage == "test" and self.test_dataset is None:
            self.test_dataset = self._open_scored(self.test_split)
            self.classes = list(getattr(self.test_dataset, "classes", []))

    @property
    def labels(self) -> list[str]:
        """The classes of pixels; none where objects are numbered, and every video has its own."""
        return self.classes

    @property
    def sizes(self) -> str:
        return f"sequences: {', '.join(f'{len(data.sequences)} {split}' for split, data in self.datasets().items())}"

    @property
    def sequence_length(self) -> int:
        """Frames of a clip."""
        return int(self.train_dataset.clip_len)

    @property
    def even_batch_size(self) -> None:
        """Whole videos one at a time: their sizes and lengths differ."""
        return None

    def _open(self, split: str) -> MaskFolder:
        return self.dataset(self.root, self.lists.get(split, split), **self.files)

    def _open_scored(self, split: str) -> MaskFolder:
        """Open what results are compared with."""
        dataset = self._open(split)
        for video in dataset.sequences if not hasattr(dataset, "classes") else ():
            masks = [mask for mask in video.masks if mask is not None]
            masks = _from_first_object(masks) if self.semi_supervised else masks
            if len(masks) < LEAST_MASKS:
                which = " from the first that shows an object on" if self.semi_supervised else ""
                raise DataError(
                    f"{video.name} of the list {dataset.split!r} has {len(masks)} masks{which}; scoring a "
                    f"result takes {LEAST_MASKS}: take it out of the list, or name another with data.{split}_list"
                )
        return dataset


def _settings_for(function: Callable[..., Any] | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the settings that a class or function takes."""
    known = settings_of(function) if function is not None else {}
    return {name: value for name, value in settings.items() if name in known}


def _from_first_object(masks: list[Path]) -> list[Path]:
    """Leave out the masks before the first that shows an object."""
    return list(dropwhile(lambda mask: not shows_object(read_mask(mask)), masks))
