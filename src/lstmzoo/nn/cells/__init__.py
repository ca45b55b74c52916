"""The cells, grouped as the field groups them."""

from lstmzoo.nn.cells import gated_units, parallel, structured
from lstmzoo.nn.cells.classic import GRU, LSTM, ReLURNN, TanhRNN

__all__ = ["GRU", "LSTM", "ReLURNN", "TanhRNN", "gated_units", "parallel", "structured"]
