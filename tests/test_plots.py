"""Pictures are written, not blank, and show the numbers they were given."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from lstmzoo import nn
from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.viz import plots
from lstmzoo.viz.style import class_colours, figure

CLASSES = ["dark", "middle", "bright"]


def assert_drawn(path: Path, colours: int = 30) -> np.ndarray:
    image = cv2.imread(str(path))
    assert image is not None
    assert min(image.shape[:2]) > 150
    assert len(np.unique(image[::3, ::3].astype(int) @ (1, 256, 65536))) > colours
    return image


@pytest.mark.slow
def test_confusion_matrix_colours_follow_the_shares(tmp_path: Path) -> None:
    path = plots.confusion_matrix(np.array([[9, 1], [5, 5]]), ["cat", "dog"], tmp_path / "m.png")
    image = assert_drawn(path)
    dark = (image.sum(2) < 3 * 110) & (image[:, :, 0] > image[:, :, 2] + 40)  # strong blue
    ys, xs = np.nonzero(dark)
    assert xs.mean() < image.shape[1] / 2
    assert ys.mean() < image.shape[0] / 2
    many = plots.confusion_matrix(np.eye(25, dtype=int), [f"class {k}" for k in range(25)], tmp_path / "many.png")
    assert_drawn(many)
    assert_drawn(plots.confusion_matrix(np.zeros((3, 3), int), CLASSES, tmp_path / "none.png"), colours=10)


def test_bars_are_as_long_as_the_accuracies(tmp_path: Path) -> None:
    values = {"d1": 1.0, "d2": 0.5, "d3": None}
    image = assert_drawn(plots.accuracy_bars(values, tmp_path / "b.png", "T", {"d1": 9, "d2": 8, "d3": 0}))
    blue = np.abs(image.astype(int) - [178, 114, 0]).sum(2) < 12
    lengths = np.array([row.sum() for row in blue if row.sum() > 20])
    longest, shortest = lengths.max(), lengths.min()
    assert shortest / longest == pytest.approx(0.5, abs=0.03)


def test_training_curves(tmp_path: Path) -> None:
    rows = {
        epoch: {"lr": 0.1, "train/loss": math.exp(-epoch), "val/loss": math.exp(-epoch), "val/accuracy": epoch / 3}
        for epoch in range(3)
    }
    curves = plots.curves_of(rows)
    assert list(curves) == ["loss", "accuracy"]
    epochs, values = curves["accuracy"]["val"]
    assert epochs.tolist() == [1.0, 2.0, 3.0]
    assert values.tolist() == pytest.approx([0, 1 / 3, 2 / 3])
    assert_drawn(plots.training_curves(rows, tmp_path / "curves.png"))
    with pytest.raises(DataError, match="train/"):
        plots.training_curves({0: {"lr": 0.1}}, tmp_path / "x.png")


def test_training_curves_of_captions_show_the_measures_that_matter() -> None:
    measures = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr-D"]
    row = {"train/loss": 1.0} | {f"val/{name}": 0.1 for name in measures}
    assert list(plots.curves_of({0: row})) == ["loss", "CIDEr-D", "BLEU-4", "ROUGE-L"]


@pytest.mark.parametrize("best", [0, 2])
def test_the_best_value_is_written_inside_the_axes(best: int) -> None:
    made = figure(4, 3)
    axes = made.subplots()
    values = np.array([0.3, 0.3, 0.3])
    values[best] = 0.12345
    plots._draw_curve(axes, np.arange(1.0, 4.0), values, "val", "#000000", falls=True, share=False)
    made.draw_without_rendering()
    (text,) = axes.texts
    box, inside = text.get_window_extent(), axes.get_window_extent()
    assert inside.x0 <= box.x0 <= box.x1 <= inside.x1


def test_a_bleu_that_means_nothing_is_no_scale() -> None:
    axes = figure(4, 3).subplots()
    plots._draw_curve(
        axes, np.arange(1.0, 4.0), np.array([1e-14, 3e-14, 2e-14]), "val", "#000000", falls=False, share=False
    )
    assert axes.get_ylim()[1] > 1e-3
    assert [text.get_text() for text in axes.texts] == ["0"]


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn_tanh"])
@pytest.mark.parametrize("length", [1, 2, 16])
def test_gate_traces_work_for_any_cell(tmp_path: Path, cell: str, length: int) -> None:
    torch.manual_seed(0)
    module = nn.Recurrent(cell, 5, 7, num_layers=2)
    with nn.trace(module) as trace:
        module(torch.randn(length, 1, 5))
    frames = np.random.default_rng(0).integers(0, 256, (length, 12, 16, 1), np.uint8)
    probabilities = torch.rand(length, 3).softmax(-1)
    path = tmp_path / "g.png"
    plots.gate_traces(trace, frames, path, probabilities=probabilities, classes=CLASSES, times=np.arange(length) / 25)
    assert_drawn(path, colours=100)
    with pytest.raises(LstmzooError, match="layer 2"):
        plots.gate_traces(trace, frames, path, layer=2)
    with pytest.raises(ValueError, match="frames"):
        plots.gate_traces(trace, frames[:0], path)


def test_gate_map_shows_what_was_recorded(tmp_path: Path) -> None:
    """A gate that opens half way through is dark on the left and bright on the right."""
    values = torch.zeros(20, 1, 8)
    values[10:] = 1.0
    trace = SimpleNamespace(gates={"q": [values]}, states={})
    frames = np.zeros((20, 8, 8, 3), np.uint8)
    image = cv2.imread(str(plots.gate_traces(trace, frames, tmp_path / "g.png")))
    yellow = np.abs(image.astype(int) - [37, 231, 253]).sum(2) < 30  # the two ends of viridis
    purple = np.abs(image.astype(int) - [84, 1, 68]).sum(2) < 30
    plot = slice(0, int(0.84 * image.shape[1]))  # without the colour bar
    assert np.nonzero(purple[:, plot])[1].max() <= np.nonzero(yellow[:, plot])[1].min() + 2
    assert yellow[:, plot].sum() == pytest.approx(purple[:, plot].sum(), rel=0.05)


def test_a_model_without_memory_has_no_gates_to_draw(tmp_path: Path) -> None:
    with pytest.raises(LstmzooError, match="memory"):
        plots.gate_traces(SimpleNamespace(gates={}, states={}), np.zeros((4, 8, 8)), tmp_path / "g.png")


def test_colours_differ() -> None:
    assert len(set(class_colours(21))) == 21
