"""Panels over one shared axis of time: frames on top, beneath them whatever happened while they went by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from lstmzoo.viz.style import GRID, INK, MUTED, bare, figure

# The layout in inches. It is laid out by hand so that thumbnails keep their aspect and all panels share one axis.
LEFT, PLOT, RIGHT, TOP, BOTTOM = 1.45, 6.9, 1.65, 0.75, 0.55
STRIP, GAP = 0.95, 0.2


@dataclass(frozen=True)
class Panel:
    """One row of the figure: what it shows, its height, and the space above it (inches)."""

    kind: str
    name: str
    height: float
    above: float


def lay_out(panels: Sequence[Panel], plot: float) -> tuple[Figure, list[Axes]]:
    """Stack the panels, `plot` inches wide; heights and gaps are rows of one grid, so that inches stay inches."""
    width = LEFT + plot + RIGHT
    rows = [size for panel in panels for size in (panel.above, panel.height)]
    height = TOP + BOTTOM + sum(rows)
    made = figure(width, height)
    made.set_layout_engine("none")
    grid = GridSpec(
        len(rows),
        1,
        figure=made,
        height_ratios=[max(size, 1e-6) for size in rows],
        hspace=0,
        left=LEFT / width,
        right=1 - RIGHT / width,
        top=1 - TOP / height,
        bottom=BOTTOM / height,
    )
    return made, [made.add_subplot(grid[2 * row + 1]) for row in range(len(panels))]


def time_edges(x: np.ndarray) -> np.ndarray:
    """Return the T + 1 borders between time steps: halfway between neighbours."""
    step = np.diff(x).mean() if len(x) > 1 else 1.0
    middle = (x[1:] + x[:-1]) / 2
    return np.concatenate([[x[0] - step / 2], middle, [x[-1] + step / 2]])


def draw_strip(
    ax: Axes, frames: np.ndarray, edges: np.ndarray, plot: float, *, every: bool, name: Sequence[str] = ()
) -> None:
    """Lay as many thumbnails side by side as fit at their own aspect, each the middle frame of its stretch.

    With ``every`` all of them, smaller if need be. The panel's name is ``frames`` and how many, unless one is given.
    """
    images = frames[..., 0] if frames.ndim == 4 and frames.shape[-1] == 1 else frames
    aspect = images.shape[2] / images.shape[1]
    count = len(images) if every else max(1, min(len(images), round(plot / (STRIP * aspect))))
    width, gap = (edges[-1] - edges[0]) / count, 0.03
    # The height of a thumbnail follows from its width, in units of the strip's height.
    tall = plot / count * (1 - gap) / aspect / STRIP
    half = width * (1 - gap) / 2 / (max(tall, 1.0) if every else 1.0)  # few steps: not wider than the strip is tall
    tall = min(tall, 1.0) if every else tall
    for k in range(count):
        middle = edges[0] + (k + 0.5) * width
        ax.imshow(
            images[int((k + 0.5) * len(images) / count)],
            extent=(middle - half, middle + half, 0, tall),
            aspect="auto",
            cmap="gray",
            vmin=0,
            vmax=255,
        )
    ax.set_ylim(0, max(tall, 1.0))
    ax.set_yticks([])
    name_panel(ax, *(name or ("frames", f"{count} of {len(images)}")))
    bare(ax, keep=())


def write_heading(made: Figure, title: str, subtitle: str) -> None:
    """Write the heading, and a line beneath it."""
    left = LEFT / made.get_figwidth()
    made.text(left, 1 - 0.2 / made.get_figheight(), title, fontsize=13, fontweight="bold", va="top")
    made.text(left, 1 - 0.46 / made.get_figheight(), subtitle, fontsize=9, color=MUTED, va="top")


def rule(ax: Axes) -> None:
    """Draw faint lines across, and no frame but the base."""
    ax.grid(axis="y", color=GRID, linewidth=0.7)
    ax.set_axisbelow(True)
    ax.tick_params(axis="y", length=0)
    bare(ax, keep=("bottom",))


def name_panel(ax: Axes, *lines: str) -> None:
    """Write the panel's name to its left, the first line strong."""
    style: dict[str, Any] = {"transform": ax.transAxes, "ha": "right", "va": "top", "clip_on": False, "fontsize": 9}
    made: Any = ax.figure
    box = ax.get_position()
    width, height = box.width * made.get_figwidth(), box.height * made.get_figheight()  # inches
    for row, line in enumerate(lines):
        weight, colour = ("bold", INK) if row == 0 else ("normal", MUTED)
        ax.text(-0.38 / width, 1 - 0.18 * row / height, line, color=colour, fontweight=weight, **style)


def add_legend(ax: Axes, top: float = 1.06) -> None:
    """Put the legend to the right of the panel."""
    ax.legend(
        loc="upper left",
        bbox_to_anchor=(1.01, top),
        frameon=False,
        fontsize=8.5,
        handlelength=1.1,
        borderaxespad=0,
        labelspacing=0.3,
    )
