"""One call of a recurrent module, described for the engines: they see this, never the module."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from lstmzoo.nn.layer import Step
from lstmzoo.nn.probe import Probe
from lstmzoo.nn.regularise import Regularisation
from lstmzoo.nn.weights import Weights

States = tuple[Tensor, ...]  # one per name in cell.state


class Result(NamedTuple):
    """What comes of a `Call`.

    Attributes:
        output: h of the last layer, (T, B, ...), or a PackedSequence for one.
        last: the last states, (L·D, B, ...) each.
        states: where they are wanted, all states: name → (L·D, T, B, ...).
    """

    output: Any
    last: States
    states: dict[str, Tensor]


class Call(NamedTuple):
    """A stack of layers and what it is to run on.

    Attributes:
        step: what happens in a step: the cell, and the options that act inside of steps.
        cell_id: see `lstmzoo.nn.engines.operator.cell_id`.
        num_layers: L.
        num_directions: D.
        weights: those of every layer and direction, in the order l0, l0_reverse, l1, ...
        regularisation: what is dropped.
        dropout: probability of dropping an output between layers.
        training: whether anything is dropped.
        residual: whether a layer's input is added to its output.
        checkpoint_steps: the states of every so many steps are kept only, the rest is computed again; None: all are.
        clamped: gates held at a value.
        probes: what records this call.
        x: (T, B, I, ...), or the data (N, I) of ``packed``.
        packed: the input, where it is a PackedSequence.
        state: first state, (L·D, B, ...) each.
        lengths: (B,) int64 on the CPU, or None.
        reset: (T, B) bool, True where a sequence restarts, or None.
        restart: the state that it restarts from, (L·D, B, ...) each.
        return_states: whether all states are wanted.
        keep_states: whether layers say all their states over time, not h alone: to return, record or look at.
        tensors: all of the input, the first state and the weights.
    """

    step: Step
    cell_id: int
    num_layers: int
    num_directions: int
    weights: tuple[Weights, ...]
    regularisation: Regularisation
    dropout: float
    training: bool
    residual: bool
    checkpoint_steps: int | None
    clamped: Mapping[str, float]
    probes: tuple[Probe, ...]
    x: Tensor
    packed: PackedSequence | None
    state: States
    lengths: Tensor | None
    reset: Tensor | None
    restart: States | None
    return_states: bool
    keep_states: bool
    tensors: tuple[Tensor, ...]


Runner = Callable[[Call], Result]
"""What an engine has ready to run a call."""
