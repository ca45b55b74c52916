"""The driver: layers, directions, packing, lengths, projection, dropout and state, for any cell."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, Parameter
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from lstmzoo.nn import engine as engines
from lstmzoo.nn import init
from lstmzoo.nn.cell import Cell
from lstmzoo.nn.checks import check_arguments, check_lengths, check_sequence, check_state, check_state_dimensions
from lstmzoo.nn.maps import LinearMaps
from lstmzoo.nn.probe import GateProbe, Probe
from lstmzoo.nn.registry import get_cell

States = tuple[Tensor, ...]  # one per name in cell.state


class Recurrent(Module):
    """Runs any recurrent cell over sequences, with the arguments, shapes and parameter names of torch.nn.LSTM.

    With G gates, H = ``hidden_size``, L = ``num_layers``, D = 2 if bidirectional else 1, and P = ``proj_size`` or H,
    layer k has ``weight_ih_lk`` (G·H, I), ``weight_hh_lk`` (G·H, P), ``bias_ih_lk`` and ``bias_hh_lk`` (G·H,),
    with a projection ``weight_hr_lk`` (P, H), and the cell's own vectors, e.g. ``p_i_lk`` (H,); ``_reverse`` is
    appended for the second direction. Rows are blocks of H in the order of ``cell.gates``; gates that see the input
    only have none in ``weight_hh``.

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
        forget_bias: total bias of the forget gate at the start, e.g. 1.0; None leaves it random (see `init`).
        chrono: longest time span to remember at the start, in steps; sets the gates' biases (see `init`).
        orthogonal: whether every gate's recurrent matrix starts orthogonal.
        engine: "auto", "aten" (torch's kernels) or "reference" (the plain loop).
        device: where the parameters live.
        dtype: their type.

    Raises:
        ValueError: for an unknown cell or engine, sizes that make no sense, or an initialisation that the cell's
            gates don't allow.
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
        forget_bias: float | None = None,
        chrono: int | None = None,
        orthogonal: bool = False,
        engine: str = "auto",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_arguments(input_size, hidden_size, num_layers, bias, batch_first, dropout, proj_size)
        engines.check_name(engine)
        self.cell = get_cell(cell)
        if proj_size and not self.cell.projectable:
            raise ValueError(f"proj_size is not possible with the cell {self.cell!r}: its h carries the memory itself")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self.engine = engine
        self.initialisation: dict[str, Any] = {"forget_bias": forget_bias, "chrono": chrono, "orthogonal": orthogonal}
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            for direction in range(self.num_directions):
                self._add_parameters(layer, direction, {"device": device, "dtype": dtype})
        self.flatten_parameters()
        self.reset_parameters()

    @property
    def num_directions(self) -> int:
        """1, or 2 if bidirectional."""
        return 2 if self.bidirectional else 1

    @property
    def output_size(self) -> int:
        """Size of h in one direction: ``proj_size`` if there is a projection, else ``hidden_size``."""
        return self.proj_size or self.hidden_size

    def _add_parameters(self, layer: int, direction: int, factory: dict[str, Any]) -> None:
        rows = len(self.cell.gates) * self.hidden_size
        rows_hh = len(self.cell.recurrent_gates) * self.hidden_size
        columns = self.input_size if layer == 0 else self.output_size * self.num_directions
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (rows, columns),
            "weight_hh": (rows_hh, self.output_size),
        }
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows_hh,)}
        shapes = {name: shape for name, shape in shapes.items() if shape[0]}  # no R where no gate has its product
        if self.proj_size:
            shapes |= {"weight_hr": (self.proj_size, self.hidden_size)}
        shapes |= dict.fromkeys(self.cell.vectors, (self.hidden_size,))
        suffix = f"_l{layer}{'_reverse' if direction else ''}"
        for name, shape in shapes.items():
            self.register_parameter(name + suffix, Parameter(torch.empty(shape, **factory)))
        self._all_weights.append([name + suffix for name in shapes])

    def reset_parameters(self) -> None:
        """Draw all parameters anew: uniform in ±1/√H as torch.nn does, then the initialisation asked for."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            torch.nn.init.uniform_(weight, -bound, bound)
        init.initialise_(self, **self.initialisation)

    def maps(self, index: int) -> LinearMaps:
        """W, R and the other parameters of one layer and direction.

        Args:
            index: layer · directions + direction.
        """
        layer, direction = divmod(index, self.num_directions)
        suffix = f"_l{layer}{'_reverse' if direction else ''}"
        part = {name.removesuffix(suffix): getattr(self, name) for name in self._all_weights[index]}
        vectors = self.cell.Vectors(*(part.pop(name) for name in self.cell.vectors))
        return LinearMaps(
            weight_ih=part["weight_ih"],
            weight_hh=part.get("weight_hh"),
            bias_ih=part.get("bias_ih"),
            bias_hh=part.get("bias_hh"),
            weight_hr=part.get("weight_hr"),
            vectors=vectors,
        )

    def gate_probe(self, index: int, reverse: bool) -> GateProbe:
        """What `trace` and `clamp` want of one layer and direction in one run; engines call it."""
        return GateProbe(self.probes, index, reverse)

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: Any = None,
        lengths: Tensor | list[int] | None = None,
    ) -> tuple[Any, Any]:
        """Run over a batch of sequences.

        Args:
            input: (T, B, I), or (B, T, I) if batch_first, or (T, I) for one sequence, or a PackedSequence.
            hx: first state, as it is returned: a tensor for cells with one state, else a tuple in the order of
                ``cell.state``; each (L·D, B, size), or (L·D, size) for one sequence. None: zeros.
            lengths: (B,), steps of every sequence, for padded input: what comes after is not read, its output is 0,
                and the last state is that of the sequence's own last step (its first, in the reverse direction).

        Returns:
            The output of the last layer, in the form of the input, (T, B, D·P); and the last state.

        Raises:
            RuntimeError, ValueError: with torch.nn's wording, if sizes, dimensions or types don't fit.
        """
        state = None if hx is None else self._state_tuple(hx)
        if isinstance(input, PackedSequence):
            if lengths is not None:
                raise ValueError("lengths and a PackedSequence exclude each other: the packing holds the lengths")
            return self._forward_packed(input, state)
        if input.dim() not in (2, 3):
            raise ValueError(f"{self._title}: Expected input to be 2D or 3D, got {input.dim()}D instead")
        if state is not None:
            check_state_dimensions(self, state, batched=input.dim() == 3)
        if input.dim() == 2:
            return self._forward_single(input, state, lengths)
        output, last = self._forward_batch(input.transpose(0, 1) if self.batch_first else input, state, lengths)
        return output.transpose(0, 1) if self.batch_first else output, self._unwrap(last)

    def _forward_single(self, x: Tensor, state: States | None, lengths: Any) -> tuple[Tensor, Any]:
        """One sequence without a batch dimension, (T, I)."""
        if lengths is not None:
            raise ValueError("lengths belong to a batch; cut a single sequence to its length instead")
        state = None if state is None else tuple(s.unsqueeze(1) for s in state)
        output, last = self._forward_batch(x.unsqueeze(1), state, None)
        return output.squeeze(1), self._unwrap(tuple(s.squeeze(1) for s in last))

    def _forward_batch(self, x: Tensor, state: States | None, lengths: Any) -> tuple[Tensor, States]:
        """A batch, (T, B, I), with or without lengths."""
        check_sequence(self, x, dimensions=3)
        steps, batch = x.shape[:2]
        state = self._checked_state(state, batch, x)
        if lengths is None:
            return engines.select(self, x).run(self, x, state)
        packed = pack_padded_sequence(x, check_lengths(lengths, steps, batch), enforce_sorted=False)
        output, last = engines.select(self, packed).run(self, packed, state)
        return pad_packed_sequence(output, total_length=steps)[0], last

    def _forward_packed(self, x: PackedSequence, state: States | None) -> tuple[PackedSequence, Any]:
        check_sequence(self, x.data, dimensions=2)
        state = self._checked_state(state, int(x.batch_sizes[0]), x.data)
        output, last = engines.select(self, x).run(self, x, state)
        return output, self._unwrap(last)

    def _checked_state(self, state: States | None, batch: int, like: Tensor) -> States:
        """The first state: the one given, if its sizes are right, or zeros."""
        if state is not None:
            check_state(self, state, batch)
            return state
        shapes = self.cell.state_shapes(self.hidden_size, self.output_size).values()
        layers = self.num_layers * self.num_directions
        return tuple(torch.zeros(layers, batch, *shape, dtype=like.dtype, device=like.device) for shape in shapes)

    def _state_tuple(self, hx: Any) -> States:
        state = (hx,) if isinstance(hx, Tensor) else tuple(hx)
        if len(state) != len(self.cell.state):
            names = ", ".join(self.cell.state)
            raise ValueError(f"{self._title}: hx must hold {len(self.cell.state)} state(s) ({names}), got {len(state)}")
        return state

    @staticmethod
    def _unwrap(state: States) -> Any:
        """A tensor for cells with one state, as torch.nn.GRU returns it; a tuple for the others."""
        return state if len(state) > 1 else state[0]

    @property
    def _title(self) -> str:
        """Whom an error message speaks of."""
        return type(self).__name__

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters, one list per layer and direction (as torch.nn.LSTM has it)."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Tensor]:
        # looked up at every call, so that weight_norm, pruning, parametrisation and functional_call just work
        return [getattr(self, name) for name in self._flat_weights_names]

    def flatten_parameters(self) -> None:
        """Lay the weights out in one piece of memory as cuDNN wants them; does nothing elsewhere."""
        weights = self._flat_weights
        if self.cell.aten is None or not all(w.is_cuda and w.dtype == weights[0].dtype for w in weights):
            return
        if not all(torch.backends.cudnn.is_acceptable(w) for w in weights):
            return
        if len({w.data_ptr() for w in weights}) != len(weights):
            return  # tied weights can't lie apart
        from torch.backends.cudnn.rnn import get_cudnn_mode

        with torch.cuda.device_of(weights[0]), torch.no_grad():
            if torch._use_cudnn_rnn_flatten_weight():
                torch._cudnn_rnn_flatten_weight(
                    weights,
                    len(self._all_weights[0]),
                    self.input_size,
                    get_cudnn_mode(self.cell.aten),
                    self.hidden_size,
                    self.proj_size,
                    self.num_layers,
                    self.batch_first,
                    self.bidirectional,
                )

    def _apply(self, fn: Any, recurse: bool = True) -> Recurrent:
        module = super()._apply(fn, recurse)
        self.flatten_parameters()
        return module

    def extra_repr(self) -> str:
        """The hyper-parameters that differ from the default, as torch.nn.LSTM shows them."""
        parts = [f"{self.input_size}, {self.hidden_size}"]
        if type(self) is Recurrent:
            parts.insert(0, repr(self.cell.name) if self.cell.name and not vars(self.cell) else repr(self.cell))
        defaults: dict[str, Any] = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False}
        defaults |= {"dropout": 0.0, "bidirectional": False, "engine": "auto"}
        parts += [f"{k}={getattr(self, k)}" for k, default in defaults.items() if getattr(self, k) != default]
        parts += [f"{k}={v}" for k, v in self.initialisation.items() if v not in (None, False)]
        return ", ".join(parts)
