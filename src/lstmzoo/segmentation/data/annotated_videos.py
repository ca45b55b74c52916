"""Whole sequences of frames, as data sets whose annotations differ."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from lstmzoo.io.images import read_rgb
from lstmzoo.segmentation.data.layout import MaskedVideo
from lstmzoo.segmentation.data.masks import VOID


class AnnotatedVideos(Dataset[dict[str, Any]], ABC):
    """Sequences as items; a subclass sets `sequences`, and writes `read`."""

    sequences: list[MaskedVideo]

    @abstractmethod
    def read(self, path: Path, size: tuple[int, ...]) -> np.ndarray:
        """Read an annotation of a frame of a size (H, W): uint8 (H, W), 255 void."""

    def __len__(self) -> int:
        return len(self.sequences)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Decode a sequence.

        Raises:
            IndexError: there is no such sequence.
            DataError: a file that cannot be decoded.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"sequence {index} of {len(self)}")
        video = self.sequences[index]
        frames = np.stack([read_rgb(path) for path in video.frames])  # (T, H, W, 3)
        masks = np.full(frames.shape[:3], VOID, np.uint8)
        for mask, path in zip(masks, video.masks, strict=True):
            if path is not None:
                mask[:] = self.read(path, mask.shape)
        return {
            "video": torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2))),
            "masks": torch.from_numpy(masks),
            "annotated": torch.tensor([path is not None for path in video.masks]),
            "name": video.name,
            "index": index,
        }
