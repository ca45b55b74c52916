"""The packaged ImageNet encoder, shared: weights that are equal to it are left out of a file and restored from it."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from lstmzoo.errors import CheckpointError
from lstmzoo.models.encoder_weights import LITE0, LITE0_FILE

FIRST = "conv_stem.weight"
"""By this weight the encoder is found in a model."""


@cache
def encoder_weights() -> dict[str, Tensor]:
    """The packaged weights as a model has them: those that are stored in float16 are float32 again."""
    return {
        key: weight.float() if weight.is_floating_point() else weight for key, weight in load_file(LITE0_FILE).items()
    }


def shared_part(weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """Say which weights of a model are those of the packaged encoder, bit for bit.

    Returns:
        ``name`` of the encoder, ``prefix`` of its weights in the model, and ``tensors``, the names of those that are
        equal, without the prefix; None where there are none.
    """
    places = [name.removesuffix(FIRST) for name in weights if name.endswith(FIRST)]
    if not places:
        return None
    equal = [key for key, weight in encoder_weights().items() if _same(weights.get(places[0] + key), weight)]
    return {"name": LITE0, "prefix": places[0], "tensors": sorted(equal)} if equal else None


def restored(part: Any, origin: str) -> dict[str, Tensor]:
    """Return the weights that `shared_part` has left out, by their names in the model.

    Raises:
        CheckpointError: a part that it does not write.
    """
    sound = (
        isinstance(part, dict)
        and part.get("name") == LITE0
        and isinstance(part.get("prefix"), str)
        and isinstance(part.get("tensors"), list)
        and all(isinstance(key, str) and key in encoder_weights() for key in part["tensors"])
    )
    if not sound:
        raise CheckpointError(
            f"{origin}: its entry 'encoder' must have name={LITE0!r}, a prefix, and as tensors the names of weights of "
            "this encoder"
        )
    return {part["prefix"] + key: encoder_weights()[key] for key in part["tensors"]}


def _same(given: Tensor | None, packaged: Tensor) -> bool:
    return given is not None and given.dtype == packaged.dtype and torch.equal(given.cpu(), packaged)
