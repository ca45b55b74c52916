"""Models under conditions: a bar for each model as it is, and marks for what is left when its memory is disturbed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lstmzoo.viz.style import GRID, INK, MUTED, bare, class_colours, drawing, figure, save

MARKS = "D^sXvP"


@dataclass(frozen=True)
class Bars:
    """A panel.

    Attributes:
        title: of the panel.
        measure: what the scores are.
        models: names, from top to bottom.
        scores: for every condition, the first of them unchanged, (mean, low, high) of each model in 0..1, or None.
        chance: the score of a guess, if there is one.
    """

    title: str
    measure: str
    models: Sequence[str]
    scores: Mapping[str, Sequence[tuple[float, float, float] | None]]
    chance: float | None


def task_study(panels: Sequence[Bars], path: Path) -> Path:
    """Draw panels side by side.

    Args:
        panels: one per task.
        path: the figure to write.

    Returns:
        The path.
    """
    most = max(len(panel.models) for panel in panels)
    with drawing():
        made = figure(1.2 + 4.4 * len(panels), 1.9 + 0.42 * most)
        for axes, panel in zip(np.atleast_1d(made.subplots(1, len(panels))), panels, strict=True):
            places = np.arange(len(panel.models))
            first, *others = panel.scores
            colours = class_colours(1 + len(others))
            beside = np.linspace(-0.2, 0.2, len(others))
            if panel.chance is not None:
                axes.axvline(100 * panel.chance, color=MUTED, linestyle="--", linewidth=1, label="chance", zorder=1)
            axes.barh(0, 0, color=colours[0], label=first)
            for place, one in zip(places, panel.scores[first], strict=True):
                if one is not None:
                    mean, low, high = (100 * value for value in one)
                    axes.barh(place, mean, 0.62, color=colours[0], zorder=2)
                    axes.plot([low, high], [place, place], color=INK, linewidth=1.2, zorder=4)
            for number, name in enumerate(others):
                for place, one in zip(places, panel.scores[name], strict=True):
                    if one is not None:
                        axes.plot(
                            100 * one[0], place + beside[number], MARKS[number % len(MARKS)], color=colours[1 + number],
                            markersize=7, markeredgecolor="white", markeredgewidth=0.8, zorder=5,
                        )  # fmt: skip
                axes.plot([], [], MARKS[number % len(MARKS)], color=colours[1 + number], label=name)
            axes.set_yticks(places, panel.models)
            axes.set_ylim(len(places) - 0.5, -0.5)
            axes.set_xlim(0, 100)
            axes.set_title(panel.title, loc="left", fontweight="bold")
            axes.set_xlabel(panel.measure)
            axes.grid(axis="x", color=GRID, linewidth=0.7)
            axes.set_axisbelow(True)
            axes.tick_params(axis="y", length=0)
            bare(axes, keep=("bottom",))
        handles = {
            text: line for axes in made.axes for line, text in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        handles = dict(sorted(handles.items(), key=lambda one: one[0] != first))
        made.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=len(handles), frameon=False)
        return save(made, path)
