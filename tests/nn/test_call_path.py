"""How many functions a call passes: what has to be read to follow one, and what a small network pays for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

import lstmzoo.nn as zoo
from lstmzoo.nn import engines
from lstmzoo.nn.engines import native

pytestmark = pytest.mark.slow

FOLDER = str(Path(zoo.__file__).parent)


def functions_passed(call: Callable[[], object]) -> list[str]:
    """Names of the functions of `lstmzoo.nn` that a call enters, each once; comprehensions belong to theirs."""
    found: dict[str, None] = {}

    def note(frame, event, argument):
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(FOLDER) and not code.co_name.startswith("<"):
            found[f"{Path(code.co_filename).stem}.{code.co_name}:{code.co_firstlineno}"] = None

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(before)
    return list(found)


LENGTHS = {"lengths": [5, 4, 2]}
CALLS: dict[str, tuple[str, dict, int, bool, int]] = {  # cell, given beside x, layers, trained, functions at most
    "inference": ("peephole_lstm", {}, 1, False, 26),
    "training": ("peephole_lstm", {}, 1, True, 27),
    "two layers": ("peephole_lstm", {}, 2, True, 27),
    "lengths": ("peephole_lstm", LENGTHS, 1, True, 29),
    "packed": ("peephole_lstm", {}, 1, True, 30),
    "torch's": ("lstm", {}, 1, False, 14),
    "torch's or ours": ("lstm", LENGTHS, 1, True, 32),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_warm_call_passes_few_functions(name):
    cell, given, layers, trained, most = CALLS[name]
    module, x = zoo.Recurrent(cell, 8, 16, layers), torch.randn(5, 3, 8)
    x = pack_padded_sequence(x, [5, 4, 2]) if name == "packed" else x
    call = module.describe(x, **given)
    found = native.find(call.step, True, False, torch.float32)
    if cell == "peephole_lstm" and isinstance(found, str):
        pytest.skip("no C compiler")
    with torch.set_grad_enabled(trained):
        module(x, **given)
        passed = functions_passed(lambda: module(x, **given))
    assert 5 < len(passed) <= most, passed


def test_a_kernel_is_looked_up_once_in_a_call(monkeypatch):
    module, x, found = zoo.LSTM(8, 16, 3, bidirectional=True, engine="native"), torch.randn(5, 3, 8), []
    if isinstance(engines.ENGINES["native"].prepare(module.describe(x)), str):
        pytest.skip("no C compiler")
    find = native.find
    monkeypatch.setattr(native, "find", lambda *described, **more: found.append(find(*described, **more)) or found[-1])
    module(x)
    assert len(found) == 1
