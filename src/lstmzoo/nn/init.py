"""Initialisations that decide how long a cell remembers before it has learned anything.

torch's cells have two bias vectors, b_ih and b_hh, that add up: a gate's bias is set in the first and zeroed in the
second, so that the sum is what was asked for.
"""

import math
from collections.abc import Callable
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from lstmzoo.nn.cell import Cell
from lstmzoo.nn.layer_parameters import LayerParameters

ForgetBias = float | Literal["auto"] | None
"""The bias of the forget gate at the start: a number, ``"auto"`` (see `auto_`), or None: as drawn."""

BIAS_OF_ANY_LENGTH = 1.0
"""What ``"auto"`` sets where the length of the sequences is not known."""

Option = TypeVar("Option")


def initialise_(
    module: LayerParameters,
    forget_bias: ForgetBias = None,
    chrono: int | None = None,
    orthogonal: bool = False,
    length: int | None = None,
) -> None:
    """Set what the cell fixes (gains, first states), then apply the initialisations that were asked for.

    Args:
        module: the stack to initialise in place.
        forget_bias: see `forget_bias_`; ``"auto"``: see `auto_`; None: don't.
        chrono: see `chrono_`, which goes before ``"auto"``; None: don't.
        orthogonal: whether to apply `orthogonal_`.
        length: steps of the sequences, for ``"auto"``; None: not known.

    Raises:
        ValueError: if both biases are given, or no gate of the cell decides what is kept.
    """
    _set_constants(module)
    if isinstance(forget_bias, str) and forget_bias != "auto":
        raise ValueError(f"forget_bias must be a number, 'auto' or None, got {forget_bias!r}")
    if chrono is not None:
        if forget_bias not in (None, "auto"):
            raise ValueError(
                f"forget_bias={forget_bias} and chrono={chrono} both set the forget gate's bias; give one of them"
            )
        chrono_(module, chrono)
    elif forget_bias == "auto":
        auto_(module, length)
    elif forget_bias is not None:
        forget_bias_(module, forget_bias)
    if orthogonal:
        orthogonal_(module)


def fit_length_(module: nn.Module, length: int) -> None:
    """Initialise every stack with ``forget_bias="auto"`` inside a module for sequences of this length; see `auto_`.

    Only the biases of gates change. The stacks remember the length: `reset_parameters` goes by it, too. Use it before
    training: what the biases had learned is lost.

    Args:
        module: a stack, or any module with stacks inside; others stay as they are.
        length: T, steps of the sequences that it will be trained on.

    Raises:
        ValueError: the length is not a whole number of at least 1.
    """
    if type(length) is not int or length < 1:
        raise ValueError(f"length must be a whole number of steps, 1 or more, got {length!r}")
    for stack in module.modules():
        if isinstance(stack, LayerParameters):
            asked = stack.initialisation
            if asked["forget_bias"] == "auto" and asked["chrono"] is None:
                asked["length"] = length
                auto_(stack, length)


def auto_(module: LayerParameters, length: int | None) -> None:
    """Set the biases of the gate that keeps by the length of the sequences: what ``forget_bias="auto"`` means.

    b_f = log(T − 1),  b_i = −b_f        for T > 2 steps;  b_f = 1  (`forget_bias_`) where T is unknown

    Every unit starts with the longest time span that `chrono_` would draw for the length: at the last step it still
    holds 1/e of what it held at the first. A module without such a gate, or without biases, stays as it is.

    Source: Tallec & Ollivier 2018, section 2, without the spread (docs/memory.md compares both); Jozefowicz, Zaremba &
    Sutskever 2015.

    Args:
        module: the stack to initialise in place.
        length: T, steps of the sequences; None: not known.
    """
    keep = module.cell.retention_gate
    if keep is None or not _has_bias(module, keep[0]):
        return
    if length is None or length <= 2:
        forget_bias_(module, BIAS_OF_ANY_LENGTH)
    else:
        _keep_(module, lambda bias: bias.fill_(math.log(length - 1)))


@torch.no_grad()
def _set_constants(module: LayerParameters) -> None:
    cell = module.cell
    for suffix in module.suffixes:
        for name, value in cell.vector_init.items():
            getattr(module, name + suffix).fill_(value)
        for name in cell.state if module.learn_state else ():
            getattr(module, f"first_{name}{suffix}").fill_(cell.initial_values.get(name, 0.0))


def forget_bias_for(cell: Cell, value: Option | None) -> Option | None:
    """What to give to `lstmzoo.nn.Recurrent` as ``forget_bias`` or ``chrono`` for any cell.

    Args:
        cell: the cell.
        value: what is wanted.

    Returns:
        The value, or None if no gate of the cell decides what is kept.
    """
    return None if cell.retention_gate is None else value


