"""The field's metrics: `lstmzoo.metrics.captions` and `lstmzoo.metrics.davis`."""

import importlib
from types import ModuleType

__all__ = ["captions", "davis"]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
