"""Models by name: encoders, a recurrent core and heads; see :func:`list_models` and :func:`create_model`."""

from lstmzoo.models.checkpoint import checkpoint_metadata, load, read_metadata
from lstmzoo.models.encoder_names import list_encoders
from lstmzoo.models.registry import create_model, list_models, register_model

__all__ = [
    "checkpoint_metadata",
    "create_model",
    "list_encoders",
    "list_models",
    "load",
    "read_metadata",
    "register_model",
]
