"""Curves of several runs in one figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator

from lstmzoo.viz.style import GRID, bare, class_colours, drawing, figure, save


@dataclass(frozen=True)
class Line:
    """Runs that differ in their seeds only."""

    label: str  # what they have in common
    curves: Sequence[Mapping[int, float]]  # of each, a number by epoch


def comparison(lines: Sequence[Line], path: Path, measure: str) -> Path:
    """Draw the mean of each line over epochs, with a band from the least to the greatest run."""
    with drawing():
        made = figure(7.2, 4.2)
        axes = made.subplots()
        for line, colour in zip(lines, class_colours(len(lines)), strict=True):
            epochs = sorted(set.intersection(*(set(curve) for curve in line.curves)))
            values = np.array([[curve[epoch] for epoch in epochs] for curve in line.curves])
            axes.plot(epochs, values.mean(0), color=colour, label=line.label, linewidth=1.8, marker=".", markersize=5)
            if len(values) > 1:
                axes.fill_between(epochs, values.min(0), values.max(0), color=colour, alpha=0.18, linewidth=0)
        axes.set_title(measure, loc="left", fontweight="bold")
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(color=GRID, linewidth=0.7)
        axes.set_axisbelow(True)
        bare(axes)
        axes.legend(frameon=False, fontsize=9)
        return save(made, path)
