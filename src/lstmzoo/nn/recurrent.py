"""The driver: layers, directions, packing, lengths, regularisation and state, for any cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from lstmzoo.nn import engine as engines
from lstmzoo.nn.cell import Cell
from lstmzoo.nn.checks import (
    check_arguments,
    check_dimensions,
    check_lengths,
    check_reset,
    check_sequence,
    check_state,
    check_state_dimensions,
)
from lstmzoo.nn.declaration import check_object
from lstmzoo.nn.engine.native.operator import number_of
from lstmzoo.nn.gate_functions import with_gate_functions
from lstmzoo.nn.graph_leaf import refuse_tracing
from lstmzoo.nn.layer_parameters import LayerParameters, States
from lstmzoo.nn.packing import mask_of, pack_like, unpack
from lstmzoo.nn.pickling import plain, restored
from lstmzoo.nn.probe import Probe
from lstmzoo.nn.registry import get_cell
from lstmzoo.nn.regularise import Regularisation


class Sequences(NamedTuple):
    """What `Recurrent` returns with ``return_states=True``.

    Attributes:
        output: h of the last layer.
        last: the last state.
        states: every state of every layer and direction over time: name → (L·D, T, B, size).
    """

    output: Any
    last: Any
    states: dict[str, Tensor]


class Recurrent(LayerParameters):
    """Runs any recurrent cell over sequences, with the arguments, shapes and parameter names of torch.nn.LSTM.

    With G gates, H = ``hidden_size``, L = ``num_layers``, D = 2 if bidirectional else 1, and P = ``proj_size`` or H,
    layer k has ``weight_ih_lk`` (G·H, I), ``weight_hh_lk`` (G·H, P), ``bias_ih_lk`` and ``bias_hh_lk`` (G·H,),
    with a projection ``weight_hr_lk`` (P, H), and the cell's own vectors and matrices, e.g. ``p_i_lk`` (H,);
    ``_reverse`` is appended for the second direction. Rows are blocks of H in the order of ``cell.gates``; gates that
    see the input only have none in ``weight_hh``.

    Args:
        cell: a registered name (see `list_cells`), a `Cell` subclass or a `Cell` object.
        input_size: features per step, I.
        hidden_size: units, H.
        num_layers: layers, each fed with the output of the one below.
        bias: whether there are biases.
        batch_first: whether input and output are (B, T, ...) rather than (T, B, ...); states are not affected.
        dropout: probability of dropping an output of any layer but the last, in training.
        bidirectional: whether to run a second set of layers from the last step to the first and concatenate.
        proj_size: if positive, h is projected to this size (Sak et al. 2014); for cells whose c carries the memory.
        gates: what the cell's σ gates are: ``"soft"`` (σ), ``"hard"`` (piecewise linear), or ``"binary"`` (exactly 0 or
            1, with the gradient of σ).
        residual: whether a layer's input is added to its output, from the second layer on.
        learn_state: whether the first state is learned (``first_<state>_lk``); used where ``hx`` is not given.
        variational: whether ``dropout`` drops the same features in all steps of a sequence (Gal & Ghahramani 2016).
        recurrent_dropout: probability of dropping a feature of h on its way into R, the same in all steps.
        weight_drop: probability of dropping a weight of R, once per call (Merity, Keskar & Socher 2018).
        zoneout: probability of a unit keeping its old state (Krueger et al. 2017): one for h and c, or by name, e.g.
            ``{"c": 0.5, "h": 0.05}``, which may name any state but one that all units share, such as a clock.
        forget_bias: total bias of the forget gate at the start, e.g. 1.0, or minus it for the only gate of a cell that
            keeps 1 − i of its state; None leaves it random (see `init`).
        chrono: longest time span to remember at the start, in steps; sets the gates' biases (see `init`).
        orthogonal: whether every gate's recurrent matrix starts orthogonal.
        checkpoint_steps: if given, training keeps the states of every so many steps only and computes the rest again
            in the backward pass: less memory for more time.
        engine: "auto", or one of `lstmzoo.nn.engine.ENGINES`: "aten" (torch's kernels), "native" (the cell compiled to
            C), "parallel" (a scan over time) or "reference" (the plain loop).
        device: where the parameters live.
        dtype: their type.

    Raises:
        ValueError: for an unknown cell or engine, sizes that make no sense, or an option that the cell's equations
            don't allow.
        TypeError: for an argument of the wrong type.
    """

    probes: tuple[Probe, ...] = ()  # set by `trace` and `clamp` while they are active

    def __init__(
        self,
        cell: str | type[Cell] | Cell,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        gates: str = "soft",
        residual: bool = False,
        learn_state: bool = False,
        variational: bool = False,
        recurrent_dropout: float = 0.0,
        weight_drop: float = 0.0,
        zoneout: float | Mapping[str, float] = 0.0,
        forget_bias: float | None = None,
        chrono: int | None = None,
        orthogonal: bool = False,
        checkpoint_steps: int | None = None,
        engine: str = "auto",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_arguments(input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size)
        engines.check_name(engine)
        self.cell = with_gate_functions(get_cell(cell), gates)
        check_object(self.cell, hidden_size, proj_size or hidden_size)
        self.cell_number = number_of(self.cell)
        if proj_size and not self.cell.projectable:
            raise ValueError(f"proj_size is not possible with the cell {self.cell!r}: its h carries the memory itself")
        if checkpoint_steps is not None and checkpoint_steps < 1:
            raise ValueError(f"checkpoint_steps must be at least 1, got {checkpoint_steps}")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self.residual = residual
        self.learn_state = learn_state
        self.regularisation = Regularisation.of(self.cell, variational, recurrent_dropout, weight_drop, zoneout)
        self.checkpoint_steps = checkpoint_steps
        self.engine = engine
        self.initialisation: dict[str, Any] = {"forget_bias": forget_bias, "chrono": chrono, "orthogonal": orthogonal}
        if self.cell.learned is not None:
            self.learned = self.cell.learned.to(device=device, dtype=dtype)
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            for direction in range(self.num_directions):
                self._add_parameters(layer, direction, {"device": device, "dtype": dtype})
        self.flatten_parameters()
        self.reset_parameters()

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a pickle holds: all but the probes, which belong to a context that is open here."""
        return plain({name: value for name, value in vars(self).items() if name != "probes"})

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(restored(state))
        self.cell_number = number_of(self.cell)  # a copy's cell is another, maybe in another process

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: Any = None,
        lengths: Tensor | list[int] | None = None,
        *,
        reset: Tensor | None = None,
        return_states: bool = False,
    ) -> Any:
        """Run over a batch of sequences.

        Args:
            input: (T, B, I), or (B, T, I) if batch_first, or (T, I) for one sequence, or a PackedSequence.
            hx: first state, as it is returned: a tensor for cells with one state, else a tuple in the order of
                ``cell.state``; each (L·D, B, size), or (L·D, size) for one sequence. None: zeros, or what is learned.
            lengths: (B,), steps of every sequence, for padded input: what comes after is not read, its output is 0,
                and the last state is that of the sequence's own last step (its first, in the reverse direction).
            reset: (T, B), or (B, T) if batch_first, bool: where True, the sequence's state begins anew before the step,
                as if ``hx`` had not been given.
            return_states: whether all states of all layers over time are returned as well.

        Returns:
            The output of the last layer, in the form of the input, (T, B, D·P); and the last state. With
            ``return_states`` a `Sequences`, which has a third part: name → (L·D, T, B, size), or (L·D, B, T, size).

        Raises:
            RuntimeError, ValueError: with torch.nn's wording, if sizes, dimensions or types don't fit.
        """
        refuse_tracing(self, input, hx)
        state = None if hx is None else self._state_tuple(hx)
        if isinstance(input, PackedSequence):
            output, last, states = self._run_packed(input, state, lengths, reset, return_states)
        elif input.dim() == self._dims - 1:
            output, last, states = self._run_single(input, state, lengths, reset, return_states)
        else:
            output, last, states = self._run_batch(input, state, lengths, reset, return_states)
        unwrapped = last if len(last) > 1 else last[0]
        return Sequences(output, unwrapped, states) if return_states else (output, unwrapped)

    def _run_batch(self, x: Tensor, state: States | None, lengths: Any, reset: Any, keep: bool) -> Any:
        """A batch, (T, B, ...) or (B, T, ...), with or without lengths."""
        check_dimensions(self, x, self._dims)
        if state is not None:
            check_state_dimensions(state, self.state_shapes(x), batched=True)
        if self.batch_first:
            x = x.transpose(0, 1)
        check_sequence(self, x, self._dims)
        steps, batch = x.shape[:2]
        if reset is not None:
            reset = check_reset(reset, (batch, steps) if self.batch_first else (steps, batch))
            reset = reset.transpose(0, 1) if self.batch_first else reset
        if lengths is not None:
            lengths = check_lengths(lengths, steps, batch)
        output, last, states = engines.run(self, x, self._first_state(state, x), lengths, reset, keep)
        if self.batch_first:
            output = output.transpose(0, 1)
            states = {name: value.transpose(1, 2) for name, value in states.items()}
        return output, last, states

    def _run_single(self, x: Tensor, state: States | None, lengths: Any, reset: Any, keep: bool) -> Any:
        """One sequence without a batch dimension, (T, ...)."""
        if lengths is not None:
            raise ValueError("lengths belong to a batch; cut a single sequence to its length instead")
        if state is not None:
            check_state_dimensions(state, self.state_shapes(x), batched=False)
            state = tuple(s.unsqueeze(1) for s in state)
        at = 0 if self.batch_first else 1
        reset = None if reset is None else torch.as_tensor(reset).unsqueeze(at)
        output, last, states = self._run_batch(x.unsqueeze(at), state, None, reset, keep)
        states = {name: value.squeeze(1 + at) for name, value in states.items()}
        return output.squeeze(at), tuple(s.squeeze(1) for s in last), states

    def _run_packed(self, x: PackedSequence, state: States | None, lengths: Any, reset: Any, keep: bool) -> Any:
        if lengths is not None or reset is not None:
            raise ValueError("lengths or reset don't go with a PackedSequence: give the padded input with lengths")
        if torch.compiler.is_exporting():
            raise ValueError(
                f"{self.title}: a PackedSequence can't be exported, since its form depends on the lengths' values; "
                "give the padded input with lengths"
            )
        check_sequence(self, x.data, self._dims - 1)
        first = self._first_state(state, x.data, int(x.batch_sizes[0]))
        if engines.takes_packed(self, x, first, keep):
            return (*engines.run_packed(self, x, first), {})
        padded, lengths = unpack(x)
        output, last, states = engines.run(self, padded, first, lengths, None, keep)
        return pack_like(output, mask_of(lengths, padded), x), last, states

    def _check_size(self, x: Tensor) -> None:
        """Raise RuntimeError, in torch.nn's wording, if what comes in each step has the wrong size."""
        if x.size(-1) != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {x.size(-1)}"
            )

    @property
    def title(self) -> str:
        """Whom an error message speaks of."""
        return type(self).__name__

    def _state_tuple(self, hx: Any) -> States:
        state = (hx,) if isinstance(hx, Tensor) else tuple(hx)
        if len(state) != len(self.cell.state):
            names = ", ".join(self.cell.state)
            raise ValueError(f"{self.title}: hx must hold {len(self.cell.state)} state(s) ({names}), got {len(state)}")
        return state

    def _first_state(self, state: States | None, x: Tensor, batch: int | None = None) -> States:
        """The first state, (L·D, B, ...) each: the one given, if its sizes are right, or where all sequences begin."""
        batch = x.shape[1] if batch is None else batch
        if state is not None:
            check_state(self, state, batch, self.state_shapes(x))
            return state
        return self.beginning(x, batch)

    def extra_repr(self) -> str:
        """The hyper-parameters that differ from the default, as torch.nn.LSTM shows them."""
        parts = self._sizes_repr()
        defaults: dict[str, Any] = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False}
        defaults |= {"dropout": 0.0, "bidirectional": False, "residual": False, "learn_state": False}
        defaults |= {"checkpoint_steps": None, "engine": "auto"}
        parts += [f"{k}={getattr(self, k)}" for k, default in defaults.items() if getattr(self, k) != default]
        parts += self.regularisation.describe()
        parts += [f"{k}={v}" for k, v in self.initialisation.items() if v not in (None, False)]
        return ", ".join(parts)

    def _sizes_repr(self) -> list[str]:
        sizes = [str(self.input_size), str(self.hidden_size)]
        return [self._cell_repr(), *sizes] if type(self) is Recurrent else sizes

    def _cell_repr(self) -> str:
        return repr(self.cell.name) if self.cell.name and not self.cell.settings else repr(self.cell)
