"""Zoneout: which states it acts on, and what it does to them (Krueger et al. 2017, equations 4 to 6)."""

from __future__ import annotations

import pytest
import torch

import lstmzoo.nn as zoo

pytestmark = pytest.mark.slow

ACTS_ON = {  # what one number means, where it is not all there is
    "clockwork": {"h"},
    "greff_fgr": {"h", "c"},
    "mlstm": {"h"},
    "slstm": {"h"},
}


def last_states(module: zoo.Recurrent, x: torch.Tensor, hx: tuple[torch.Tensor, ...]) -> dict[str, torch.Tensor]:
    last = module(x, hx if len(hx) > 1 else hx[0])[1]
    return dict(zip(module.cell.state, last if isinstance(last, tuple) else (last,), strict=True))


@pytest.mark.parametrize("name", zoo.list_cells())
def test_one_number_acts_on_h_and_c_and_leaves_the_rest_to_the_step(name):
    """With probability 1 the zoned states never change; all others are what one step makes of the first state."""
    zoned = ACTS_ON.get(name, {"h", "c"})
    module, plain = (zoo.Recurrent(name, 3, 4, dtype=torch.float64, zoneout=rate) for rate in (1.0, 0.0))
    plain.load_state_dict(module.state_dict())
    x = torch.randn(1, 2, 3, dtype=torch.float64)
    hx = tuple(torch.rand_like(s).round() if k == "clock" else torch.rand_like(s) for k, s in _first(module, x))
    before = dict(zip(module.cell.state, hx, strict=True))
    after, free = last_states(module, x, hx), last_states(plain, x, hx)
    for state in module.cell.state:
        expected = before if state in zoned else free
        torch.testing.assert_close(after[state], expected[state], rtol=1e-12, atol=1e-12)


def _first(module: zoo.Recurrent, x: torch.Tensor) -> list[tuple[str, torch.Tensor]]:
    return list(zip(module.cell.state, module.initial_state(x, x.shape[1]), strict=True))


def test_outside_training_the_states_are_mixed_in_the_mean():
    torch.manual_seed(0)
    module = zoo.Recurrent("lstm", 3, 4, zoneout={"c": 0.5, "h": 0.05}, dtype=torch.float64).eval()
    x = torch.randn(6, 2, 3, dtype=torch.float64)
    h = c = torch.zeros(2, 4, dtype=torch.float64)
    for x_t in x:
        z = x_t @ module.weight_ih_l0.T + h @ module.weight_hh_l0.T + module.bias_ih_l0 + module.bias_hh_l0
        i, f, g, o = z.chunk(4, 1)
        new = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = 0.05 * h + 0.95 * o.sigmoid() * new.tanh()
        c = 0.5 * c + 0.5 * new
    torch.testing.assert_close(module(x)[1], (h[None], c[None]))


def test_in_training_every_unit_keeps_its_old_value_or_takes_the_new_one():
    torch.manual_seed(0)
    module = zoo.Recurrent("gru", 3, 64, zoneout=0.3)
    plain = zoo.Recurrent("gru", 3, 64)
    plain.load_state_dict(module.state_dict())
    x, h = torch.randn(1, 50, 3), torch.randn(1, 50, 64)
    after, new = module(x, h)[1], plain(x, h)[1]
    kept = after == h
    assert kept.float().mean().item() == pytest.approx(0.3, abs=0.03)
    torch.testing.assert_close(after[~kept], new[~kept])


def test_a_clock_goes_on_ticking():
    clockwork = zoo.Recurrent("clockwork", 3, 8, zoneout=0.9)
    assert clockwork(torch.randn(5, 2, 3))[1][1].eq(5).all()


@pytest.mark.parametrize(
    ("cell", "zoneout", "message"),
    [
        ("lstm", {"q": 0.1}, "'q'.*: h, c"),
        ("clockwork", {"clock": 0.1}, "'clock'.*: h$"),
        ("mlstm", {"m": 0.1}, "'m'.*: h, C, n$"),
        ("lstm", 1.1, r"0 to 1, got 1\.1"),
        ("slstm", {"n": -0.1}, r"zoneout of n .*-0\.1"),
    ],
)
def test_messages(cell, zoneout, message):
    with pytest.raises(ValueError, match=message):
        zoo.Recurrent(cell, 3, 4, zoneout=zoneout)


def test_a_cell_that_names_states_it_has_not_is_refused():
    with pytest.raises(TypeError, match=r"zoneout_states names \['q'\]"):
        type("Wrong", (zoo.cells.LSTM,), {"zoneout_states": ("h", "q")})
    with pytest.raises(TypeError, match="input_gate"):
        type("Wrong", (zoo.cells.LSTM,), {"coupled_input_forget": True})
