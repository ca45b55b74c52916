"""The packaged ImageNet encoders, shared: weights equal to theirs are left out of a file and restored from them."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from lstmzoo.errors import CheckpointError
from lstmzoo.models.encoder_weights import PACKAGED, packaged_file

FIRST = "conv_stem.weight"
"""By this weight the encoder is found in a model."""


@cache
def encoder_weights(name: str) -> dict[str, Tensor]:
    """The packaged weights as a model has them: those that are stored in float16 are float32 again."""
    stored = load_file(packaged_file(name))
    return {key: weight.float() if weight.is_floating_point() else weight for key, weight in stored.items()}


def shared_part(weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """Say which weights of a model are those of a packaged encoder, bit for bit.

    Returns:
        ``name`` of the encoder, ``prefix`` of its weights in the model, and ``tensors``, the names of those that are
        equal, without the prefix; None where there are none.
    """
    places = [name.removesuffix(FIRST) for name in weights if name.endswith(FIRST)]
    if not places:
        return None
    equal = {name: _equal(weights, places[0], encoder_weights(name)) for name in PACKAGED}
    name = max(equal, key=lambda name: len(equal[name]))  # counters of batches may be equal to another's, too
    return {"name": name, "prefix": places[0], "tensors": equal[name]} if equal[name] else None


def restored(part: Any, origin: str) -> dict[str, Tensor]:
    """Return the weights that `shared_part` has left out, by their names in the model.

    Raises:
        CheckpointError: a part that it does not write.
    """
    sound = (
        isinstance(part, dict)
        and part.get("name") in [*PACKAGED]
        and isinstance(part.get("prefix"), str)
        and isinstance(part.get("tensors"), list)
        and all(isinstance(key, str) and key in encoder_weights(part["name"]) for key in part["tensors"])
    )
    if not sound:
        raise CheckpointError(
            f"{origin}: its entry 'encoder' must have as name one of {', '.join(PACKAGED)}, a prefix, and as "
            "tensors the names of weights of this encoder"
        )
    return {part["prefix"] + key: encoder_weights(part["name"])[key] for key in part["tensors"]}


def _equal(weights: Mapping[str, Tensor], prefix: str, packaged: Mapping[str, Tensor]) -> list[str]:
    given = {key: weights[prefix + key].cpu() for key in packaged if prefix + key in weights}
    return sorted(
        key for key, own in given.items() if own.dtype == packaged[key].dtype and torch.equal(own, packaged[key])
    )
