"""Modules that stand in a torch.fx graph as one node, as torch.nn's do, which torch.fx knows by their package."""

from __future__ import annotations

from typing import Any

from torch.fx import Proxy
from torch.fx.proxy import TraceError
from torch.nn import Module


class GraphLeaf(Module):
    """A module that torch.fx doesn't look into.

    It is the call that becomes the node, with hooks and the ``forward`` of a subclass: if it were made inside
    ``forward``, all that lies around it would run when the graph is traced and again inside the node.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the module, or leave a node in the graph that is being traced."""
        for given in (*args, *kwargs.values()):
            if isinstance(given, Proxy):
                return self._as_node(given.tracer, args, kwargs)
        return super().__call__(*args, **kwargs)

    def _as_node(self, tracer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        def node(*args: Any, **kwargs: Any) -> Any:  # for a tracer that would look inside
            return tracer.create_proxy("call_module", tracer.path_of_module(self), args, kwargs)

        return tracer.call_module(self, node, args, kwargs)


def untraceable(module: Module) -> TraceError:
    """The error for torch.fx when it looks inside, as it does if the module itself is what is to be traced."""
    return TraceError(
        f"torch.fx can't look inside {type(module).__name__}, whose operations depend on its input: call the "
        "module (not its forward) in a model, and trace the model"
    )
