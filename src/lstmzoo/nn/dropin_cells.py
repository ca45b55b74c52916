"""LSTMCell, GRUCell and RNNCell in place of torch.nn's: one step of time, called by hand."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import _VF, Tensor
from torch.nn import Parameter

from lstmzoo.nn.graph_leaf import GraphLeaf, refuse_tracing


class RNNCellBase(GraphLeaf):
    """What the three share, in place of ``torch.nn.RNNCellBase``: parameters, and input with or without a batch.

    Args:
        input_size: features, I.
        hidden_size: units, H.
        bias: whether there are biases.
        num_chunks: blocks of H rows in the weights, one per gate.
        device: where the parameters live.
        dtype: their type.
    """

    title = "RNNCellBase"  # whom an error message speaks of, in subclasses too
    num_states = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        factory: dict[str, Any] = {"device": device, "dtype": dtype}
        rows = num_chunks * hidden_size
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        self.weight_ih = Parameter(torch.empty((rows, input_size), **factory))
        self.weight_hh = Parameter(torch.empty((rows, hidden_size), **factory))
        self.register_parameter("bias_ih", Parameter(torch.empty(rows, **factory)) if bias else None)
        self.register_parameter("bias_hh", Parameter(torch.empty(rows, **factory)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew, uniform in ±1/√H."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0.0
        for weight in self.parameters():
            torch.nn.init.uniform_(weight, -bound, bound)

    def _run(self, input: Tensor, hx: Any) -> Any:
        """Check dimensions, add the batch dimension if there is none, and call torch's kernel."""
        refuse_tracing(self, input, hx)
        if input.dim() not in (1, 2):
            raise ValueError(f"{self.title}: Expected input to be 1D or 2D, got {input.dim()}D instead")
        states = () if hx is None else tuple(hx) if self.num_states > 1 else (hx,)
        for k, s in enumerate(states):
            if s.dim() not in (1, 2):
                which = f"hx[{k}]" if self.num_states > 1 else "hidden"
                raise ValueError(f"{self.title}: Expected {which} to be 1D or 2D, got {s.dim()}D instead")
        single = input.dim() == 1
        x = input.unsqueeze(0) if single else input
        if hx is None:
            zeros = torch.zeros(x.size(0), self.hidden_size, dtype=x.dtype, device=x.device)
            states = (zeros,) * self.num_states
        elif single:
            states = tuple(s.unsqueeze(0) for s in states)
        after = self._kernel(x, states if self.num_states > 1 else states[0])
        if not single:
            return after
        return tuple(s.squeeze(0) for s in after) if self.num_states > 1 else after.squeeze(0)

    def _kernel(self, x: Tensor, hx: Any) -> Any:
        raise NotImplementedError

    def _weights(self) -> tuple[Any, ...]:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def extra_repr(self) -> str:
        """The hyper-parameters, as torch.nn shows them."""
        nonlinearity = getattr(self, "nonlinearity", "tanh")
        parts = [f"{self.input_size}, {self.hidden_size}"]
        parts += [f"bias={self.bias}"] if self.bias is not True else []
        parts += [f"nonlinearity={nonlinearity}"] if nonlinearity != "tanh" else []
        return ", ".join(parts)


class LSTMCell(RNNCellBase):
    """One step of a long short-term memory, in place of ``torch.nn.LSTMCell``.

    Args:
        input_size: features, I.
        hidden_size: units, H.
        bias: whether there are biases.
        device: where the parameters live.
        dtype: their type.
    """

    title = "LSTMCell"
    num_states = 2

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """One step.

        Args:
            input: (B, I) or (I,).
            hx: (h, c), each (B, H) or (H,); None: zeros.

        Returns:
            The next (h, c).

        Raises:
            ValueError: for other numbers of dimensions.
        """
        return self._run(input, hx)

    def _kernel(self, x: Tensor, hx: Any) -> Any:
        return _VF.lstm_cell(x, hx, *self._weights())


class GRUCell(RNNCellBase):
    """One step of a gated recurrent unit, in place of ``torch.nn.GRUCell``.

    Args:
        input_size: features, I.
        hidden_size: units, H.
        bias: whether there are biases.
        device: where the parameters live.
        dtype: their type.
    """

    title = "GRUCell"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """One step.

        Args:
            input: (B, I) or (I,).
            hx: h, (B, H) or (H,); None: zeros.

        Returns:
            The next h.

        Raises:
            ValueError: for other numbers of dimensions.
        """
        return self._run(input, hx)

    def _kernel(self, x: Tensor, hx: Any) -> Any:
        return _VF.gru_cell(x, hx, *self._weights())


class RNNCell(RNNCellBase):
    """One step of a simple recurrent network, in place of ``torch.nn.RNNCell``.

    Args:
        input_size: features, I.
        hidden_size: units, H.
        bias: whether there are biases.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        device: where the parameters live.
        dtype: their type.
    """

    title = "RNNCell"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """One step.

        Args:
            input: (B, I) or (I,).
            hx: h, (B, H) or (H,); None: zeros.

        Returns:
            The next h.

        Raises:
            ValueError: for other numbers of dimensions.
            RuntimeError: for an unknown nonlinearity.
        """
        return self._run(input, hx)

    def _kernel(self, x: Tensor, hx: Any) -> Any:
        kernels = {"tanh": _VF.rnn_tanh_cell, "relu": _VF.rnn_relu_cell}
        if self.nonlinearity not in kernels:
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return kernels[self.nonlinearity](x, hx, *self._weights())
