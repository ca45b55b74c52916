"""lstmzoo: recurrent memory for PyTorch.

``import lstmzoo`` loads nothing heavy: every public name below is imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from lstmzoo.version import __version__

if TYPE_CHECKING:
    from lstmzoo import data, errors, metrics, models, nn
    from lstmzoo.models import create_model, list_models, load, register_model

__all__ = [
    "__version__",
    "create_model",
    "data",
    "errors",
    "list_models",
    "load",
    "metrics",
    "models",
    "nn",
    "register_model",
]

_MODULES = ("data", "errors", "metrics", "models", "nn")
_FROM_MODELS = ("create_model", "list_models", "load", "register_model")


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name in _MODULES:
        return importlib.import_module(f"lstmzoo.{name}")
    if name in _FROM_MODELS:
        return getattr(importlib.import_module("lstmzoo.models"), name)
    raise AttributeError(f"module 'lstmzoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
