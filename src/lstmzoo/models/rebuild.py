"""A model from its name, arguments and weights, if they fit; found out before anything large is made."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import shorten
from typing import Any

import torch
import torch.nn.modules.module as torch_module
from torch import Tensor, nn

from lstmzoo.errors import CheckpointError, LstmzooError
from lstmzoo.models.checkpoint_file import WEIGHT_TYPES
from lstmzoo.models.encoder_weights import skip_pretrained_weights
from lstmzoo.models.metadata import leaves
from lstmzoo.models.model_registry import build_model

MORE = 1000
"""Modules and parameters that a network may have while it is built beyond those it keeps: branches, classifiers."""


def rebuild(name: str, args: dict[str, Any], weights: dict[str, Tensor], origin: str) -> nn.Module:
    """Build a model and load its weights.

    Args:
        name: its registered name.
        args: its arguments, from a file that anyone may have written.
        weights: its state_dict.
        origin: where all this is from, for messages.

    Returns:
        The model, in training mode, on the CPU.

    Raises:
        CheckpointError: the arguments make no model, or one of other weights.
    """
    try:
        _check_numbers(args, weights)
        with skip_pretrained_weights(), _no_more_than(weights):
            _try_on_meta(name, args, weights)
            model = build_model(name, **args)
        model.load_state_dict(weights)
    except Exception as error:  # a constructor may say anything to arguments that nobody would choose
        reason = str(error) if isinstance(error, LstmzooError | RuntimeError) else f"{type(error).__name__}: {error}"
        raise CheckpointError(f"{origin} does not fit this version's {name!r}: {shorten(reason, 500)}") from error
    return model


def _check_numbers(args: dict[str, Any], weights: dict[str, Tensor]) -> None:
    """No size of a network is larger than the number of its weights; a time span may be."""
    most = max(4096, sum(weight.numel() for weight in weights.values()))
    for value in leaves({name: value for name, value in args.items() if name != "chrono"}):
        if isinstance(value, int) and abs(value) > most:
            raise LstmzooError(f"{value} is more than the {most:,} weights in the file allow")


def _try_on_meta(name: str, args: dict[str, Any], weights: dict[str, Tensor]) -> None:
    """Build the model without memory, and compare shapes and types with the weights.

    Raises:
        RuntimeError: they do not fit, as ``load_state_dict`` says it.
    """
    try:
        with torch.device("meta"):
            model = build_model(name, **args)
    except LstmzooError as error:
        if "meta" in str(error):  # a cell or model of your own that looks at the numbers it makes
            return
        raise
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*which is a no-op.*")
        model.load_state_dict(weights)
    for key, expected in model.state_dict().items():
        given = weights[key].dtype if key in weights else expected.dtype
        if given != expected.dtype and not (given in WEIGHT_TYPES and expected.is_floating_point()):
            raise LstmzooError(f"the weight {key} holds numbers of type {given}, not {expected.dtype}")


@contextmanager
def _no_more_than(weights: dict[str, Tensor]) -> Iterator[None]:
    """Stop the building of a model that would have many more parts than there are weights, as a million layers."""
    most, made, here = 4 * len(weights) + MORE, 0, threading.get_ident()

    def count(*_: Any) -> None:
        nonlocal made
        made += threading.get_ident() == here
        if made > 2 * most:  # it is built twice
            raise LstmzooError(f"it would be built of more than {most:,} parts; the file has {len(weights)} weights")

    hooks = [
        torch_module.register_module_parameter_registration_hook(count),
        torch_module.register_module_module_registration_hook(count),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
