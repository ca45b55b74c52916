"""Outputs of a network that are not finite are refused: nan must not pass for a result."""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from lstmzoo.errors import DataError


def check_finite(outputs: Tensor, model: Any, about: object = "") -> None:
    """Make sure that the outputs of a network are finite.

    Args:
        outputs: logits, probabilities or the like, of any shape.
        model: the network; one from ``lstmzoo.load`` knows its checkpoint.
        about: what they are about, e.g. the name of a video.

    Raises:
        DataError: a number is not finite.
    """
    ends = outputs.aminmax() if outputs.numel() else ()  # nan is both; 20 times faster than to ask every number
    if not all(bool(end.isfinite()) for end in ends):
        raise _not_finite(model, about)


def check_scores(scores: Sequence[float], model: Any, about: object = "") -> None:
    """Make sure that the logits behind the captions of an image were finite.

    Args:
        scores: log-probabilities of its captions; logits that are not finite give no captions at all.
        model: see `check_finite`.
        about: the image.

    Raises:
        DataError: they were not.
    """
    if not scores or not all(map(math.isfinite, scores)):
        raise _not_finite(model, about)


def _not_finite(model: Any, about: object) -> DataError:
    checkpoint = getattr(model, "checkpoint", None)
    network = f"the network of {checkpoint}" if checkpoint else "the network"
    return DataError(
        f"{f'{about}: ' if about else ''}the outputs of {network} are not finite: its weights are so large that they "
        "overflow (take a checkpoint from before the training diverged), or the precision is too low (take 32 bits)"
    )
