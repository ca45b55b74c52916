"""The driver's own messages; what it does with cells is tested in `test_every_cell`."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

import lstmzoo.nn as zoo


def test_messages_name_value_and_remedy():
    with pytest.raises(ValueError, match=r"'lstn'.*'lstm'"):
        zoo.Recurrent("lstn", 3, 4)
    with pytest.raises(TypeError, match=r"Cell.*got int"):
        zoo.Recurrent(3, 3, 4)
    with pytest.raises(ValueError, match=r"'fast'.*aten, auto, native, .*parallel, reference"):
        zoo.Recurrent("lstm", 3, 4, engine="fast")
    with pytest.raises(ValueError, match=r"proj_size.*GRU\(\)"):
        zoo.Recurrent("gru", 3, 4, proj_size=2)
    module = zoo.LSTM(3, 4)
    x = torch.randn(5, 2, 3)
    with pytest.raises(ValueError, match=r"hx.*2 .*\(h, c\), got 1"):
        module(x, torch.zeros(1, 2, 4))
    with pytest.raises(ValueError, match=r"lengths.*1 and 5, got 0 to 6"):
        module(x, lengths=[0, 6])
    with pytest.raises(ValueError, match=r"\(2,\), got \(3,\)"):
        module(x, lengths=[1, 2, 3])
    with pytest.raises(ValueError, match=r"lengths.*single sequence"):
        module(x[:, 0], lengths=[3])
    with pytest.raises(ValueError, match=r"PackedSequence.*lengths"):
        module(pack_padded_sequence(x, torch.tensor([5, 5])), lengths=[5, 5])


def test_repr_shows_cell_and_initialisation():
    module = zoo.Recurrent("gru", 3, 4, 2, forget_bias=1.0, orthogonal=True)
    assert repr(module) == "Recurrent('gru', 3, 4, num_layers=2, forget_bias=1.0, orthogonal=True)"
