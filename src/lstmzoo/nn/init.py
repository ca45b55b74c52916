"""Initialisations that decide how long a cell remembers before it has learned anything.

torch's cells have two bias vectors, b_ih and b_hh, that add up: a gate's bias is set in the first and zeroed in the
second, so that the sum is what was asked for.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lstmzoo.nn.cell import Cell
from lstmzoo.nn.layer_parameters import LayerParameters


def initialise_(module: LayerParameters, forget_bias: float | None, chrono: int | None, orthogonal: bool) -> None:
    """Set what the cell fixes (gains, first states), then apply the initialisations that were asked for.

    Args:
        module: the stack to initialise in place.
        forget_bias: see `forget_bias_`; None: don't.
        chrono: see `chrono_`; None: don't.
        orthogonal: whether to apply `orthogonal_`.

    Raises:
        ValueError: if both biases are asked for, or no gate of the cell decides what is kept.
    """
    _set_constants(module)
    if forget_bias is not None and chrono is not None:
        raise ValueError("forget_bias and chrono both set the forget gate's bias; give one of them")
    if forget_bias is not None:
        forget_bias_(module, forget_bias)
    if chrono is not None:
        chrono_(module, chrono)
    if orthogonal:
        orthogonal_(module)


@torch.no_grad()
def _set_constants(module: LayerParameters) -> None:
    cell = module.cell
    for suffix in module.suffixes:
        for name, value in cell.vector_init.items():
            getattr(module, name + suffix).fill_(value)
        for name in cell.state if module.learn_state else ():
            getattr(module, f"first_{name}{suffix}").fill_(cell.initial_values.get(name, 0.0))


def forget_bias_for(cell: Cell, value: float | None) -> float | None:
    """What to give to `lstmzoo.nn.Recurrent` as ``forget_bias`` for any cell.

    Args:
        cell: the cell.
        value: the bias that is wanted.

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
        ValueError: if no gate of the cell decides what is kept, or the module has no biases.
    """
    gate, sign = _retention_gate(module)
    for b_ih, b_hh in _gate_biases(module, gate):
        b_ih.fill_(sign * value)
        b_hh.zero_()


@torch.no_grad()
def chrono_(module: LayerParameters, longest: int) -> None:
    """Draw the forget gate's biases so that the units' time spans cover the range 1 to ``longest`` steps.

    b_f ~ log U[1, T − 1],  b_i = −b_f

    b_f where there is a forget gate, b_i where there is an input gate, be it a gate of its own or the only one.

    Source: Tallec & Ollivier 2018, "Can recurrent neural networks warp time?", section 2.

    Args:
        module: the stack to initialise in place.
        longest: T, the longest time span, in steps; more than 2.

    Raises:
        ValueError: if no gate of the cell decides what is kept, the module has no biases, or T is too small.
    """
    if longest <= 2:
        raise ValueError(f"chrono needs a longest time span of more than 2 steps, got {longest}")
    keep, sign = _retention_gate(module)
    write = module.cell.input_gate
    drawn = []
    for b_ih, b_hh in _gate_biases(module, keep):
        b_ih.uniform_(1, longest - 1).log_().mul_(sign)
        b_hh.zero_()
        drawn.append(b_ih)
    if write not in (None, keep):
        for (b_ih, b_hh), b_f in zip(_gate_biases(module, write), drawn, strict=True):
            b_ih.copy_(-b_f)
            b_hh.zero_()


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


def _retention_gate(module: LayerParameters) -> tuple[str, int]:
    found = module.cell.retention_gate
    if found is None:
        raise ValueError(f"the cell {module.cell!r} has no forget gate whose bias could be set")
    return found


def _gate_biases(module: LayerParameters, gate: str) -> list[tuple[Tensor, Tensor]]:
    """Views of a gate's rows of b_ih and b_hh, one pair per layer and direction; where a gate has one bias, b and 0."""
    cell = module.cell
    if f"b_{gate}" in cell.vectors:  # normalised cells add their biases themselves
        own = [getattr(module, f"b_{gate}{suffix}") for suffix in module.suffixes]
        return [(bias, torch.zeros_like(bias)) for bias in own]
    if not module.bias:
        raise ValueError("a gate's bias can't be set in a module made with bias=False")
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
