"""``lstmzoo study rules``: the four rules of the memory cell, from traces of a unit whose gates are held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lstmzoo.config.options import described_options, parse_options
from lstmzoo.io.atomic import make_folder
from lstmzoo.nn import LSTM, clamp, trace
from lstmzoo.settings import settings_of
from lstmzoo.viz.style import GRID, MUTED, OKABE_ITO, bare, drawing, figure, save

STEPS, HELD = 60, (24, 44)
"""Steps of the sequence, and from which to which the gates are held."""

PULSES = {6: 1.0, 30: 1.0, 50: -1.0}
"""What the unit is shown, by step; 0 at all others."""


@dataclass(frozen=True)
class Rule:
    """A rule of the memory cell.

    Attributes:
        title: what it says.
        gates: what the gates are held at.
    """

    title: str
    gates: dict[str, float]


RULES = (
    Rule("input gate shut (i = 0): nothing new is written", {"i": 0.0}),
    Rule("output gate shut (o = 0): nothing is shown, all is kept", {"o": 0.0}),
    Rule("forget gate at 1, input shut: kept as it is", {"f": 1.0, "i": 0.0}),
    Rule("forget gate at 0: what was there is erased", {"f": 0.0}),
)


def unit() -> LSTM:
    """One LSTM unit that writes its input, forgets slowly, and shows what it holds."""
    lstm = LSTM(1, 1)
    with torch.no_grad():
        for parameter in lstm.parameters():
            parameter.zero_()
        lstm.get_parameter("weight_ih_l0")[2] = 2.0  # g = tanh(2 x)
        lstm.get_parameter("bias_ih_l0").copy_(torch.tensor([3.0, 4.0, 0.0, 3.0]))  # i, f, o nearly open; f = 0.98
    return lstm


@torch.no_grad()
def follow(rule: Rule) -> dict[str, Tensor]:
    """Run the unit with its gates held for a while.

    Args:
        rule: what they are held at.

    Returns:
        x, c and h over time, (T,) each.
    """
    lstm, x = unit(), torch.zeros(STEPS, 1, 1)
    for step, value in PULSES.items():
        x[step] = value
    first, last = HELD
    with trace(lstm) as seen:
        _, state = lstm(x[:first])
        with clamp(lstm, **rule.gates):
            _, state = lstm(x[first:last], state)
        lstm(x[last:], state)
    return {"x": x.flatten(), **{name: seen.states[name][0].flatten() for name in ("c", "h")}}


def study_rules(output: Path = Path("runs/study_rules")) -> Path:
    """Draw the four rules of the memory cell.

    Args:
        output: folder of the figure, rules.png.

    Returns:
        The figure.
    """
    make_folder(output)
    names = {"x": ("input x", MUTED), "c": ("memory c", OKABE_ITO[0]), "h": ("output h", OKABE_ITO[3])}
    with drawing():
        made = figure(10.4, 5.6)
        for axes, rule in zip(made.subplots(2, 2, sharex=True, sharey=True).flat, RULES, strict=True):
            axes.axvspan(HELD[0] - 0.5, HELD[1] - 0.5, color=GRID, linewidth=0)
            for name, values in follow(rule).items():
                label, colour = names[name]
                axes.step(range(STEPS), values.numpy(), where="mid", color=colour, linewidth=1.8, label=label)
            axes.set_title(rule.title, loc="left", fontweight="bold")
            axes.set_ylim(-1.3, 2.3)
            bare(axes)
        for axes in made.axes[2:]:
            axes.set_xlabel("step; grey: the gates are held")
        made.axes[1].legend(frameon=False, loc="upper right", fontsize=8.5)
        return save(made, output / "rules.png")


USAGE = f"""\
usage: lstmzoo study rules [option=value ...]

{(study_rules.__doc__ or "").partition(chr(10))[0]}

{described_options(settings_of(study_rules))}
"""


def study(argv: Sequence[str]) -> None:
    """Draw the figure that the words after ``lstmzoo study rules`` ask for."""
    print(study_rules(**parse_options(argv, settings_of(study_rules), "lstmzoo study rules")))
