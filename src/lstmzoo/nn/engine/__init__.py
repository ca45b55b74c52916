"""Engines: ways to run a stack of cells over a sequence. All give the same numbers; they differ in speed.

``aten`` runs a whole stack through torch's own kernels, where the cell is exactly one of torch's. The others run one
layer in one direction at a time; each is a module with two functions:

``supports(layer) -> bool``: can this engine run this `lstmzoo.nn.layer.Layer`, now?

``run_layer(layer) -> LayerResult``: run it.

Those that can be asked for by name and decline also say why: ``obstacle(layer) -> str``.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

import torch

from lstmzoo.errors import unknown_choice
from lstmzoo.nn.engine import aten, native, parallel, reference, scan
from lstmzoo.nn.engine.native import operator
from lstmzoo.nn.engine.stack import run_stack
from lstmzoo.nn.layer import Layer, LayerResult
from lstmzoo.nn.packing import mask_of

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn.utils.rnn import PackedSequence

    from lstmzoo.nn.recurrent import Recurrent

LAYER_ENGINES: dict[str, ModuleType] = {"native": native, "parallel": parallel, "reference": reference}  # fastest first
TRACED_ENGINES = (operator, scan)  # while a computation is compiled or exported; fastest first
ENGINES = ("aten", *LAYER_ENGINES)
States = tuple["Tensor", ...]


def check_name(name: str) -> None:
    """Raise ValueError unless a name is ``"auto"`` or that of an engine."""
    if name not in ("auto", *ENGINES):
        raise ValueError(unknown_choice("engine", name, ["auto", *ENGINES]))


def takes_packed(module: Recurrent, x: PackedSequence, state: States, keep_states: bool) -> bool:
    """Whether a PackedSequence is to be run as it is."""
    filled = len(x.data) / (len(x.batch_sizes) * state[0].shape[1])
    return _is_torchs(module, False, keep_states) and not _native_is_faster(module, x.data, state, filled)


def run_packed(module: Recurrent, x: PackedSequence, state: States) -> tuple[PackedSequence, States]:
    """Run a PackedSequence where `takes_packed`."""
    return aten.run_packed(module, x, state)


def run(
    module: Recurrent, x: Tensor, state: States, lengths: Tensor | None, reset: Tensor | None, keep_states: bool
) -> tuple[Tensor, States, dict[str, Tensor]]:
    """Run a padded batch.

    Args:
        module: the stack.
        x: (T, B, ...).
        state: first state, a tuple over ``cell.state`` of (L·D, B, ...).
        lengths: (B,), or None.
        reset: (T, B) bool, or None.
        keep_states: whether all states are wanted.

    Returns:
        The output (T, B, ...), the last states, and, if wanted, name → (L·D, T, B, ...).

    Raises:
        ValueError: if the engine asked for can't run this module now.
    """
    if _is_torchs(module, reset is not None, keep_states) and not _native_is_faster(
        module, x, state, None if lengths is None else _filled(lengths, x)
    ):
        output, last = aten.run(module, x, state, lengths)
        return output, last, {}
    real = None if lengths is None else mask_of(lengths, x)
    if real is not None:  # what comes after the end is not read: NaN there would be NaN in gradients, too
        x = torch.where(real, x, torch.zeros((), dtype=x.dtype, device=x.device))
    return run_stack(_run_layer_of(module), module, x, state, real, reset, keep_states)


def _filled(lengths: Tensor, x: Tensor) -> float:
    """The share of all steps of padded sequences that is not padding."""
    return 0.0 if torch.compiler.is_compiling() else int(lengths.sum()) / max(1, x.shape[0] * x.shape[1])


def _native_is_faster(module: Recurrent, x: Tensor, state: States, filled: float | None) -> bool:
    return module.engine == "auto" and native.beats_torch(module, x, state, filled)


def _is_torchs(module: Recurrent, resets: bool, keep_states: bool) -> bool:
    """Whether torch's kernel is to run this call."""
    if module.engine not in ("auto", "aten"):
        return False
    possible = aten.supports(module) and not resets and not keep_states
    if module.engine == "aten" and not possible:
        raise ValueError(_refusal(module))
    return possible


def _refusal(module: Recurrent, reason: str = "") -> str:
    probed = " while its gates are probed" if module.probes else ""
    because = f": {reason}" if reason else ""
    return f"engine {module.engine!r} can't run this call of {module!r}{probed}{because}; use engine='auto'"


def _run_layer_of(module: Recurrent) -> Callable[[Layer], LayerResult]:
    def run_layer(layer: Layer) -> LayerResult:
        if module.engine != "auto":
            engine = LAYER_ENGINES[module.engine]
            if not engine.supports(layer):
                raise ValueError(_refusal(module, engine.obstacle(layer)))
            return engine.run_layer(layer)
        engines = (
            (*TRACED_ENGINES, *LAYER_ENGINES.values()) if torch.compiler.is_compiling() else LAYER_ENGINES.values()
        )
        return next(engine for engine in engines if engine.supports(layer)).run_layer(layer)

    return run_layer
