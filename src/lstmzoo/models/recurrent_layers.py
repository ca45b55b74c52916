"""The recurrent layers of a model, whatever else it consists of."""

from typing import Any

import torch

from lstmzoo import nn
from lstmzoo.errors import LstmzooError

FORGET_BIAS: nn.init.ForgetBias = "auto"
"""The default of every model's ``forget_bias``."""


def has_memory(model: torch.nn.Module) -> bool:
    """Tell whether a model has recurrent layers, and with them gates and states."""
    return any(isinstance(module, nn.Recurrent) for module in model.modules())


def layer_names(model: torch.nn.Module) -> list[str]:
    """The recurrent modules of a model in the order in which a trace counts layers, one entry for each layer."""
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Recurrent)
        for _ in range(module.num_layers * module.num_directions)
    ]


def check_layer(model: torch.nn.Module, layer: int) -> None:
    """Raise `LstmzooError` if a model has recurrent layers, but not the one asked for."""
    layers = len(layer_names(model))
    if layers and not -layers <= layer < layers:
        raise LstmzooError(f"there is no layer {layer}: the model has layers 0 to {layers - 1}")


def described(model: Any) -> str:
    """The name of a model and its cell, e.g. ``action_rnn, lstm``."""
    return ", ".join(filter(None, [model.model_name, model.model_args.get("cell")]))
