"""Engines: ways to run a stack of cells over a sequence. All give the same numbers; they differ in speed.

Each is a module with one function, ``prepare``, of a `lstmzoo.nn.call.Call`, which holds all it needs; the
`torch.nn.Module` that is called stays out of sight. Another engine is another module with this function, and a line in
`ENGINES`; where it is faster than an engine before it, but not for all calls, a line in `FASTER` says for which.
"""

from collections.abc import Callable
from typing import Protocol

from lstmzoo.errors import unknown_choice
from lstmzoo.nn.call import Call, Result, Runner
from lstmzoo.nn.engines import aten, gpu, native, operator, parallel, reference, scan


class Engine(Protocol):
    """A way to run a call."""

    def prepare(self, call: Call) -> Runner | str:
        """Get ready to run this call, now; or say why that is not possible."""


ENGINES: dict[str, Engine] = {  # in order of preference; "auto" takes the first that can run the call, unless ...
    "aten": aten,
    "native": native,
    "operator": operator,
    "scan": scan,
    "parallel": parallel,
    "reference": reference,
    "triton": gpu,
}

FASTER: dict[str, dict[str, Callable[[Call], bool]]] = {  # ... one that can, too, is faster for this call
    "aten": {"native": native.beats_torch},
    "reference": {"triton": gpu.on_gpu},
}


def check_name(name: str) -> None:
    """Raise ValueError unless a name is ``"auto"`` or that of an engine."""
    if name not in ("auto", *ENGINES):
        raise ValueError(unknown_choice("engine", name, ["auto", *ENGINES]))


def run(call: Call, name: str = "auto") -> Result:
    """Run a call.

    Args:
        call: the call.
        name: of the engine, or ``"auto"``: the first of `ENGINES` that can run it, or one that is `FASTER`.

    Raises:
        ValueError: if the engine asked for can't run it.
    """
    if name != "auto":
        runner = ENGINES[name].prepare(call)
        if isinstance(runner, str):
            raise ValueError(f"engine {name!r} can't run this call of {call.step.cell!r}: {runner}; use engine='auto'")
        return runner(call)
    for first, engine in ENGINES.items():
        runner = engine.prepare(call)
        if isinstance(runner, str):
            continue
        for other, is_faster in FASTER.get(first, {}).items():
            faster = ENGINES[other].prepare(call) if is_faster(call) else "it is not"
            if not isinstance(faster, str):
                return faster(call)
        return runner(call)
    raise AssertionError("the reference engine can run every call")
