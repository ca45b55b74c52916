"""CUDA graphs: what a call starts on the GPU, recorded once per shape and started again as one.

A step starts a handful of kernels that are done sooner than Python can start the next; replayed from a graph they
follow each other in a microsecond or two. Until this has been tried on a GPU, it is done only where
``LSTMZOO_CUDA_GRAPHS=1`` is set.
"""

import logging
import os
import threading
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

log = logging.getLogger(__name__)

MOST = 2**32  # bytes that recording may have reserved, which stay in memory
MOST_SHAPES = 4096  # that are remembered; who has more of them has no use for graphs


class Graph(NamedTuple):
    """A recorded call: the graph, the tensors that it reads and writes, and the function, whose kernels it starts."""

    graph: torch.cuda.CUDAGraph
    given: list[Tensor]
    result: Any
    function: Callable[..., Any]


class Recorder(NamedTuple):
    """What all recordings for one stream share: they are replayed one after the other."""

    stream: torch.cuda.Stream
    pool: Any


MET, REFUSED = "met once", "can't be recorded"
_seen: dict[Hashable, Graph | str] = {}
_lock = threading.Lock()
_recorders: dict[tuple[torch.device, int], Recorder] = {}
_held = 0  # bytes


def replayed(function: Callable[..., Any], key: Hashable, *arguments: Any) -> Any:
    """Call a function of tensors, on a GPU from the second call with the same shapes on by a graph.

    Args:
        function: works on its arguments' tensors only, and changes none of them.
        key: tells this function, and all that it depends on beside its arguments, from others.
        *arguments: nested tuples, lists and dictionaries of tensors and of values that can be hashed.

    Returns:
        What the function returns; its tensors are the caller's.
    """
    leaves, structure = pytree.tree_flatten(arguments)
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    if not is_wanted() or not tensors or not tensors[0].is_cuda or torch.cuda.is_current_stream_capturing():
        return function(*arguments)
    with device_of(tensors[0]):
        graph = _graph_of(function, key, leaves, structure)
        if graph is None:
            return function(*arguments)
        with _lock:  # the tensors that a graph reads and writes are there once
            torch._foreach_copy_(graph.given, tensors)
            graph.graph.replay()
            return pytree.tree_map(lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf, graph.result)


def is_wanted() -> bool:
    """Whether graphs are recorded at all."""
    return os.environ.get("LSTMZOO_CUDA_GRAPHS") == "1"


def recorded() -> list[bool]:
    """Of every call that was met twice, whether it could be recorded."""
    return [isinstance(entry, Graph) for entry in _seen.values() if entry != MET]


def device_of(tensor: Tensor) -> AbstractContextManager[Any]:
    """Kernels are started on the device that is current, whatever tensors they get."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else nullcontext()


def _graph_of(function: Callable[..., Any], key: Hashable, leaves: list[Any], structure: Any) -> Graph | None:
    """The graph of a call, recorded if this is the second of its kind; None: it is to be called."""
    global _held
    stream = torch.cuda.current_stream().cuda_stream  # in another one, a graph would run beside itself
    described = (key, str(structure), *map(_described, leaves), stream, *_modes())
    with _lock:
        entry = _seen.get(described)
        if entry is None and len(_seen) < MOST_SHAPES:
            _seen[described] = MET
        elif entry == MET and _held < MOST:
            before = torch.cuda.memory_reserved()
            entry = _seen[described] = _try_to_record(function, leaves, structure)
            _held += max(0, torch.cuda.memory_reserved() - before)
    return entry if isinstance(entry, Graph) else None


def _described(leaf: Any) -> Hashable:
    return (leaf.shape, leaf.dtype, leaf.device) if isinstance(leaf, Tensor) else leaf


def _modes() -> tuple[Hashable, ...]:
    """Settings that change what a product computes, or how."""
    backends = torch.backends
    products = (backends.cuda.matmul, getattr(backends.cudnn, "conv", backends.cudnn))
    return (
        *(of.fp32_precision if hasattr(of, "fp32_precision") else of.allow_tf32 for of in products),
        (backends.cudnn.enabled, backends.cudnn.benchmark, backends.cudnn.deterministic),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_autocast_enabled("cuda") and torch.get_autocast_dtype("cuda"),
    )


def _try_to_record(function: Callable[..., Any], leaves: list[Any], structure: Any) -> Graph | str:
    try:
        return _record(function, leaves, structure)
    except RuntimeError as error:  # there is no memory for it, or something can't be recorded; it runs all the same
        log.info("a call is not recorded as a CUDA graph: %s", error)
        return REFUSED


@torch.inference_mode(False)  # what is recorded then may be replayed outside of it, too
@torch.no_grad()
def _record(function: Callable[..., Any], leaves: list[Any], structure: Any) -> Graph:
    own = [leaf.clone() if isinstance(leaf, Tensor) else leaf for leaf in leaves]
    given = [leaf for leaf in own if isinstance(leaf, Tensor)]
    arguments = pytree.tree_unflatten(own, structure)
    current, graph = torch.cuda.current_stream(), torch.cuda.CUDAGraph()
    key = (given[0].device, current.cuda_stream)
    if key not in _recorders:
        _recorders[key] = Recorder(torch.cuda.Stream(), torch.cuda.graph_pool_handle())
    stream, pool = _recorders[key]
    try:
        stream.wait_stream(current)
        with torch.cuda.stream(stream):  # libraries set themselves up in their first call, which must not be recorded
            function(*arguments)
        current.wait_stream(stream)
        # cuBLAS would go on with the scratch memory of that call, which others may free, in every replay.
        torch._C._cuda_clearCublasWorkspaces()
        with torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
            result = function(*arguments)
    finally:
        torch.cuda.set_stream(current)  # a recording that fails leaves its own
        torch._C._cuda_clearCublasWorkspaces()  # that of the recording belongs to its graph
    return Graph(graph, given, result, function)
