"""Figures of an evaluation and of a training run: confusion matrix, accuracy bars, training curves."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from lstmzoo.errors import DataError
from lstmzoo.viz.gate_plot import gate_traces
from lstmzoo.viz.style import GRID, INK, MUTED, OKABE_ITO, bare, drawing, figure, save

__all__ = ["accuracy_bars", "confusion_matrix", "gate_traces", "training_curves"]


def confusion_matrix(matrix: np.ndarray, classes: Sequence[str], path: str | Path) -> Path:
    """Draw a confusion matrix: colour is the share of the true class, each cell says share and count.

    Args:
        matrix: (K, K) counts; rows are the truth.
        classes: the K class names.
        path: the figure to write (.png, .pdf, .svg).
    """
    counts = np.asarray(matrix)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = len(classes)
    written = size <= 20  # more cells than that are told by their colour alone
    side = max((0.72 if written else 0.3) * size, 2.6)
    longest = max(len(name) for name in classes)
    with drawing():
        made = figure(side + 0.9 + 0.07 * longest, side + 1.0 + 0.05 * longest)
        axes = made.subplots()
        image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(size), classes, rotation=35 if longest * size > 30 else 0, rotation_mode="anchor")
        if longest * size > 30:
            for label in axes.get_xticklabels():
                label.set_horizontalalignment("right")
        axes.set_yticks(range(size), classes)
        axes.set(xlabel="predicted", ylabel="true")
        axes.set_title("Confusion matrix", loc="left", fontweight="bold", pad=22)
        accuracy = np.trace(counts) / max(counts.sum(), 1)
        axes.annotate(
            f"accuracy {accuracy:.1%} of {counts.sum():,} sequences",
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, 8),
            textcoords="offset points",
            color=MUTED,
            fontsize=9,
        )
        axes.tick_params(length=0)
        bare(axes, keep=())
        # White lines between the cells make neighbours of one colour countable.
        axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=1.5)
        axes.tick_params(which="minor", length=0)
        if written:
            _write_cells(axes, share, counts)
        else:
            bar = made.colorbar(image, ax=axes, fraction=0.045, pad=0.03, format=PercentFormatter(1.0, decimals=0))
            bar.outline.set_visible(False)
            bar.set_label("share of the true class")
        return save(made, path)


def _write_cells(axes: Axes, share: np.ndarray, counts: np.ndarray) -> None:
    for row, column in np.ndindex(*counts.shape):
        if not counts[row, column]:
            continue
        colour = "white" if share[row, column] > 0.55 else INK
        text = f"{share[row, column]:.0%}\n{counts[row, column]}"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8.5, linespacing=1.15)


def accuracy_bars(
    values: Mapping[str, float | None], path: str | Path, title: str, counts: Mapping[str, int] | None = None
) -> Path:
    """Draw accuracies as horizontal bars with their numbers beside them and their mean as a line.

    Args:
        values: accuracy in 0..1 by name (classes or scenarios), top to bottom; None where nothing was measured.
        path: the figure to write.
        title: the heading.
        counts: how many sequences stand behind each bar, written after its name.
    """
    names = list(values)
    heights = [math.nan if values[name] is None else float(values[name] or 0.0) for name in names]
    labels = [f"{name}  (n = {counts[name]})" if counts else name for name in names]
    with drawing():
        made = figure(6.4, 1.15 + 0.36 * max(len(names), 2))
        axes = made.subplots()
        position = np.arange(len(names))
        axes.barh(position, np.ones(len(names)), height=0.62, color="#eef1f4")
        axes.barh(position, heights, height=0.62, color=OKABE_ITO[0])
        for y, value in enumerate(heights):
            text = "none" if math.isnan(value) else f"{value:.1%}"
            axes.text(1.09, y, text, va="center", ha="right", color=MUTED if math.isnan(value) else INK)
        axes.set_title(title, loc="left", fontweight="bold")
        measured = [value for value in heights if not math.isnan(value)]
        if measured:
            mean = float(np.mean(measured))
            axes.axvline(mean, color=OKABE_ITO[3], linewidth=1.2, linestyle=(0, (4, 2)))
            axes.set_title(f"mean {mean:.1%}", loc="right", color=OKABE_ITO[3], fontsize=9)
        axes.set_yticks(position, labels)
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("accuracy of sequences")
        bare(axes, keep=("bottom",))
        return save(made, path)


def training_curves(rows: Mapping[int, Mapping[str, float]], path: str | Path, title: str = "Training") -> Path:
    """Draw loss and accuracy of training and validation over epochs.

    Args:
        rows: by epoch, from 0, what was logged: ``train/loss``, ``val/accuracy`` and the like.
        path: the figure to write.
        title: the heading.

    Raises:
        DataError: there are no training or validation numbers.
    """
    panels = curves_of(rows)
    with drawing():
        made = figure(4.7 * len(panels), 3.4)
        made.suptitle(title, fontweight="bold", fontsize=12, x=0.012, ha="left")
        for axes, (measure, lines) in zip(made.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
            share = "acc" in measure
            for phase, colour in (("train", OKABE_ITO[0]), ("val", OKABE_ITO[3])):
                if phase in lines:
                    _draw_curve(axes, *lines[phase], phase, colour, falls="loss" in measure, share=share)
            axes.set_title(measure.replace("_", " "), loc="left")
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))  # whole, of one epoch too
            if share:
                axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            axes.grid(color=GRID, linewidth=0.7)
            axes.set_axisbelow(True)
            axes.margins(y=0.08)
            bare(axes)
            axes.legend(frameon=False, fontsize=9)
        return save(made, path)


Curve = tuple[np.ndarray, np.ndarray]


def curves_of(rows: Mapping[int, Mapping[str, float]]) -> dict[str, dict[str, Curve]]:
    """Return measure → phase → (epochs, values) of the four that matter most; loss first."""
    points: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for epoch in sorted(rows):
        for column, value in rows[epoch].items():
            phase, _, measure = column.partition("/")
            if phase in ("train", "val") and measure:
                points.setdefault(measure, {}).setdefault(phase, []).append((epoch + 1, value))
    if not points:
        raise DataError("there are no numbers train/... or val/... to draw")
    chosen = sorted(points, key=_importance)[:4]
    return {measure: {phase: _columns(values) for phase, values in points[measure].items()} for measure in chosen}


_FIRST = ("loss", "acc", "reward", "CIDEr", "BLEU-4", "METEOR", "ROUGE")


def _importance(measure: str) -> tuple[int, str]:
    """Measures in the order in which they are drawn, as far as there is room."""
    return next((rank for rank, part in enumerate(_FIRST) if part in measure), len(_FIRST)), measure


def _columns(values: list[tuple[float, float]]) -> Curve:
    table = np.array(values)
    return table[:, 0], table[:, 1]


def _draw_curve(
    axes: Axes, epochs: np.ndarray, values: np.ndarray, phase: str, colour: str, *, falls: bool, share: bool
) -> None:
    name = {"train": "training", "val": "validation"}[phase]
    if not falls:
        values = values.round(6)  # a BLEU of 1e-14, which means 0, would be the scale of the axis
    smooth = len(values) // 40
    if smooth > 1:  # many noisy steps: the raw values stay visible behind their running mean
        axes.plot(epochs, values, color=colour, alpha=0.25, linewidth=0.8)
        padded = np.pad(values, smooth, mode="edge")
        values = np.convolve(padded, np.full(2 * smooth + 1, 1 / (2 * smooth + 1)), mode="valid")
    marker = "o" if len(values) <= 15 else None
    axes.plot(epochs, values, color=colour, linewidth=1.8, marker=marker, markersize=3.5, label=name)
    if phase == "val" and np.isfinite(values).any():
        index = int(np.nanargmin(np.where(np.isfinite(values), values if falls else -values, np.nan)))
        axes.scatter(epochs[index], values[index], s=48, facecolor="white", edgecolor=colour, zorder=3)
        text = f"{values[index]:.1%}" if share else f"{values[index]:.3g}"
        early = index < len(values) / 2  # beside the point, to the side where there is room
        axes.annotate(
            text,
            (epochs[index], values[index]),
            xytext=(-4 if early else 4, 8),
            textcoords="offset points",
            ha="left" if early else "right",
            fontsize=8.5,
            color=colour,
        )
