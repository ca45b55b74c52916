"""How many functions a call passes: what has to be read to follow one, and what a small network pays for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

import lstmzoo.nn as zoo
from lstmzoo.nn.engines.native import kernel

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


CALLS: dict[str, tuple[str, dict, int]] = {  # cell, what is given beside x, functions at most
    "native": ("peephole_lstm", {}, 25),
    "lengths": ("peephole_lstm", {"lengths": [5, 4, 2]}, 28),
    "packed": ("peephole_lstm", {}, 29),
    "torch's": ("lstm", {}, 16),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_warm_call_passes_few_functions(name):
    cell, given, most = CALLS[name]
    module, x = zoo.Recurrent(cell, 8, 16), torch.randn(5, 3, 8)
    x = pack_padded_sequence(x, [5, 4, 2]) if name == "packed" else x
    call = module.describe(x, **given)
    found = kernel.find(call.step, True, False, torch.float32)
    if cell == "peephole_lstm" and isinstance(found, str):
        pytest.skip("no C compiler")
    module(x, **given)
    passed = functions_passed(lambda: module(x, **given))
    assert 5 < len(passed) <= most, passed
