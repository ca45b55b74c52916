"""LSTM, GRU and RNN in place of torch.nn's: same arguments, parameter names, state_dict, errors and results."""

from __future__ import annotations

from typing import Any

import torch

from lstmzoo.nn.recurrent import Recurrent


class LSTM(Recurrent):
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
        super().__init__("lstm", input_size, hidden_size, *options, device=device, dtype=dtype, **extras)

    @property
    def mode(self) -> str:
        """torch's name of the network: ``"LSTM"``."""
        return "LSTM"


class GRU(Recurrent):
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
        super().__init__("gru", input_size, hidden_size, *options, device=device, dtype=dtype, **extras)

    @property
    def mode(self) -> str:
        """torch's name of the network: ``"GRU"``."""
        return "GRU"


class RNN(Recurrent):
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
        super().__init__(f"rnn_{nonlinearity}", input_size, hidden_size, *options, device=device, dtype=dtype, **extras)
        self.nonlinearity = nonlinearity

    @property
    def mode(self) -> str:
        """torch's name of the network: ``"RNN_TANH"`` or ``"RNN_RELU"``."""
        return f"RNN_{self.nonlinearity.upper()}"


def _refuse_projection(extras: dict[str, Any]) -> None:
    if "proj_size" in extras:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
