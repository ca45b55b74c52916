"""Models by name: encoders, a recurrent core and heads; see :func:`list_models` and :func:`create_model`."""

from lstmzoo.models.checkpoint import checkpoint_metadata, load, read_metadata
from lstmzoo.models.create import create_model
from lstmzoo.models.encoder_names import list_encoders
from lstmzoo.models.model_registry import list_models, register_model
from lstmzoo.models.pretrained.hub import from_pretrained, push_to_hub, save_pretrained

__all__ = [
    "checkpoint_metadata",
    "create_model",
    "from_pretrained",
    "list_encoders",
    "list_models",
    "load",
    "push_to_hub",
    "read_metadata",
    "register_model",
    "save_pretrained",
]
