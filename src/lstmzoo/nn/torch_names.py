"""What foreign code expects to find on a recurrent module because torch.nn's have it."""

from typing import Any

import torch
from torch import Tensor

from lstmzoo.nn.cell import Cell
from lstmzoo.nn.graph_leaf import GraphLeaf


class TorchNames(GraphLeaf):
    """Names of torch.nn.RNNBase beyond the constructor and forward: weights in lists, cuDNN's memory layout."""

    cell: Cell
    input_size: int
    hidden_size: int
    num_layers: int
    proj_size: int
    batch_first: bool
    bidirectional: bool
    _all_weights: list[list[str]]

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters, one list per layer and direction (as torch.nn.LSTM has it)."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Any]:
        # Looked up at every call, so that weight_norm, pruning, parametrisation and functional_call just work;
        # None in place of a weight that is taken out for a while, as torch.nn.LSTM has it.
        return [getattr(self, name, None) for name in self._flat_weights_names]

    def flatten_parameters(self) -> None:
        """Lay the weights out in one piece of memory as cuDNN wants them; does nothing elsewhere."""
        weights = self._flat_weights
        if self.cell.aten is None or not all(isinstance(w, Tensor) and w.is_cuda for w in weights):
            return
        if len({w.dtype for w in weights}) > 1:
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

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        module = super()._apply(fn, recurse)
        self.flatten_parameters()
        return module
