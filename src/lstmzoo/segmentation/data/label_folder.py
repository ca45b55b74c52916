"""Sequences of frames with a class for every pixel, in CamVid's layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lstmzoo.errors import DataError
from lstmzoo.registry import register_dataset
from lstmzoo.segmentation.data.annotated_videos import AnnotatedVideos
from lstmzoo.segmentation.data.class_table import read_labels, read_table
from lstmzoo.segmentation.data.label_clips import LabelClips
from lstmzoo.segmentation.data.label_layout import check_label_files, find_videos_of

if TYPE_CHECKING:
    from lstmzoo.segmentation.data.label_check import LabelReport

_SETTINGS = {"test_list": "test", "size": (360, 480)}


@register_dataset("label_folder", "segmentation", **_SETTINGS)
class LabelFolder(AnnotatedVideos):
    """Your own frames and label images with a class for every pixel, in CamVid's layout; see data/README.md.

    ``train/0001TP_006690.png`` with ``trainannot/0001TP_006690.png``, likewise ``val`` and ``test``, and
    ``classes.txt``. Frames of one name before the number are a sequence; any of them may be without a label image.

    An item is a dictionary:

    - ``"video"``: uint8 (T, 3, H, W) RGB
    - ``"masks"``: uint8 (T, H, W): classes from 0, 255 void or not labelled
    - ``"annotated"``: bool (T,)
    - ``"name"``: str, the sequence
    - ``"index"``: int, the item

    Args:
        root: folder with train, trainannot and so on, and classes.txt or label_colors.txt.
        split: train, val or test; several joined by +, e.g. train+val; or all.
        table: file that lists the classes; null: classes.txt or label_colors.txt in root.

    Attributes:
        sequences: the files of each sequence.
        classes: the names of the classes, in the order of their numbers.

    Raises:
        DataError: no data set, no list of classes, no label images at all, or a file that is missing, cut short or of
            another size than its frame.
    """

    PARTS: ClassVar = (LabelClips,)
    published: ClassVar[Mapping[str, int]] = {}
    """The published number of labels of every split."""

    def __init__(self, root: str | Path, split: str = "val", *, table: Path | None = None) -> None:
        self.root, self.split = Path(root), split
        self.sequences = find_videos_of(self.root, split)
        self.table = read_table(self.root, None if table is None else Path(table))
        self.classes = list(self.table.names)
        for video in self.sequences:
            check_label_files(video, self.table)
        if not any(path for video in self.sequences for path in video.masks):
            raise DataError(
                f"{self.root} has no label images for {split}: they are {split}annot/<frame>.png, named as the "
                f"frames in {split} are"
            )

    def read(self, path: Path, size: tuple[int, ...]) -> np.ndarray:
        return read_labels(path, self.table, size)

    @classmethod
    def check(cls, root: str | Path, table: Path | None = None) -> LabelReport:
        """Decode every frame and label image once, and count frames, labels and classes.

        Of CamVid, the counts are compared with those published.

        Args:
            root: folder of the data set.
            table: file that lists the classes; null: classes.txt or label_colors.txt in root.

        Raises:
            DataError: no data set, or no list of classes.
        """
        from lstmzoo.segmentation.data.label_check import check

        return check(Path(root), table, cls.published)


@register_dataset("camvid", "segmentation", root="data/camvid", **_SETTINGS)
class CamVid(LabelFolder):
    """CamVid, streets seen from a car, with the split and the eleven classes of SegNet.

    Arguments and items are those of `LabelFolder`. Brostow et al. 2009, "Semantic object classes in video: A
    high-definition ground truth database"; the split: Badrinarayanan et al. 2017, "SegNet", section 4.1.
    """

    published: ClassVar = {"train": 367, "val": 101, "test": 233}
