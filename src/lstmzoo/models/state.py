"""States of any shape that models carry from chunk to chunk."""

from typing import Any

from torch import Tensor


def detach(state: Any) -> Any:
    """Detach every tensor of a nested state (tuples, lists, dicts, None) from the graph it came from."""
    if isinstance(state, Tensor):
        return state.detach()
    if isinstance(state, dict):
        return {key: detach(value) for key, value in state.items()}
    if isinstance(state, tuple | list):
        return tuple(detach(value) for value in state)
    return state
