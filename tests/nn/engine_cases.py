"""What one engine must do as the reference engine does: options of networks and of calls, for cells they go with."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from every_cell import assert_same, close_to, dtype_of, first_state, network, on_engines, run, sequences

LENGTHS = [2, 5, 3]


def assert_engines_agree(module: Any, x: Any, hx: Any = None, engine: str = "native", **given: Any) -> None:
    found, expected = (run(m, x, hx, **given) for m in on_engines(module, engine, "reference"))
    assert_same(found, expected, **close_to(dtype_of(module)))


class Case(NamedTuple):
    """Options of a network, and of a call of it."""

    cells: tuple[str, ...]
    options: dict[str, Any]
    given: dict[str, Any] = {}
    own_state: bool = False  # the first state is the network's


RESET = torch.tensor([[0, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.bool)
CASES = {
    "projection, zoneout in training": Case(
        ("lstm", "peephole_lstm", "slstm"), {"proj_size": 2, "zoneout": 0.4}, {"return_states": True}
    ),
    "zoneout outside training, hard gates": Case(
        ("gru", "janet", "sru"), {"zoneout": {"h": 0.3}, "gates": "hard"}, {"training": False}
    ),
    "dropout of h and R, traced": Case(
        ("gru", "mgu", "layer_norm_lstm"), {"recurrent_dropout": 0.4, "weight_drop": 0.3}, {"traced": True}
    ),
    "resets to a learned state, no bias": Case(
        ("lstm", "depth_gated_lstm", "clockwork", "indrnn"),
        {"learn_state": True, "bias": False, "bidirectional": True},
        {"reset": RESET},
        own_state=True,
    ),
    "all gates but one clamped, lengths": Case(
        ("mut3", "greff_fgr", "sru"), {}, {"clamped": "but one", "lengths": LENGTHS}
    ),
    "binary gates, resets": Case(
        ("lstm", "mut1", "minlstm"), {"gates": "binary"}, {"reset": RESET, "return_states": True}
    ),
    "checkpoints in time, zoneout": Case(
        ("lstm", "gru_reset_before", "minlstm"),
        {"checkpoint_steps": 2, "zoneout": {"h": 0.4}, "bidirectional": True},
    ),
    "one gate clamped, traced, lengths": Case(
        ("depth_gated_lstm", "rnn_relu", "multiplicative_lstm"),
        {"bidirectional": True},
        {"clamped": "one", "traced": True, "lengths": LENGTHS},
    ),
    "projection, residual, learned state": Case(
        ("lstm", "depth_gated_lstm", "slstm"),
        {"proj_size": 2, "residual": True, "learn_state": True},
        own_state=True,
    ),
    "dropout of h, variational, lengths": Case(
        ("gru", "mgu", "multiplicative_lstm"),
        {"recurrent_dropout": 0.4, "variational": True, "dropout": 0.4},
        {"lengths": LENGTHS},
    ),
}


def assert_case_agrees(title: str, name: str, kernel: int, engine: str) -> None:
    """Compare an engine with the reference engine on a case; with a kernel, in the convolutional form."""
    case = CASES[title]
    module = network(name, num_layers=2, dtype=torch.float32, kernel=kernel, **case.options)
    given = dict(case.given)
    module.train(given.pop("training", True))
    gates = [*module.cell.gates]
    given["clamped"] = dict.fromkeys({"one": gates[:1], "but one": gates[1:], None: ()}[given.get("clamped")], 0.3)
    x = sequences(module, image=(3, 2) if kernel else ())
    assert_engines_agree(module, x, None if case.own_state else first_state(module, x), engine, **given)
