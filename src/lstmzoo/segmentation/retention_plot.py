"""An object that is occluded for a while, as curves: what was found of it, what the gates did, what is left of it."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import FuncFormatter

from lstmzoo.segmentation.overlays import overlay_masks
from lstmzoo.segmentation.recording import Recording
from lstmzoo.segmentation.retention import Retention, stretches
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
from lstmzoo.viz.style import MUTED, OKABE_ITO, drawing, save

TALL = 1.05  # inches
SHADE = "#f3e3d8"


def retention_curves(recording: Recording, kept: Retention, path: str | Path, *, title: str, subtitle: str) -> Path:
    """Draw frames and curves over one axis of frames; where the object is occluded, the ground is shaded."""
    panels = [Panel("strip", "", STRIP, 0.0), Panel("area", "", TALL, GAP), Panel("found", "", TALL, GAP)]
    panels += [Panel("gate", "", TALL, GAP)] if kept.inside is not None else []
    panels += [Panel("surviving", "", TALL, GAP)] if kept.surviving is not None and kept.occluded.any() else []
    draw = {"area": _areas, "found": _found, "gate": _gate, "surviving": _surviving}
    x = np.arange(len(recording.names))
    edges = time_edges(x)
    with drawing():
        made, axes = lay_out(panels, PLOT)
        write_heading(made, title, subtitle)
        for panel, ax in zip(panels, axes, strict=True):
            if panel.kind == "strip":
                numbered = recording.found * np.uint8(recording.number)
                painted = [overlay_masks(*pair) for pair in zip(recording.frames, numbered, strict=True)]
                draw_strip(ax, np.stack(painted), edges, PLOT, every=False)
            else:
                for first, last in stretches(kept.occluded):
                    ax.axvspan(edges[first], edges[last + 1], color=SHADE, linewidth=0, zorder=0)
                draw[panel.kind](ax, x, kept)
                rule(ax)
                add_legend(ax)
            ax.set_xlim(edges[0], edges[-1])
            ax.tick_params(labelbottom=ax is axes[-1], bottom=ax is axes[-1])
        axes[-1].set_xlabel("frame" + (", shaded: the object is occluded" if kept.occluded.any() else ""))
        return save(made, path)


def _areas(ax: Any, x: np.ndarray, kept: Retention) -> None:
    if kept.true_areas is not None:
        ax.plot(x, kept.true_areas, color=MUTED, linewidth=1.3, linestyle=(0, (4, 2)), label="true")
    ax.plot(x, kept.areas, color=OKABE_ITO[0], linewidth=1.6, label="found")
    ax.set_ylim(bottom=0)
    ax.margins(y=0.12)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}%"))
    name_panel(ax, "area", "of the object" if kept.alone else "of all objects")


def _found(ax: Any, x: np.ndarray, kept: Retention) -> None:
    if kept.erased is not None:
        ax.plot(x, kept.erased, color=OKABE_ITO[3], linewidth=1.4, label="memory erased\nwhile it is occluded")
    ax.plot(x, kept.found, color=OKABE_ITO[0], linewidth=1.6, label="memory kept")
    _unit(ax)
    name_panel(ax, *(("J", "of the object") if kept.measure == "J" else ("probability", "its highest")))


def _gate(ax: Any, x: np.ndarray, kept: Retention) -> None:
    ax.plot(x, kept.outside, color=MUTED, linewidth=1.3, label="elsewhere")
    ax.plot(x, kept.inside, color=OKABE_ITO[0], linewidth=1.6, label="object's cells")
    _unit(ax)
    name_panel(ax, "kept", "from the frame", "before (0 to 1)")


def _surviving(ax: Any, x: np.ndarray, kept: Retention) -> None:
    ax.plot(x, kept.surviving, color=OKABE_ITO[2], linewidth=1.6, label="of what was held\nwhen last seen")
    _unit(ax)
    name_panel(ax, "surviving", "of the object's", "memory")


def _unit(ax: Any) -> None:
    ax.set_ylim(-0.05, 1.05)
    ax.set_yticks([0, 0.5, 1])
