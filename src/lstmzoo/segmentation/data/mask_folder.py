"""Sequences of frames with the masks of their objects, in the layout of DAVIS."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from lstmzoo.errors import DataWarning
from lstmzoo.registry import register_dataset
from lstmzoo.segmentation.data.annotated_videos import AnnotatedVideos
from lstmzoo.segmentation.data.check import check
from lstmzoo.segmentation.data.inspection import check_files, doubtful_masks
from lstmzoo.segmentation.data.layout import find_layout, find_lists, find_sequences
from lstmzoo.segmentation.data.masks import read_ids


@register_dataset("mask_folder", "segmentation")
class MaskFolder(AnnotatedVideos):
    """Your own frames and masks, in folders like those of DAVIS; see data/README.md.

    ``JPEGImages/480p/<sequence>/00000.jpg``, ``Annotations/480p/<sequence>/00000.png`` and the lists of ``ImageSets``.
    Any frame may be without a mask; the test sets of DAVIS have that of the first frame only. What can be known of the
    files without decoding them is checked at once.

    An item is a dictionary:

    - ``"video"``: uint8 (T, 3, H, W) RGB
    - ``"masks"``: uint8 (T, H, W): 0 background, 1 … K the objects of the sequence, 255 void or not annotated
    - ``"annotated"``: bool (T,)
    - ``"name"``: str, the sequence
    - ``"index"``: int, the item
    - ``"official"``: bool, it is of DAVIS, whose rules hold for its scores

    Args:
        root: folder with JPEGImages, Annotations and ImageSets.
        split: train, val, trainval, test-dev, test-challenge or the name of any other list; all for every sequence.
        year: whose lists: 2016 or 2017; null: those that are there, 2017 before 2016.
        resolution: of the files: 480p, 1080p (2016) or Full-Resolution (2017).
        binary: merge all objects into one, the foreground; null: for the lists of 2016.
        unsupervised: take the masks of all salient objects, in ``Annotations_unsupervised`` (2017).

    Attributes:
        sequences: the files of each sequence. (And ``year`` is then that of the list; None for your own.)

    Raises:
        DataError: no data set, a list with an unknown sequence, a file that is missing, cut short or no mask, or frames
            and masks of different sizes.
        LstmzooError: an unknown resolution or year.
    """

    material = ("backgrounds", "textures", "objects")  # settings of training clips that show what is not of this set

    def __init__(
        self,
        root: str | Path,
        split: str = "val",
        *,
        year: int | None = None,
        resolution: str = "480p",
        binary: bool | None = None,
        unsupervised: bool = False,
    ) -> None:
        self.root = Path(root)
        self.split = split
        self.resolution = resolution
        self.unsupervised = unsupervised
        layout = find_layout(root, resolution, unsupervised=unsupervised)
        lists = find_lists(layout, split, year=year, resolution=resolution)
        self.sequences = find_sequences(layout, lists)
        self.year = lists[0].year
        self.binary = self.year == 2016 if binary is None else binary
        for video in self.sequences:
            check_files(video)
        if self.year is None:
            _warn_of_masks(self)

    def read(self, path: Path, size: tuple[int, ...]) -> np.ndarray:
        return read_ids(path, size, binary=self.binary)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {**super().__getitem__(index), "official": self.year is not None}

    check: Any = staticmethod(check)


def _warn_of_masks(data: MaskFolder) -> None:
    """Say what a look at a few masks shows: values that are hardly meant as numbers of objects."""
    doubts = [f"{video.name}: {fault}" for video in data.sequences for fault in doubtful_masks(video)]
    if doubts:
        more = f" ({len(doubts) - 1} more)" if len(doubts) > 1 else ""
        warnings.warn(
            f"{doubts[0]}{more}; `lstmzoo data check mask_folder root={data.root}` looks at all masks",
            DataWarning,
            stacklevel=3,
        )
