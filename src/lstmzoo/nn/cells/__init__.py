"""The cells, grouped as the field groups them."""

from lstmzoo.nn.cells import (
    ablations,
    gated_units,
    linear,
    lstm_family,
    multiplicative,
    normalised,
    structured,
    xlstm,
)
from lstmzoo.nn.cells.classic import GRU, LSTM, ReLURNN, TanhRNN

__all__ = [
    "GRU",
    "LSTM",
    "ReLURNN",
    "TanhRNN",
    "ablations",
    "gated_units",
    "linear",
    "lstm_family",
    "multiplicative",
    "normalised",
    "structured",
    "xlstm",
]
