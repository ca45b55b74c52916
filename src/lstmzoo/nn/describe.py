"""A call of a recurrent module, checked and described for the engines."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from lstmzoo.nn.call import Call, States
from lstmzoo.nn.input_checks import (
    check_input,
    check_lengths,
    check_reset,
    check_state,
    check_state_dimensions,
    wrong_dimensions,
)
from lstmzoo.nn.layer import Step
from lstmzoo.nn.layer_parameters import LayerParameters
from lstmzoo.nn.probe import Probed


class Describable(LayerParameters, Probed):
    """A module whose calls are described by a `Call`; see `lstmzoo.nn.Recurrent`."""

    cell_id: int
    dropout: float
    residual: bool
    checkpoint_steps: int | None

    def describe(
        self,
        input: Tensor | PackedSequence,
        hx: Any = None,
        lengths: Tensor | list[int] | None = None,
        *,
        reset: Tensor | None = None,
        return_states: bool = False,
    ) -> Call:
        """Check a call on a batch and describe it as engines see it; see `lstmzoo.nn.Recurrent.forward`."""
        weights, options, training, probes = self.weights(), self.regularisation, self.training, self.probes
        packed = None
        if isinstance(input, PackedSequence):
            self._check_packed(lengths, reset)
            x, packed, batch = input.data, input, int(input.batch_sizes[0])
        elif input.dim() == self._dims:
            x = input.transpose(0, 1) if self.batch_first else input
            batch = x.size(1)
        else:
            raise wrong_dimensions(self.title, input, self._dims)
        check_input(x, x.dim(), weights[0].named["weight_ih"].dtype, self._features_at, self.input_size)
        if x.size(0) == 0:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        if reset is not None:
            reset = check_reset(reset, (batch, len(x)) if self.batch_first else (len(x), batch))
            reset = reset.transpose(0, 1) if self.batch_first else reset
        if lengths is not None:
            lengths = check_lengths(lengths, x.size(0), batch)
        state = self.initial_state(x, batch) if hx is None else self._given_state(hx, x, batch, packed is None)
        clamped = {k: float(v) for probe in probes for k, v in probe.clamped.items()} if probes else {}
        tensors = [x, *state]
        for one in weights:
            tensors += one.named.values()
        dropped = False
        if training and options.recurrent_dropout:  # a branch: for torch.compile the number is a variable
            dropped = True
        step = Step(
            cell=self.cell,
            projected=bool(self.proj_size),
            masked=packed is not None or lengths is not None,
            resets=reset is not None,
            dropped=dropped,
            zoned=tuple(name for name, _ in options.zoneout) if options.zoneout else (),
            zone_masks=training,
            clamped=tuple(clamped),
            recorded=bool(probes) and any(probe.series is not None for probe in probes),
        )
        return Call(
            step=step,
            cell_id=self.cell_id,
            num_layers=self.num_layers,
            num_directions=self.num_directions,
            weights=weights,
            regularisation=options,
            dropout=self.dropout,
            training=training,
            residual=self.residual,
            checkpoint_steps=self.checkpoint_steps if training else None,
            clamped=clamped,
            probes=probes,
            x=x,
            packed=packed,
            state=state,
            lengths=lengths,
            reset=reset,
            restart=None if reset is None else self.initial_state(x, batch),
            return_states=return_states,
            keep_states=return_states or step.recorded or self.cell.below is not None,
            tensors=tuple(tensors),
        )

    def _check_packed(self, lengths: Any, reset: Any) -> None:
        if lengths is not None or reset is not None:
            raise ValueError("lengths or reset don't go with a PackedSequence: give the padded input with lengths")
        if torch.compiler.is_exporting():
            raise ValueError(
                f"{self.title}: a PackedSequence can't be exported, since its form depends on the lengths' values; "
                "give the padded input with lengths"
            )

    def _given_state(self, hx: Any, x: Tensor, batch: int, padded: bool) -> States:
        state, shapes = self._state_tuple(hx), self.state_shapes(x)
        if padded:
            check_state_dimensions(state, shapes, batched=True)
        check_state(state, len(self.suffixes), batch, shapes)
        return state

    def _state_tuple(self, hx: Any) -> States:
        state = (hx,) if isinstance(hx, Tensor) else tuple(hx)
        if len(state) != len(self.cell.state):
            names = ", ".join(self.cell.state)
            raise ValueError(f"{self.title}: hx must hold {len(self.cell.state)} state(s) ({names}), got {len(state)}")
        return state

    @property
    def title(self) -> str:
        """Whom an error message speaks of."""
        return type(self).__name__
