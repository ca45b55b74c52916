"""Engines: ways to run a stack of cells over a sequence. All give the same numbers; they differ in speed.

Each is a module with two functions of a `lstmzoo.nn.call.Call`, which holds all they need; the `torch.nn.Module` that
is called stays out of sight. Another engine is another module with these two, and a line in `ENGINES`; where it is
faster than an engine before it, but not for all calls, a line in `FASTER` says for which.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from lstmzoo.errors import unknown_choice
from lstmzoo.nn.call import Call, Result
from lstmzoo.nn.engines import aten, native, parallel, reference, scan
from lstmzoo.nn.engines.native import operator


class Engine(Protocol):
    """A way to run a call."""

    def supports(self, call: Call) -> str | None:
        """Why it can't run this call, now; None: it can."""

    def run(self, call: Call) -> Result:
        """Run a call that it supports."""


ENGINES: dict[str, Engine] = {  # in order of preference; "auto" takes the first that supports the call, unless ...
    "aten": aten,
    "native": native,
    "operator": operator,
    "scan": scan,
    "parallel": parallel,
    "reference": reference,
}

FASTER: dict[str, dict[str, Callable[[Call], bool]]] = {  # ... one that supports it, too, is faster for this call
    "aten": {"native": native.beats_torch},
}


def check_name(name: str) -> None:
    """Raise ValueError unless a name is ``"auto"`` or that of an engine."""
    if name not in ("auto", *ENGINES):
        raise ValueError(unknown_choice("engine", name, ["auto", *ENGINES]))


def run(call: Call, name: str = "auto") -> Result:
    """Run a call.

    Args:
        call: the call.
        name: of the engine, or ``"auto"``: the first of `ENGINES` that supports the call, or one that is `FASTER`.

    Raises:
        ValueError: if the engine asked for can't run it.
    """
    if name != "auto":
        reason = ENGINES[name].supports(call)
        if reason is not None:
            raise ValueError(f"engine {name!r} can't run this call of {call.step.cell!r}: {reason}; use engine='auto'")
        return ENGINES[name].run(call)
    for first, engine in ENGINES.items():
        if engine.supports(call) is not None:
            continue
        for other, is_faster in FASTER.get(first, {}).items():
            if is_faster(call) and ENGINES[other].supports(call) is None:
                return ENGINES[other].run(call)
        return engine.run(call)
    raise AssertionError("the reference engine supports every call")
