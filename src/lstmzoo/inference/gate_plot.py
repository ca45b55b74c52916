"""Gate traces as a picture: what a recurrent cell kept, wrote and showed while the frames went by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from lstmzoo.errors import LstmzooError
from lstmzoo.inference.style import GRID, INK, MUTED, OKABE_ITO, bare, class_colours, drawing, figure, save

# What the field calls the usual gates, and what their ends 0 and 1 do; any other name is shown as it is.
GATE_NAMES = {"i": "input gate", "f": "forget gate", "o": "output gate", "r": "reset gate", "z": "update gate"}
GATE_ENDS = {"i": ("0 shut", "1 write"), "f": ("0 erase", "1 keep"), "o": ("0 shut", "1 show")}

# The layout in inches. It is laid out by hand so that thumbnails keep their aspect and all panels share one axis.
LEFT, PLOT, RIGHT, TOP, BOTTOM = 1.45, 6.9, 1.65, 0.75, 0.55
STRIP, HEAT, LINE, TALL, GAP, NEAR = 0.95, 0.95, 0.5, 1.05, 0.2, 0.05


@dataclass(frozen=True)
class _Panel:
    """One row of the picture: what it shows, its height, and the space above it (inches)."""

    kind: str
    name: str
    height: float
    above: float


def gate_traces(
    trace: Any,
    frames: np.ndarray,
    path: str | Path,
    *,
    probabilities: np.ndarray | torch.Tensor | None = None,
    classes: Sequence[str] = (),
    times: Sequence[float] | np.ndarray | None = None,
    steps: Sequence[str] | None = None,
    measure: str = "class",
    layer: int = -1,
    title: str = "Gate traces",
    subtitle: str = "",
) -> Path:
    """Draw frames, gates, state and class probabilities over one shared time axis; works for any cell.

    Per gate there is a map of all units over time (each unit one row, sorted by its mean) and beneath it the mean
    over units with the band in which 80% of the units lie. Gates with negative values (tanh) get a diverging map.
    The size of a state is its root mean square over the H units, ‖c‖ / √H.

    Args:
        trace: what ``lstmzoo.nn.trace`` recorded of one clip (the first of the batch is drawn): ``gates`` and
            ``states`` map a name to a list over layers and directions of (T, B, H) tensors. None for a model
            without memory: then only frames and probabilities are drawn.
        frames: (T, H, W) or (T, H, W, C) uint8, the frames the model saw.
        path: the picture to write.
        probabilities: (T, K) class probabilities after each frame.
        classes: the K class names.
        times: (T,) time of each frame in seconds; without it the axis counts frames.
        steps: (T,) names of the steps, e.g. the words that were said: then every frame is shown, above its name.
        measure: what the probabilities are of.
        layer: which layer (and direction) to draw; -1 is the last.
        title: the heading.
        subtitle: a line beneath it.

    Returns:
        The path.

    Raises:
        LstmzooError: there is nothing to draw, or no such layer.
        ValueError: frames, times and trace differ in length.
    """
    gates, states = (
        {name: _choose(layers, layer, name) for name, layers in series.items()}
        for series in ((trace.gates, trace.states) if trace is not None else ({}, {}))
    )
    if not gates and not states and probabilities is None and steps is None:
        raise LstmzooError("there are no gates to draw: the model has no recurrent memory")
    seconds = times is not None
    x = np.asarray(times if times is not None else np.arange(len(frames)), dtype=np.float64)
    for name, values in {**gates, **states}.items():
        if len(values) != len(frames) or len(x) != len(frames):
            raise ValueError(f"{len(frames)} frames and {len(x)} times, but {name!r} has {len(values)} steps")

    plot = PLOT if steps is None else max(PLOT, STRIP * len(steps))
    panels = [_Panel("strip", "", STRIP, 0.0)]
    for name in gates:
        panels += [_Panel("heat", name, HEAT, GAP), _Panel("line", name, LINE, NEAR)]
    panels += [_Panel("state", "", TALL, GAP)] if states else []
    panels += [_Panel("classes", "", TALL, GAP)] if probabilities is not None else []

    with drawing():
        made, axes = _lay_out(panels, plot)
        left = LEFT / made.get_figwidth()
        made.text(left, 1 - 0.2 / made.get_figheight(), title, fontsize=13, fontweight="bold", va="top")
        made.text(left, 1 - 0.46 / made.get_figheight(), subtitle, fontsize=9, color=MUTED, va="top")
        edges = _edges(x)
        for panel, ax in zip(panels, axes, strict=True):
            if panel.kind == "strip":
                _draw_strip(ax, np.asarray(frames), edges, plot, every=steps is not None)
            elif panel.kind == "heat":
                _draw_heat(made, ax, panel.name, gates[panel.name], edges)
            elif panel.kind == "line":
                _draw_band(ax, gates[panel.name], x, legend=panel.name == next(iter(gates)))
            elif panel.kind == "state":
                _draw_states(ax, states, x)
            else:
                _draw_classes(ax, np.asarray(probabilities), classes, x, measure)
            ax.set_xlim(edges[0], edges[-1])
            ax.tick_params(labelbottom=ax is axes[-1], bottom=ax is axes[-1])
        if steps is None:
            axes[-1].set_xlabel("time (s)" if seconds else "frame")
        else:
            axes[-1].set_xticks(x, steps, fontsize=10, color=INK)
        return save(made, path)


def _choose(layers: Sequence[torch.Tensor], layer: int, name: str) -> np.ndarray:
    """Return (T, H) of one layer, for the first example of the batch."""
    if not -len(layers) <= layer < len(layers):
        raise LstmzooError(f"there is no layer {layer}: {name!r} was recorded for layers 0 to {len(layers) - 1}")
    return layers[layer][:, 0].detach().float().flatten(1).cpu().numpy()


def _lay_out(panels: Sequence[_Panel], plot: float) -> tuple[Figure, list[Axes]]:
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


def _edges(x: np.ndarray) -> np.ndarray:
    """Return the T + 1 borders between time steps: halfway between neighbours."""
    step = np.diff(x).mean() if len(x) > 1 else 1.0
    middle = (x[1:] + x[:-1]) / 2
    return np.concatenate([[x[0] - step / 2], middle, [x[-1] + step / 2]])


def _draw_strip(ax: Axes, frames: np.ndarray, edges: np.ndarray, plot: float, *, every: bool) -> None:
    """Lay as many thumbnails side by side as fit at their own aspect, each the middle frame of its stretch."""
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
    _name(ax, *(("picture", "bright: where", "it looked") if every else ("frames", f"{count} of {len(images)}")))
    bare(ax, keep=())


def _draw_heat(made: Figure, ax: Axes, name: str, values: np.ndarray, edges: np.ndarray) -> None:
    signed = values.min() < 0
    order = np.argsort(-values.mean(axis=0), kind="stable")
    image = ax.pcolormesh(
        edges,
        np.arange(values.shape[1] + 1),
        values[:, order].T,
        cmap="RdBu_r" if signed else "viridis",
        vmin=-1 if signed else 0,
        vmax=max(1.0, float(values.max())),
        rasterized=True,
    )
    ax.invert_yaxis()
    ax.set_yticks([])
    _name(ax, "candidate" if signed else GATE_NAMES.get(name, "gate"), name, f"{values.shape[1]} units")
    bare(ax, keep=())
    box = ax.get_position()
    bar = made.add_axes((box.x1 + 0.012, box.y0, 0.011, box.height))
    made.colorbar(image, cax=bar, ticks=[-1, 0, 1] if signed else [0, 1])
    bar.tick_params(length=0, labelsize=8)
    if not signed:
        bar.set_yticklabels(GATE_ENDS.get(name, ("0", "1")))
    bar.spines[:].set_visible(False)


def _draw_band(ax: Axes, values: np.ndarray, x: np.ndarray, *, legend: bool) -> None:
    low, high = np.quantile(values, [0.1, 0.9], axis=1)
    ax.fill_between(x, low, high, color=OKABE_ITO[4], alpha=0.45, linewidth=0, label="80% of the units")
    ax.plot(x, values.mean(axis=1), color=OKABE_ITO[0], linewidth=1.6, label="mean")
    signed = values.min() < 0
    ax.set_ylim(-1.05 if signed else -0.05, 1.05)
    ax.set_yticks([-1, 0, 1] if signed else [0, 1])
    _rule(ax)
    if legend:
        _legend(ax, top=0.8)


def _draw_states(ax: Axes, states: dict[str, np.ndarray], x: np.ndarray) -> None:
    for k, (name, values) in enumerate(states.items()):
        size = np.sqrt((values**2).mean(axis=1))
        ax.plot(x, size, color=OKABE_ITO[(3, 0, 2)[k % 3]], linewidth=1.6, label=f"‖{name}‖ / √H")
    ax.set_ylim(bottom=0)
    ax.margins(y=0.12)
    _rule(ax)
    _name(ax, "state", "size")
    _legend(ax)


def _draw_classes(ax: Axes, probabilities: np.ndarray, classes: Sequence[str], x: np.ndarray, measure: str) -> None:
    colours = class_colours(len(classes))
    # The legend lists the classes as they end, so that its order is the order of the lines; six are enough.
    order = np.argsort(-probabilities[-1], kind="stable")
    for rank, k in enumerate(order):
        ends = f" {probabilities[-1, k]:.0%}" if measure == "class" else ""
        label = f"{classes[k]}{ends}" if rank < 6 else None
        ax.plot(x, probabilities[:, k], color=colours[k], linewidth=2.0 if rank == 0 else 1.3, label=label)
    ax.set_ylim(-0.03, 1.03)
    ax.set_yticks([0, 0.5, 1])
    _rule(ax)
    _name(ax, measure, "probability")
    _legend(ax)


def _rule(ax: Axes) -> None:
    ax.grid(axis="y", color=GRID, linewidth=0.7)
    ax.set_axisbelow(True)
    ax.tick_params(axis="y", length=0)
    bare(ax, keep=("bottom",))


def _name(ax: Axes, *lines: str) -> None:
    """Write the panel's name to its left, the first line strong."""
    style: dict[str, Any] = {"transform": ax.transAxes, "ha": "right", "va": "top", "clip_on": False, "fontsize": 9}
    made: Any = ax.figure
    box = ax.get_position()
    width, height = box.width * made.get_figwidth(), box.height * made.get_figheight()  # inches
    for row, line in enumerate(lines):
        weight, colour = ("bold", INK) if row == 0 else ("normal", MUTED)
        ax.text(-0.38 / width, 1 - 0.18 * row / height, line, color=colour, fontweight=weight, **style)


def _legend(ax: Axes, top: float = 1.06) -> None:
    ax.legend(
        loc="upper left",
        bbox_to_anchor=(1.01, top),
        frameon=False,
        fontsize=8.5,
        handlelength=1.1,
        borderaxespad=0,
        labelspacing=0.3,
    )
