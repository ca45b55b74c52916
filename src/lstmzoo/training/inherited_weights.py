"""Weights of a model that was trained on other data: of classes and words, those that both know are kept, by name."""

from collections.abc import Sequence
from typing import Any

import torch

from lstmzoo.errors import CheckpointError
from lstmzoo.models.encoder_weights import skip_pretrained_weights
from lstmzoo.models.model_registry import FROM_DATA, build_model

LABEL_COUNTS = {"num_classes", "vocab_size"}


def inherit_weights(model: Any, origin: Any, labels: Sequence[str], known: Sequence[str]) -> list[str]:
    """Load the weights of another model of the same kind; rows of new classes or words stay as they are.

    Args:
        model: takes the weights.
        origin: has them.
        labels: the model's classes or words, in the order of its outputs.
        known: those of the other model.

    Returns:
        The names of the weights that are trained from scratch as a whole, because the data have other sizes.

    Raises:
        CheckpointError: the weights do not fit.
    """
    own, given = model.state_dict(), origin.state_dict()
    differ = list(labels) != list(known) and labels and known
    by_row = _depend_on_labels(model) if differ else {}
    rows = [name for name in by_row if by_row[name]]
    other = [
        name
        for name in own.keys() & given.keys()
        if (own[name].shape != given[name].shape or name in by_row) and name not in rows
    ]
    sizes = {key for key in FROM_DATA if model.model_args.get(key) != origin.model_args.get(key)}
    wrong = [] if sizes - (LABEL_COUNTS if by_row else set()) else [name for name in other if name not in by_row]
    wrong += [name for name in rows if name in given and own[name].shape[1:] != given[name].shape[1:]]
    if own.keys() != given.keys() or wrong:
        raise CheckpointError(
            f"the weights of {origin.checkpoint} ({origin.model_name}) do not fit the model {model.model_name} and its "
            f"settings: {', '.join(sorted(wrong) or sorted(own.keys() ^ given.keys()))[:300]}"
        )
    place = {label: row for row, label in enumerate(known)}
    shared = [row for row, label in enumerate(labels) if label in place]
    for name in rows:
        own[name][shared] = given[name][[place[labels[row]] for row in shared]]
    model.load_state_dict({name: own[name] if name in (*rows, *other) else given[name] for name in own})
    return sorted(other)


def _depend_on_labels(model: Any) -> dict[str, bool]:
    """The weights whose shape depends on the number of labels, and whether each label has a row in them."""
    counts = {key: model.model_args[key] + 1 for key in LABEL_COUNTS & model.model_args.keys()}
    with torch.random.fork_rng(devices=[]), skip_pretrained_weights():
        larger = build_model(model.model_name, **{**model.model_args, **counts}).state_dict()
    shapes = {name: (weight.shape, larger[name].shape) for name, weight in model.state_dict().items()}
    return {name: one[1:] == other[1:] for name, (one, other) in shapes.items() if one != other}
