"""Models by name."""

import difflib
import types
import typing
from typing import Any

from torch import nn

from lstmzoo.errors import LstmzooError
from lstmzoo.registry import models, register_model
from lstmzoo.settings import MISSING, accepts, described, settings_of

__all__ = ["FROM_DATA", "build_model", "is_primitive", "list_models", "register_model"]

FROM_DATA = ("num_classes", "vocab_size", "input_size", "target_steps")
"""Arguments of models that follow from the data, and so are not settings."""

TRAINING_ONLY = ("chrono", "doubly_stochastic", "dropout", "forget_bias", "pretrained_encoder")
"""Arguments of models that change nothing once there are trained weights."""


def list_models(pattern: str = "*") -> list[str]:
    """List the registered model names.

    Args:
        pattern: shell-style pattern, e.g. ``"action_*"``.

    Returns:
        The matching names, sorted.
    """
    return models.names(pattern)


def build_model(name: str, **overrides: Any) -> nn.Module:
    """Build a registered model with new weights; see :func:`lstmzoo.create_model`."""
    build = models.get(name).target
    arguments = _arguments(name, overrides)
    try:
        model = build(**arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        raise LstmzooError(f"model {name!r} cannot be built: {error} (of {overrides})") from error
    model.model_name = name  # type: ignore[assignment]
    model.model_args = arguments  # type: ignore[assignment]
    return model


def is_primitive(value: object) -> bool:
    """Whether a value is a number, string, boolean, None, or lists and dicts of them: safe in any checkpoint."""
    if isinstance(value, dict):
        return all(isinstance(key, str | int) and is_primitive(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(is_primitive(item) for item in value)
    return value is None or type(value) in (bool, int, float, str)


def _arguments(name: str, overrides: dict[str, Any]) -> dict[str, Any]:
    """All arguments for the model, defaults filled in, or an error that names the valid ones."""
    parameters = settings_of(models.get(name).target)
    missing = [key for key, setting in parameters.items() if setting.default is MISSING and key not in overrides]
    if missing:
        raise LstmzooError(f"model {name!r} needs a value for {', '.join(missing)}")
    for key, value in overrides.items():
        if key not in parameters:
            near = difflib.get_close_matches(key, parameters, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise LstmzooError(f"model {name!r} has no argument {key!r}; {hint}Its arguments: {', '.join(parameters)}")
        if not is_primitive(value):
            raise LstmzooError(
                f"model {name!r}: {key}={value!r} is not a number, string, boolean, list or dict; "
                "register classes of your own and pass their names, so that checkpoints can rebuild the model"
            )
        kind, default = parameters[key].type, parameters[key].default
        if not _is_of_kind(value, kind, default):
            kind = type(default) if kind is Any else kind
            raise LstmzooError(f"model {name!r}: {key}={value!r} is not {described(kind)}; its default: {default!r}")
    return {key: setting.default for key, setting in parameters.items()} | overrides


def _is_of_kind(value: Any, kind: Any, default: Any) -> bool:
    """Whether a value is of one of several types, or else of that of a default.

    A whole number will do for a float, and a default of None says nothing.
    """
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return accepts(kind, value)
    if type(default) is float:
        return value is None or type(value) in (int, float)
    return default is MISSING or type(default) not in (bool, int, str) or type(value) is type(default)
