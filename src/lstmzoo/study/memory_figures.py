"""The figures of a memory study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from lstmzoo.study.bootstrap import interval
from lstmzoo.viz.style import GRID, MUTED, bare, class_colours, drawing, figure, save

NAMED = 8
"""Cells with a colour of their own; of more, all but rnn_tanh, lstm and the best are grey."""

FAINTEST = 1e-12
"""Where the axis of gradients ends."""

Found = Sequence[Mapping[str, Any]]


def draw_accuracy(found: Found, path: Path) -> Path:
    """Draw score against distance, a line per cell with a band over seeds, a panel per task."""
    tasks = list(dict.fromkeys(one["task"] for one in found))
    colours = _colours(found)
    with drawing():
        made = figure(max(7.2, 4.2 * len(tasks)), 4.4)
        panels = np.atleast_1d(made.subplots(1, len(tasks), sharey=True))
        for axes, task in zip(panels, tasks, strict=True):
            places = [cell for cell, (_, named) in colours.items() if named]
            for cell, (colour, named) in colours.items():
                ours = [one for one in found if (one["task"], one["cell"]) == (task, cell)]
                distances = sorted({one["distance"] for one in ours})
                scores = [[one["score"] for one in ours if one["distance"] == D] for D in distances]
                aside = places.index(cell) - (len(places) - 1) / 2 if named else 0  # lines of equal height are seen
                beside = np.array(distances) * 1.03**aside
                bands = np.array([interval(values) for values in scores])
                means = [float(np.mean(values)) for values in scores]
                axes.plot(beside, means, color=colour, marker="o", markersize=4, label=cell if named else None,
                          linewidth=2 if named else 0.8, zorder=3 if named else 1)  # fmt: skip
                if named:
                    axes.fill_between(beside, bands[:, 0], bands[:, 1], color=colour, alpha=0.15, linewidth=0)
            axes.axhline(0, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
            axes.set(xscale="log" if min(distances) > 0 else "symlog", ylim=(-0.12, 1.06), xlabel="distance D, steps")
            axes.set_title(f"{task.replace('_', ' ')}: how far back is remembered", loc="left", fontweight="bold")
            _distance_ticks(axes, sorted({one["distance"] for one in found if one["task"] == task}))
            axes.grid(color=GRID, linewidth=0.7)
            bare(axes)
        panels[0].set_yticks([0, 0.25, 0.5, 0.75, 1], ["chance", "", "half way", "", "all right"])
        others = f"grey: {len(colours) - len(places)} other cells" if len(colours) > len(places) else None
        panels[-1].legend(frameon=False, fontsize=8.5, loc="center left", bbox_to_anchor=(1.0, 0.5), title=others)
        return save(made, path)


def draw_gradients(found: Found, path: Path) -> Path:
    """Draw how far back the gradient reaches at the longest distance of the first task, before and after training."""
    ours = [one for one in found if one["task"] == found[0]["task"]]
    longest = max(one["distance"] for one in ours)
    with drawing():
        made = figure(9.6, 4.2)
        panels = made.subplots(1, 2, sharey=True)
        for axes, when in zip(panels, ("before", "after"), strict=True):
            for cell, (colour, named) in _colours(found).items():
                curves = [
                    dict(one[f"gradient_{when}"]) for one in ours if (one["cell"], one["distance"]) == (cell, longest)
                ]
                steps = sorted(curves[0])
                logs = [np.log([max(curve[k], FAINTEST) for k in steps]) for curve in curves]
                shown = np.exp(np.mean(logs, axis=0))
                axes.plot(steps, shown, color=colour, label=cell if named else None, linewidth=2 if named else 0.8,
                          zorder=3 if named else 1)  # fmt: skip
            axes.set(xscale="log", yscale="log", ylim=(FAINTEST, 1e3), xlabel="steps back")
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.set_title(f"{when} training", loc="left", fontweight="bold")
            axes.grid(color=GRID, linewidth=0.7)
            bare(axes)
        panels[0].set_ylabel("gradient, relative to the last step")
        panels[-1].legend(frameon=False, fontsize=8.5, loc="center left", bbox_to_anchor=(1.0, 0.5))
        return save(made, path)


def _colours(found: Found) -> dict[str, tuple[str, bool]]:
    """A colour for every cell, and whether it is named."""
    cells = list(dict.fromkeys(one["cell"] for one in found))
    means = {cell: float(np.mean([one["score"] for one in found if one["cell"] == cell])) for cell in cells}
    named = cells if len(cells) <= NAMED else [
        *(cell for cell in ("rnn_tanh", "gru", "lstm") if cell in cells),
        *sorted((cell for cell in cells if cell not in ("rnn_tanh", "gru", "lstm")), key=means.get, reverse=True)[:3],  # type: ignore[arg-type]
    ]  # fmt: skip
    colours = dict(zip(named, class_colours(len(named)), strict=True))
    return {cell: (colours.get(cell, "#b9c0c8"), cell in named) for cell in cells}


def _distance_ticks(axes: Axes, distances: Sequence[int]) -> None:
    axes.set_xticks(distances)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
