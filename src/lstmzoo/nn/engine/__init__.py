"""Engines: ways to run a stack of cells over a sequence. All give the same numbers; they differ in speed.

An engine is a module with two functions:

``supports(module, x) -> bool``: can this engine run this `Recurrent` on this input, now?

``run(module, x, state) -> (output, state)``: x is (T, B, I) or a PackedSequence, state a tuple over ``cell.state`` of
(layers · directions, B, ...) in the caller's batch order; the output has the form of x.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from lstmzoo.errors import unknown_choice
from lstmzoo.nn.engine import aten, reference

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn.utils.rnn import PackedSequence

    from lstmzoo.nn.recurrent import Recurrent

ENGINES: dict[str, ModuleType] = {"aten": aten, "reference": reference}  # fastest first


def check_name(name: str) -> None:
    """Raise ValueError unless a name is ``"auto"`` or that of an engine."""
    if name != "auto" and name not in ENGINES:
        raise ValueError(unknown_choice("engine", name, ["auto", *ENGINES]))


def select(module: Recurrent, x: Tensor | PackedSequence) -> ModuleType:
    """Return the engine that a module asked for, or, for ``"auto"``, the fastest that can run it.

    Raises:
        ValueError: if the engine asked for can't run this module now.
    """
    if module.engine != "auto":
        engine = ENGINES[module.engine]
        if not engine.supports(module, x):
            raise ValueError(
                f"engine {module.engine!r} can't run the cell {module.cell!r}"
                f"{' while its gates are probed' if module.probes else ''}; use engine='auto'"
            )
        return engine
    return next(engine for engine in ENGINES.values() if engine.supports(module, x))
