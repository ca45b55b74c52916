"""Engines: ways to run a stack of cells over a sequence. All give the same numbers; they differ in speed.

Each is a module with two functions of a `lstmzoo.nn.call.Call`, which holds all they need; the `torch.nn.Module` that
is called stays out of sight. Another engine is another module with these two, and a line in `ENGINES`.
"""

from __future__ import annotations

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
        """Run it, after `supports` gave None."""


ENGINES: dict[str, Engine] = {  # in order of preference; the first that can takes the call
    "aten": aten,
    "native": native,
    "operator": operator,
    "scan": scan,
    "parallel": parallel,
    "reference": reference,
}


def check_name(name: str) -> None:
    """Raise ValueError unless a name is ``"auto"`` or that of an engine."""
    if name not in ("auto", *ENGINES):
        raise ValueError(unknown_choice("engine", name, ["auto", *ENGINES]))


def run(call: Call, name: str = "auto") -> Result:
    """Run a call.

    Args:
        call: the call.
        name: of the engine, or ``"auto"``: the fastest that can.

    Raises:
        ValueError: if the engine asked for can't run it.
    """
    if name != "auto":
        reason = ENGINES[name].supports(call)
        if reason is not None:
            raise ValueError(f"engine {name!r} can't run this call of {call.step.cell!r}: {reason}; use engine='auto'")
        return ENGINES[name].run(call)
    for engine in ENGINES.values():
        if engine.supports(call) is None:
            break
    return (native if engine is aten and native.beats_torch(call) else engine).run(call)
