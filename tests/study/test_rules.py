"""`lstmzoo study rules`: the unit does what the four rules say."""

import torch

from lstmzoo.cli import main
from lstmzoo.study.rules import HELD, PULSES, RULES, STEPS, follow

FIRST, LAST = HELD
INSIDE = next(step for step in PULSES if FIRST < step < LAST)


def rule(**gates):
    return follow(next(one for one in RULES if one.gates == gates))


def test_with_the_input_shut_a_pulse_leaves_no_mark():
    c = rule(i=0.0)["c"]
    ratio = c[FIRST:LAST] / c[FIRST - 1 : LAST - 1]
    torch.testing.assert_close(ratio, torch.full_like(ratio, torch.tensor(4.0).sigmoid()))


def test_with_the_output_shut_nothing_is_shown_and_the_memory_goes_on():
    free, held = follow(type(RULES[0])("", {})), rule(o=0.0)
    assert (held["h"][FIRST:LAST] == 0).all()
    torch.testing.assert_close(held["c"], free["c"])  # no gate looks at h here
    torch.testing.assert_close(held["h"][LAST:], free["h"][LAST:])


def test_kept_at_one():
    c = rule(f=1.0, i=0.0)["c"]
    assert (c[FIRST:LAST] == c[FIRST - 1]).all()
    assert c[FIRST - 1] > 0.5


def test_erased_at_zero():
    found = rule(f=0.0)
    c = found["c"][FIRST:LAST]
    at = torch.arange(FIRST, LAST) == INSIDE
    assert (c[~at] == 0).all()
    assert c[at] > 0.5
    assert len(found["x"]) == STEPS


def test_the_picture(tmp_path, capsys):
    assert main(["study", "rules", f"output={tmp_path / 'new'}"]) == 0
    assert (tmp_path / "new" / "rules.png").stat().st_size > 10_000
