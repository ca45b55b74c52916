"""The recurrent core: cells, the driver that runs any of them, drop-ins for torch.nn, and probes.

Imports torch and nothing else, so it can be used in any PyTorch project. `LSTMCell`, `GRUCell`, `RNNCell` and
`RNNCellBase`, for loops written by hand, are torch's own.
"""

from torch.nn import GRUCell, LSTMCell, RNNCell, RNNCellBase

from lstmzoo.nn import cells, init
from lstmzoo.nn.cell import Cell
from lstmzoo.nn.cell_registry import get_cell, list_cells, register_cell
from lstmzoo.nn.conv import ConvGRU, ConvLSTM, ConvPeepholeLSTM, ConvRecurrent
from lstmzoo.nn.dropin import GRU, LSTM, RNN, RNNBase
from lstmzoo.nn.probe import Trace, clamp, trace
from lstmzoo.nn.recurrent import Recurrent

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Cell",
    "ConvGRU",
    "ConvLSTM",
    "ConvPeepholeLSTM",
    "ConvRecurrent",
    "GRUCell",
    "LSTMCell",
    "RNNBase",
    "RNNCell",
    "RNNCellBase",
    "Recurrent",
    "Trace",
    "cells",
    "clamp",
    "get_cell",
    "init",
    "list_cells",
    "register_cell",
    "trace",
]
