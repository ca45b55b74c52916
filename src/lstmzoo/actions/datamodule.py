"""Clips for training, validation and test, from any data set of videos."""

from pathlib import Path
from typing import Any, ClassVar

from lstmzoo.actions.data.clip_dataset import ClipDataset
from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.io.augment import Augment
from lstmzoo.io.clips import ClipSampler
from lstmzoo.settings import settings_of
from lstmzoo.training.data_module import BaseDataModule


class VideoDataModule(BaseDataModule):
    """The data of action recognition.

    Args:
        dataset: class of the data set. Where it has a function ``simulate_missing(root, ..., dry_run=False)``, that
            makes the data; the function says whether there were none.
        root: folder of the data set.
        val_clips: clips per sequence, evenly spaced and averaged, in validation.
        test_clips: clips per sequence, evenly spaced and averaged, in the test.
        flip: training: mirror half of the clips, left to right.
        shift: training: largest shift of a clip, as a share of the frame.
        zoom: training: strongest zoom in or out, as a share of the size.
        light: training: strongest change of contrast, brightness and gamma, as a share.
        noise: training: standard deviation of the strongest noise that is added, in grey values.
        batch_size: clips per batch and process.
        num_workers: processes that load clips; one hides loading behind training; 0: the training process itself.
        test_split: what is tested on: test, val or train (evenly spaced clips in each).
        seed: of the order, the clips and their views in training.
        grey: one channel instead of three.
        fps: frames per second that clips are meant for; None for those of most training videos.
        simulate: make the data where they are missing, if the data set can.
        **settings: further arguments of the data set, and those of its ``simulate_missing``.

    Raises:
        LstmzooError: a setting out of its range.
    """

    NOT_SETTINGS: ClassVar[tuple[str, ...]] = (
        *BaseDataModule.NOT_SETTINGS,
        *ClipDataset.NOT_SETTINGS,
        "dry_run",
    )
    TRAINING_ONLY: ClassVar = ("flip", "shift", "zoom", "light", "noise", "val_clips")

    def __init__(
        self,
        dataset: type[ClipDataset],
        root: str | Path,
        *,
        val_clips: int = 1,
        test_clips: int = 4,
        flip: bool = True,
        shift: float = 0.08,
        zoom: float = 0.15,
        light: float = 0.0,
        noise: float = 0.0,
        batch_size: int = 32,
        num_workers: int = 1,
        test_split: str = "test",
        seed: int = 0,
        grey: bool = True,
        fps: float | None = None,
        simulate: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(batch_size=batch_size, num_workers=num_workers, test_split=test_split, seed=seed)
        if val_clips < 1 or test_clips < 1:
            raise LstmzooError("data.val_clips and data.test_clips must be 1 or more")
        self.dataset, self.root = dataset, Path(root)
        self.val_clips, self.test_clips = val_clips, test_clips
        self._fps = fps
        simulator = getattr(dataset, "simulate_missing", None)
        known, own = settings_of(simulator) if simulator else {}, settings_of(dataset)
        self._simulation = {key: value for key, value in settings.items() if key in known}
        self._simulates = simulate and simulator is not None
        self._arguments = {key: value for key, value in settings.items() if key in own or key not in known}
        self._arguments |= {"grey": grey, "augment": Augment(flip, shift, zoom, light, noise)}
        ClipSampler(**{key: value for key, value in settings.items() if key in ("clip_len", "frame_interval")})

    def prepare_data(self) -> None:
        """Make the simulated data set if it is missing."""
        if self._simulates:
            self._simulate()

    def setup(self, stage: str | None = None) -> None:
        """Open the data sets of a stage; their videos are decoded into the cache the first time."""
        if stage == "fit" and self.train_dataset is None:
            self.train_dataset = self._open("train", train=True, seed=self.seed, fps=self._fps)
            self.val_dataset = self._open("val", num_clips=self.val_clips, fps=self.fps)
        if stage == "test" and self.test_dataset is None:
            self.test_dataset = self._open(self.test_split, train=False, num_clips=self.test_clips, fps=self.fps)

    def check(self, *, test: bool) -> None:
        if self._simulates and self._simulate(dry_run=True):
            return
        for split in ("train", self.test_split) if test else ("train",):
            if not self._open(split, decode=False).videos:
                remedy = "" if split == "train" else "; add one, or train without: test_after_fit=false"
                raise DataError(f"{self.root} has no video in split {split!r}{remedy}")

    def _simulate(self, **options: Any) -> bool:
        return self.dataset.simulate_missing(self.root, **self._simulation, **options)  # type: ignore[attr-defined]

    def _open(self, split: str, **options: Any) -> ClipDataset:
        return self.dataset(self.root, split, **self._arguments, **options)

    @property
    def labels(self) -> list[str]:
        return list((self.train_dataset or self.test_dataset).classes)

    @property
    def sequence_length(self) -> int:
        """Frames of a clip."""
        return int(self.train_dataset.frames_per_clip)

    @property
    def fps(self) -> float | None:
        """Frames per second that clips are meant for: those of most training videos; None where none tells them."""
        return self._fps if self.train_dataset is None else self.train_dataset.fps

    @property
    def sizes(self) -> str:
        opened = self.datasets()
        numbers = f"sequences: {', '.join(f'{len(data.segments)} {split}' for split, data in opened.items())}"
        return "; ".join(filter(None, [numbers, next(iter(opened.values())).about]))