@torch.no_grad()
def forget_bias_(module: LayerParameters, value: float = 1.0) -> None:
    """Set the total bias of the forget gate, so that a new network keeps its state rather than losing half a step.

    b_f = value;  where the input gate alone decides, h = (1 − i) ⊙ h₋ + i ⊙ n,  b_i = −value, since 1 − σ(a) = σ(−a)

    Source: Gers, Schmidhuber & Cummins 2000; Jozefowicz, Zaremba & Sutskever 2015 (value 1).

    Args:
        module: the stack to initialise in place.
        value: the bias; σ(1) = 0.73.

    Raises:
        ValueError: if no gate of the cell decides what is kept, the module has no biases, or the value is not finite.
    """
    if not math.isfinite(value):
        raise ValueError(f"forget_bias must be a finite number, got {value}")
    gate, sign = _retention_gate(module)
    for b_ih, b_hh in _gate_biases(module, gate):
        b_ih.fill_(sign * value)
        b_hh.zero_()


@torch.no_grad()
def chrono_(module: LayerParameters, longest: int) -> None:
    """Draw the forget gate's biases so that the units' time spans cover the range 1 to ``longest`` steps.

    b_f ~ log U[1, T − 1],  b_i = −b_f

    b_f where there is a forget gate, b_i where there is an input gate, be it a gate of its own or the only one.
    An input gate without a bias stays as it is.

    Source: Tallec & Ollivier 2018, "Can recurrent neural networks warp time?", section 2.

    Args:
        module: the stack to initialise in place.
        longest: T, the longest time span, in steps; more than 2.

    Raises:
        ValueError: if no gate of the cell decides what is kept, the module has no biases, or T is too small.
    """
    if longest <= 2:
        raise ValueError(f"chrono needs a longest time span of more than 2 steps, got {longest}")
    _keep_(module, lambda bias: bias.uniform_(1, longest - 1).log_())


@torch.no_grad()
def orthogonal_(module: LayerParameters) -> None:
    """Make every gate's recurrent matrix orthogonal (semi-orthogonal with a projection).

    Source: Saxe, McClelland & Ganguli 2014.

    Args:
        module: the stack to initialise in place.
    """
    cell = module.cell
    sizes = cell.gate_sizes(module.hidden_size)
    for suffix in module.suffixes if cell.recurrent_gates else ():
        weight = getattr(module, "weight_hh" + suffix)
        for block in weight.split([sizes[gate] for gate in cell.recurrent_gates]):
            nn.init.orthogonal_(block)


@torch.no_grad()
def _keep_(module: LayerParameters, fill_: Callable[[Tensor], Tensor]) -> None:
    """Fill in the biases with which the module keeps; where another gate writes, it gets their negatives."""
    keep, sign = _retention_gate(module)
    write = module.cell.input_gate
    filled = []
    for b_ih, b_hh in _gate_biases(module, keep):
        fill_(b_ih).mul_(sign)
        b_hh.zero_()
        filled.append(b_ih)
    if write not in (None, keep) and _has_bias(module, write):
        for (b_ih, b_hh), b_f in zip(_gate_biases(module, write), filled, strict=True):
            b_ih.copy_(-b_f)
            b_hh.zero_()


def _retention_gate(module: LayerParameters) -> tuple[str, int]:
    found = module.cell.retention_gate
    if found is None:
        raise ValueError(f"the cell {module.cell!r} has no forget gate whose bias could be set")
    return found


def _has_bias(module: LayerParameters, gate: str) -> bool:
    cell = module.cell
    return f"b_{gate}" in cell.vectors or (module.bias and cell.biased)


def _gate_biases(module: LayerParameters, gate: str) -> list[tuple[Tensor, Tensor]]:
    """Views of a gate's rows of b_ih and b_hh, one pair per layer and direction; where a gate has one bias, b and 0."""
    cell = module.cell
    if f"b_{gate}" in cell.vectors:  # normalised cells add their biases themselves
        own = [getattr(module, f"b_{gate}{suffix}") for suffix in module.suffixes]
        return [(bias, torch.zeros_like(bias)) for bias in own]
    if not module.bias:
        raise ValueError("a gate's bias can't be set in a module made with bias=False")
    if not cell.biased:
        raise ValueError(
            f"the maps of the cell {cell!r} have no biases, and it has no vector b_{gate} that could be set"
        )
    pairs = []
    for suffix in module.suffixes:
        first = getattr(module, "bias_ih" + suffix)[_rows(module, list(cell.gates), gate)]
        second = torch.zeros_like(first)
        if gate in cell.recurrent_gates:
            second = getattr(module, "bias_hh" + suffix)[_rows(module, list(cell.recurrent_gates), gate)]
        pairs.append((first, second))
    return pairs


def _rows(module: LayerParameters, gates: list[str], gate: str) -> slice:
    """A gate's rows in weights that hold some gates."""
    sizes = module.cell.gate_sizes(module.hidden_size)
    start = sum(sizes[g] for g in gates[: gates.index(gate)])
    return slice(start, start + sizes[gate])
