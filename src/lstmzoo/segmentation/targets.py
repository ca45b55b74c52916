"""What a model should predict for training clips: objects drawn from their masks."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from lstmzoo.errors import LstmzooError
from lstmzoo.segmentation.data.masks import VOID


@dataclass
class TeacherForcing:
    """How often a guided model sees the true previous mask in training, in place of its own.

    Args:
        start: share of the frames of the first epoch.
        epochs: epochs until there are none; in between, the share falls linearly.

    Raises:
        LstmzooError: a value out of its range.
    """

    start: float = 1.0
    epochs: float = 10.0

    def __post_init__(self) -> None:
        if not 0 <= self.start <= 1 or self.epochs <= 0:
            raise LstmzooError(
                f"task.teacher_forcing: start={self.start} must lie in 0..1 and epochs={self.epochs} be above 0"
            )

    def share(self, epoch: int) -> float:
        """Return the share of frames in an epoch, counted from 0, that see the true previous mask."""
        return self.start * max(0.0, 1 - epoch / self.epochs)


FULL_FORCING = TeacherForcing()


class Targets(NamedTuple):
    """What should be predicted for a batch of clips."""

    # (B, T, K, H, W) in 0..1, the mask of every object; of clips with fewer than K some are always empty, which costs
    # nothing and teaches nothing (see `SegmentGuided`)
    objects: Tensor
    valid: Tensor  # (B, T, H, W) bool, pixels that are annotated
    known: Tensor  # (B, T) bool, frames whose true masks are shown to the next frame in place of the model's own


def draw_targets(ids: Tensor, max_objects: int | None, teacher: float) -> Targets:
    """Draw the targets of a batch of clips.

    Args:
        ids: numbers of the objects, uint8 (B, T, H, W).
        max_objects: most objects of a clip, some of those of its first frame; None: all objects as one, the foreground.
        teacher: share of the frames whose true masks are shown to the next frame.
    """
    valid = ids != VOID
    if max_objects is None:
        objects = (valid & (ids > 0)).unsqueeze(2)
    else:
        chosen = choose_objects(ids[:, 0], max_objects).to(ids.device)  # (B, K)
        objects = ids.unsqueeze(2) == chosen[:, None, :, None, None]
    known = torch.rand(ids.shape[:2]).to(ids.device) < teacher
    return Targets(objects.float(), valid, known & valid.flatten(2).any(2))


def choose_objects(first: Tensor, most: int) -> Tensor:
    """Draw numbers (B, K) of objects in the first masks (B, H, W), 1 to so many each; -1 where there are fewer.

    Not always all of them: one that is not asked for is to be told from the others, too.
    """
    chosen = []
    for mask in first:
        present = [number for number in mask.unique().tolist() if number not in (0, VOID)]
        count = int(torch.randint(min(most, len(present)), ())) + 1 if present else 0
        order = torch.randperm(len(present))[:count]
        chosen.append([present[place] for place in order.tolist()])
    width = max(1, *map(len, chosen))
    return torch.tensor([numbers + [-1] * (width - len(numbers)) for numbers in chosen], dtype=torch.int16)
