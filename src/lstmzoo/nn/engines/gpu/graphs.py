"""CUDA graphs: what a call starts on the GPU, recorded once per shape and started again as one.

A step starts a handful of kernels that are done sooner than Python can start the next; replayed from a graph they
follow each other in a microsecond or two.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

log = logging.getLogger(__name__)

KEPT = 32  # graphs; each holds the memory of one call
LARGEST = 2**28  # bytes of a call's tensors; in larger ones the time is spent on the GPU anyway


class _Graph(NamedTuple):
    """A recorded call: the graph, the tensors that it reads, and the tensors that it writes."""

    graph: torch.cuda.CUDAGraph
    given: list[Tensor]
    result: Any


MET, REFUSED = "met once", "can't be recorded"
_seen: OrderedDict[Hashable, _Graph | str] = OrderedDict()
_lock = threading.Lock()


def replayed(function: Callable[..., Any], key: Hashable, *arguments: Any) -> Any:
    """Call a function of tensors on a GPU, from the second call with the same shapes on by a graph.

    Args:
        function: works on its arguments' tensors only, and changes none of them.
        key: tells this function, and all that it depends on beside its arguments, from others.
        *arguments: nested tuples, lists and dictionaries of tensors and of values that can be hashed.

    Returns:
        What the function returns; its tensors are the caller's.
    """
    leaves, structure = pytree.tree_flatten(arguments)
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    large = sum(t.numel() * t.element_size() for t in tensors) > LARGEST
    if not tensors or not tensors[0].is_cuda or large or torch.cuda.is_current_stream_capturing():
        return function(*arguments)
    described = (key, str(structure), *map(_described, leaves), *_modes())
    with _lock:
        entry = _seen.get(described)
        if entry == MET:
            entry = _try_to_record(function, leaves, structure)
        _remember(described, entry or MET)
        if isinstance(entry, _Graph):
            torch._foreach_copy_(entry.given, tensors)
            entry.graph.replay()
            return pytree.tree_map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, entry.result)
    return function(*arguments)


def _described(leaf: Any) -> Hashable:
    return (leaf.shape, leaf.dtype, leaf.device) if isinstance(leaf, Tensor) else leaf


def _modes() -> tuple[Hashable, ...]:
    """Settings that change what a product computes."""
    return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32, torch.is_autocast_enabled("cuda")


def _remember(described: Hashable, entry: _Graph | str) -> None:
    _seen[described] = entry
    _seen.move_to_end(described)
    while len(_seen) > KEPT:
        _seen.popitem(last=False)


def _try_to_record(function: Callable[..., Any], leaves: list[Any], structure: Any) -> _Graph | str:
    try:
        return _record(function, leaves, structure)
    except RuntimeError as error:  # there is no memory for it, or something can't be recorded; it runs all the same
        log.info("a call is not recorded as a CUDA graph: %s", error)
        return REFUSED


def _record(function: Callable[..., Any], leaves: list[Any], structure: Any) -> _Graph:
    own = [leaf.clone() if isinstance(leaf, Tensor) else leaf for leaf in leaves]
    given = [leaf for leaf in own if isinstance(leaf, Tensor)]
    arguments = pytree.tree_unflatten(own, structure)
    current, side = torch.cuda.current_stream(), torch.cuda.Stream()
    side.wait_stream(current)
    with torch.cuda.stream(side):  # libraries set themselves up in their first call, which must not be recorded
        function(*arguments)
    current.wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        result = function(*arguments)
    return _Graph(graph, given, result)
