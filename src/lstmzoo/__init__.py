"""lstmzoo: recurrent memory for PyTorch.

``import lstmzoo`` loads nothing heavy: every public name below is imported when it is first used.
"""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lstmzoo import data, errors, metrics, models, nn
    from lstmzoo.models import create_model, list_models, load, register_model

try:
    __version__ = version("lstmzoo")
except PackageNotFoundError:  # a source tree on PYTHONPATH that was never installed
    __version__ = "0.0.0+source"

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
