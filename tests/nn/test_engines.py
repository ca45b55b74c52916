"""Every engine keeps to the protocol: it says why it can't run a call, or gives the reference engine's numbers."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from every_cell import close_to, network, sequences
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import lstmzoo.nn as zoo
from lstmzoo.nn import engines

FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "lengths": {"lengths": [5, 2, 4]},
    "packed": {},
    "reset": {"reset": torch.arange(15).view(5, 3) % 4 == 0},
    "all states": {"return_states": True},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cell", ["lstm", "gru", "mgu", "mingru", "mlstm", "depth_gated_lstm"])
@pytest.mark.parametrize("name", engines.ENGINES)
def test_an_engine_declines_with_its_reason_or_gives_the_references_numbers(name, cell, form):
    module = network(cell, num_layers=2, bidirectional=True)
    x = sequences(module)
    given = pack_padded_sequence(x, [5, 2, 4], enforce_sorted=False) if form == "packed" else x
    call = module.describe(given, **FORMS[form])
    prepared = engines.ENGINES[name].prepare(call)
    if isinstance(prepared, str):
        with pytest.raises(ValueError, match=f"{name!r}.*{re.escape(prepared)}.*auto"):
            engines.run(call, name)
        return
    found, expected = (engines.run(call, engine) for engine in (name, "reference"))
    outputs = [r.output.data if isinstance(r.output, PackedSequence) else r.output for r in (found, expected)]
    torch.testing.assert_close(*outputs, **close_to(torch.float64))
    torch.testing.assert_close(found.last, expected.last, **close_to(torch.float64))
    torch.testing.assert_close(found.states, expected.states, **close_to(torch.float64))


@pytest.mark.parametrize(("faster", "supported", "runs"), [(1, 1, "quick"), (1, 0, "aten"), (0, 1, "aten")])
def test_auto_takes_the_first_that_can_unless_another_is_faster(monkeypatch, faster, supported, runs):
    ran = []

    def engine(name, reason):
        return SimpleNamespace(prepare=lambda call: reason or (lambda call: ran.append(name)))

    listed = {"unable": engine("unable", "it can't"), "aten": engine("aten", None), "last": engine("last", None)}
    listed["quick"] = engine("quick", None if supported else "it can't")
    monkeypatch.setattr(engines, "ENGINES", listed)
    monkeypatch.setattr(engines, "FASTER", {"aten": {"quick": lambda call: bool(faster)}})
    engines.run(zoo.LSTM(3, 4).describe(torch.zeros(5, 2, 3)))
    assert ran == [runs]


def test_no_engine_sees_a_module():
    call = zoo.LSTM(3, 4, 2).describe(torch.zeros(5, 2, 3))
    assert not any(isinstance(value, torch.nn.Module) for value in call)
