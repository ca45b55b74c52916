"""LSTM, GRU and RNN in place of torch.nn's: same arguments, parameter names, state_dict, errors and results."""

from typing import Any

import torch
from torch import Tensor

from lstmzoo.nn.input_checks import check_input, check_state
from lstmzoo.nn.recurrent import Recurrent

MODES = ("LSTM", "GRU", "RNN_TANH", "RNN_RELU")


class RNNBase(Recurrent):
    """What `LSTM`, `GRU` and `RNN` share, in place of ``torch.nn.RNNBase``, for subclasses that were written for it.

    Args:
        mode: ``"LSTM"``, ``"GRU"``, ``"RNN_TANH"`` or ``"RNN_RELU"``.
        input_size: features per step, I.
        hidden_size: units, H.
        num_layers: layers.
        bias: whether there are biases.
        batch_first: whether input and output are (B, T, ...).
        dropout: dropout between layers, in training.
        bidirectional: whether to run in both directions.
        proj_size: size that h of an LSTM is projected to; 0: no projection.
        device: where the parameters live.
        dtype: their type.
        **extras: the keyword arguments of `Recurrent`.

    Raises:
        ValueError: for another mode.
    """

    mode: str  # torch's name of the network
    title = "RNNBase"  # whom an error message speaks of, in subclasses too

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **extras: Any,
    ) -> None:
        if mode not in MODES:
            raise ValueError(f"Unrecognized RNN mode: {mode}; valid: {', '.join(MODES)}")
        options = (num_layers, bias, batch_first, dropout, bidirectional, proj_size)
        super().__init__(mode.lower(), input_size, hidden_size, *options, device=device, dtype=dtype, **extras)
        self.mode = mode

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """Check type and size of an input, (T, B, I) or the (N, I) of a PackedSequence with its batch sizes."""
        dtype = getattr(self, self._all_weights[0][0]).dtype
        check_input(input, 3 if batch_sizes is None else 2, dtype, self._features_at, self.input_size)

    def get_expected_hidden_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """Shape that h must have for this input: (L·D, B, size of h)."""
        return (self.num_layers * self.num_directions, self._batch_size(input, batch_sizes), self.output_size)

    def check_hidden_size(
        self, hx: Tensor, expected_hidden_size: tuple[int, ...], msg: str = "Expected hidden size {}, got {}"
    ) -> None:
        """Raise RuntimeError unless a state has this shape."""
        if tuple(hx.shape) != tuple(expected_hidden_size):
            raise RuntimeError(msg.format(tuple(expected_hidden_size), list(hx.shape)))

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        """Check an input and a first state."""
        self.check_input(input, batch_sizes)
        state = self._state_tuple(hidden)
        check_state(state, len(self.suffixes), self._batch_size(input, batch_sizes), self.state_shapes(input))

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """Bring the sequences of a state into another order, (B,); None: leave them."""
        if permutation is None:
            return hx
        if isinstance(hx, Tensor):
            return hx.index_select(1, permutation)
        return tuple(s.index_select(1, permutation) for s in hx)

    def _batch_size(self, input: Tensor, batch_sizes: Tensor | None) -> int:
        return input.size(0 if self.batch_first else 1) if batch_sizes is None else int(batch_sizes[0])


class LSTM(RNNBase):
    """Long short-term memory, in place of ``torch.nn.LSTM``.

    Args:
        input_size: features per step, I.
        hidden_size: units, H.
        num_layers: layers.
        bias: whether there are biases.
        batch_first: whether input and output are (B, T, ...).
        dropout: dropout between layers, in training.
        bidirectional: whether to run in both directions.
        proj_size: size that h is projected to; 0: no projection.
        device: where the parameters live.
        dtype: their type.
        **extras: ``forget_bias``, ``chrono``, ``orthogonal``, ``engine``; see `Recurrent`.
    """

    title = "LSTM"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **extras: Any,
    ) -> None:
        options = (num_layers, bias, batch_first, dropout, bidirectional, proj_size)
        super().__init__("LSTM", input_size, hidden_size, *options, device=device, dtype=dtype, **extras)

    def get_expected_cell_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        """Shape that c must have for this input: (L·D, B, H)."""
        return (self.num_layers * self.num_directions, self._batch_size(input, batch_sizes), self.hidden_size)


class GRU(RNNBase):
    """Gated recurrent unit, in place of ``torch.nn.GRU`` (reset gate after the product).

    Args:
        input_size: features per step, I.
        hidden_size: units, H.
        num_layers: layers.
        bias: whether there are biases.
        batch_first: whether input and output are (B, T, ...).
        dropout: dropout between layers, in training.
        bidirectional: whether to run in both directions.
        device: where the parameters live.
        dtype: their type.
        **extras: ``forget_bias``, ``chrono``, ``orthogonal``, ``engine``; see `Recurrent`.
    """

    title = "GRU"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **extras: Any,
    ) -> None:
        _refuse_projection(extras)
        options = (num_layers, bias, batch_first, dropout, bidirectional)
        super().__init__("GRU", input_size, hidden_size, *options, device=device, dtype=dtype, **extras)


class RNN(RNNBase):
    """Simple recurrent network, in place of ``torch.nn.RNN``.

    Args:
        input_size: features per step, I.
        hidden_size: units, H.
        num_layers: layers.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        bias: whether there are biases.
        batch_first: whether input and output are (B, T, ...).
        dropout: dropout between layers, in training.
        bidirectional: whether to run in both directions.
        device: where the parameters live.
        dtype: their type.
        **extras: ``orthogonal``, ``engine``; see `Recurrent`.
    """

    title = "RNN"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **extras: Any,
    ) -> None:
        _refuse_projection(extras)
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        options = (num_layers, bias, batch_first, dropout, bidirectional)
        mode = f"RNN_{nonlinearity.upper()}"
        super().__init__(mode, input_size, hidden_size, *options, device=device, dtype=dtype, **extras)
        self.nonlinearity = nonlinearity


def _refuse_projection(extras: dict[str, Any]) -> None:
    if "proj_size" in extras:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
