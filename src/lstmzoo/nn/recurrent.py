"""The driver: layers, directions, packing, lengths, regularisation and state, for any cell."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.fx import Proxy
from torch.nn.utils.rnn import PackedSequence

from lstmzoo.nn import engines, init
from lstmzoo.nn.cell import Cell
from lstmzoo.nn.cell_registry import get_cell
from lstmzoo.nn.declaration import check_object
from lstmzoo.nn.describe import Describable
from lstmzoo.nn.engines.operator import cell_id
from lstmzoo.nn.gate_functions import with_gate_functions
from lstmzoo.nn.graph_leaf import untraceable
from lstmzoo.nn.input_checks import check_arguments, check_state_dimensions
from lstmzoo.nn.pickling import plain, restored
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


class Recurrent(Describable):
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
            keeps 1 − i of its state; ``"auto"``: by the length of the sequences once `init.fit_length_` has told it,
            1.0 before, and nothing for a cell without such a gate; None leaves it random (see `init`).
        chrono: longest time span to remember at the start, in steps; sets the gates' biases (see `init`).
        orthogonal: whether every gate's recurrent matrix starts orthogonal.
        checkpoint_steps: if given, training keeps the states of every so many steps only and computes the rest again
            in the backward pass: less memory for more time.
        engine: "auto", the preferred one that can run the call, or the name of one in `lstmzoo.nn.engines.ENGINES`,
            such as "native" (the cell compiled to C) or "reference" (the plain loop).
        device: where the parameters live.
        dtype: their type.

    Raises:
        ValueError: for an unknown cell or engine, sizes that make no sense, or an option that the cell's equations
            don't allow.
        TypeError: for an argument of the wrong type.
    """

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
        forget_bias: init.ForgetBias = None,
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
        self.cell_id = cell_id(self.cell)
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
        self.derive_sizes()
        self.residual = residual
        self.learn_state = learn_state
        self.regularisation = Regularisation.of(self.cell, variational, recurrent_dropout, weight_drop, zoneout)
        self.checkpoint_steps = checkpoint_steps
        self.engine = engine
        self.initialisation = {"forget_bias": forget_bias, "chrono": chrono, "orthogonal": orthogonal}
        if self.cell.learned is not None:
            self.learned = self.cell.learned.to(device=device, dtype=dtype)
        self._all_weights: list[list[str]] = []
        for suffix in self.suffixes:
            self._add_parameters(suffix, {"device": device, "dtype": dtype})
        self.flatten_parameters()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters again: uniform in ±1/√H as torch.nn does, then the initialisation asked for.

        Modules of a cell's own stay as they are.
        """
        self.draw_parameters()
        init.initialise_(self, **self.initialisation)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a pickle holds: all but the probes, which belong to a context that is open here."""
        return plain({name: value for name, value in vars(self).items() if name != "probes"})

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(restored(state))
        self.derive_sizes()
        self.cell_id = cell_id(self.cell)  # a copy's cell is another, maybe in another process

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
            reset: (T, B), or (B, T) if batch_first, bool: where True, the sequence restarts before the step, as if
                ``hx`` had not been given.
            return_states: whether all states of all layers over time are returned as well.

        Returns:
            The output of the last layer, in the form of the input, (T, B, D·P); and the last state. With
            ``return_states`` a `Sequences`, which has a third part: name → (L·D, T, B, size), or (L·D, B, T, size).

        Raises:
            RuntimeError, ValueError: with torch.nn's wording, if sizes, dimensions or types don't fit.
        """
        if isinstance(input, Proxy) or isinstance(hx, Proxy):
            raise untraceable(self)
        packed = isinstance(input, PackedSequence)
        if isinstance(input, Tensor) and input.dim() == self._dims - 1:
            return self._forward_single(input, hx, lengths, reset, return_states)
        call = self.describe(input, hx, lengths, reset=reset, return_states=return_states)
        output, last, states = engines.run(call, self.engine)
        if self.batch_first and not packed:
            output = output.transpose(0, 1)
            states = {name: value.transpose(1, 2) for name, value in states.items()}
        unwrapped = last if len(last) > 1 else last[0]
        return Sequences(output, unwrapped, states) if return_states else (output, unwrapped)

    def _forward_single(self, x: Tensor, hx: Any, lengths: Any, reset: Any, return_states: bool) -> Any:
        """One sequence without a batch dimension, (T, ...)."""
        if lengths is not None:
            raise ValueError("lengths belong to a batch; cut a single sequence to its length instead")
        if hx is not None:
            hx = self._state_tuple(hx)
            check_state_dimensions(hx, self.state_shapes(x), batched=False)
            hx = tuple(s.unsqueeze(1) for s in hx)
        at = 0 if self.batch_first else 1
        reset = None if reset is None else torch.as_tensor(reset).unsqueeze(at)
        x = x.unsqueeze(at)
        output, last, *states = Recurrent.forward(self, x, hx, reset=reset, return_states=return_states)
        output = output.squeeze(at)
        last = last.squeeze(1) if isinstance(last, Tensor) else tuple(s.squeeze(1) for s in last)
        if not states:
            return output, last
        return Sequences(output, last, {name: value.squeeze(1 + at) for name, value in states[0].items()})

    def extra_repr(self) -> str:
        """The hyper-parameters that differ from the default, as torch.nn.LSTM shows them."""
        parts = self._sizes_repr()
        defaults: dict[str, Any] = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False}
        defaults |= {"dropout": 0.0, "bidirectional": False, "residual": False, "learn_state": False}
        defaults |= {"checkpoint_steps": None, "engine": "auto"}
        parts += [f"{k}={getattr(self, k)}" for k, default in defaults.items() if getattr(self, k) != default]
        parts += self.regularisation.describe()
        parts += [f"{k}={v!r}" for k, v in self.initialisation.items() if v not in (None, False)]
        return ", ".join(parts)

    def _sizes_repr(self) -> list[str]:
        sizes = [str(self.input_size), str(self.hidden_size)]
        return [self._cell_repr(), *sizes] if type(self) is Recurrent else sizes

    def _cell_repr(self) -> str:
        return repr(self.cell.name) if self.cell.name and not self.cell.settings else repr(self.cell)
