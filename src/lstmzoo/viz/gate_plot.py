"""Gate traces as a figure: what a recurrent cell kept, wrote and showed while the frames went by."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lstmzoo.errors import LstmzooError
from lstmzoo.viz.panels import (
    GAP,
    PLOT,
    STRIP,
    Panel,
    add_legend,
    draw_strip,
    lay_out,
    name_panel,
    rule,
    time_edges,
    write_heading,
)
from lstmzoo.viz.style import INK, OKABE_ITO, bare, class_colours, drawing, save

# What the field calls the usual gates, and what their ends 0 and 1 do; any other name is shown as it is.
GATE_NAMES = {"i": "input gate", "f": "forget gate", "o": "output gate", "r": "reset gate", "z": "update gate"}
GATE_ENDS = {"i": ("0 shut", "1 write"), "f": ("0 erase", "1 keep"), "o": ("0 shut", "1 show")}

HEAT, LINE, TALL, NEAR = 0.95, 0.5, 1.05, 0.05  # heights of panels and a small gap, in inches


def gate_traces(
    trace: Any,
    frames: np.ndarray,
    path: str | Path,
    *,
    probabilities: np.ndarray | torch.Tensor | None = None,
    classes: Sequence[str] = (),
    times: Sequence[float] | np.ndarray | None = None,
    steps: Sequence[str] | None = None,
    strip: Sequence[str] = (),
    measure: str = "class",
    unit: str = "",
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
        path: the figure to write.
        probabilities: (T, K) class probabilities after each frame.
        classes: the K class names.
        times: (T,) time of each frame in seconds; without it the axis counts frames.
        steps: (T,) names of the steps, e.g. the words that were said: then every frame is shown, above its name.
        strip: what the row of frames is called, in a few short lines; without it that tells how many are shown.
        measure: what the probabilities are of.
        unit: of the time axis, in place of seconds or frames.
        layer: which layer (and direction) to draw; -1 is the last.
        title: the heading.
        subtitle: a line beneath it.

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
    panels = [Panel("strip", "", STRIP, 0.0)]
    for name in gates:
        panels += [Panel("heat", name, HEAT, GAP), Panel("line", name, LINE, NEAR)]
    panels += [Panel("state", "", TALL, GAP)] if states else []
    panels += [Panel("classes", "", TALL, GAP)] if probabilities is not None else []

    with drawing():
        made, axes = lay_out(panels, plot)
        write_heading(made, title, subtitle)
        edges = time_edges(x)
        for panel, ax in zip(panels, axes, strict=True):
            if panel.kind == "strip":
                draw_strip(ax, np.asarray(frames), edges, plot, every=steps is not None, name=strip)
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
            axes[-1].set_xlabel(unit or ("time (s)" if seconds else "frame"))
        else:
            axes[-1].set_xticks(x, steps, fontsize=10, color=INK)
        return save(made, path)


def _choose(layers: Sequence[torch.Tensor], layer: int, name: str) -> np.ndarray:
    """Return (T, H) of one layer, for the first example of the batch."""
    if not -len(layers) <= layer < len(layers):
        raise LstmzooError(f"there is no layer {layer}: {name!r} was recorded for layers 0 to {len(layers) - 1}")
    return layers[layer][:, 0].detach().float().flatten(1).cpu().numpy()


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
    name_panel(ax, "candidate" if signed else GATE_NAMES.get(name, "gate"), name, f"{values.shape[1]} units")
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
    rule(ax)
    if legend:
        add_legend(ax, top=0.8)


def _draw_states(ax: Axes, states: dict[str, np.ndarray], x: np.ndarray) -> None:
    for k, (name, values) in enumerate(states.items()):
        size = np.sqrt((values**2).mean(axis=1))
        ax.plot(x, size, color=OKABE_ITO[(3, 0, 2)[k % 3]], linewidth=1.6, label=f"‖{name}‖ / √H")
    ax.set_ylim(bottom=0)
    ax.margins(y=0.12)
    rule(ax)
    name_panel(ax, "state", "size")
    add_legend(ax)


def _draw_classes(ax: Axes, probabilities: np.ndarray, classes: Sequence[str], x: np.ndarray, measure: str) -> None:
    colours = class_colours(len(classes))
    # The legend lists classes as they end, so that its order is the order of the lines; six are enough. Of words, what
    # was said comes first wherever it ends.
    order = np.argsort(-probabilities[-1], kind="stable") if measure == "class" else range(len(classes))
    for rank, k in enumerate(order):
        ends = f" {probabilities[-1, k]:.0%}" if measure == "class" else ""
        label = f"{classes[k]}{ends}" if rank < 6 else None
        ax.plot(x, probabilities[:, k], color=colours[k], linewidth=2.0 if rank == 0 else 1.3, label=label)
    ax.set_ylim(-0.03, 1.03)
    ax.set_yticks([0, 0.5, 1])
    rule(ax)
    name_panel(ax, measure, "probability")
    add_legend(ax)
