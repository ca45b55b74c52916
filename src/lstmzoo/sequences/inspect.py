"""``lstmzoo inspect`` for sequences: gates and states over the steps."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lstmzoo import nn
from lstmzoo.errors import LstmzooError
from lstmzoo.models.outputs import check_finite
from lstmzoo.models.recurrent_layers import check_layer, has_memory
from lstmzoo.sequences.answers import answer_cells
from lstmzoo.sequences.data.sequence_dataset import SequenceDataset
from lstmzoo.sequences.files import read_sequence
from lstmzoo.sequences.results import SequenceResults
from lstmzoo.training.predictor import SplitInspector
from lstmzoo.viz.gate_plot import gate_traces

MOST_DRAWN = 2000
"""Steps in a figure; of longer sequences, only every second, third, ... step is drawn."""

ROWS = 8
"""Rows that an image of few inputs is made of."""


class SequenceInspector(SplitInspector):
    """Draws the gates over the steps of a CSV file; without one, measures a split and draws those of a sequence of it.

    Args:
        sequence: which sequence of the split, counted from 0.
        layer: which recurrent layer; -1 is the last.
    """

    def __init__(self, *, sequence: int = 0, layer: int = -1) -> None:
        self.sequence, self.layer = sequence, layer

    def draw(self, model: Any, wanted: Path, output: Path) -> Sequence[Path]:
        check_layer(model, self.layer)
        return self._draw(model, read_sequence(wanted, model), output, wanted.name)

    def check_split(self, model: Any, dataset: SequenceDataset) -> None:
        check_layer(model, self.layer)
        if not 0 <= self.sequence < len(dataset):
            raise LstmzooError(
                f"there is no sequence {self.sequence}: the {dataset.split} split has 0 to {len(dataset) - 1}"
            )

    def draw_split(
        self, model: Any, results: SequenceResults, dataset: SequenceDataset, output: Path
    ) -> Sequence[Path]:
        item = dataset[self.sequence]
        truth = " ".join(map(results.named, item["target"].tolist()))
        source = f"{dataset.split} sequence {self.sequence}, distance {dataset.distance}  ·  true: {truth}"
        return self._draw(model, item["x"], output, source)

    def _draw(self, model: Any, x: Tensor, output: Path, source: str) -> list[Path]:
        trace, answers = run(model, x)
        if trace is None:
            print(f"{model.model_name} has no recurrent memory: there are no gates to draw")
            if len(model.classes) == 1:
                return []
        every = -(-len(x) // MOST_DRAWN)
        said = " ".join(answer_cells(model.classes, row)[0] for row in answers[-model.target_steps :].tolist())
        cell = model.model_args.get("cell")
        path = gate_traces(
            trace and _thinned(trace, every),
            as_images(x.numpy()[::every]),
            output / ("gates.png" if trace else "probabilities.png"),
            probabilities=answers.softmax(1)[::every] if len(model.classes) > 1 else None,
            classes=model.classes,
            times=np.arange(0, len(x), every),
            unit="step",
            strip=("input", f"{model.input_size} per step"),
            layer=self.layer,
            title=f"{model.model_name}, {cell}" if cell else model.model_name,
            subtitle=f"{source}  ·  in the end: {said}",
        )
        return [path]


def run(model: Any, x: Tensor) -> tuple[Any, Tensor]:
    """Run a model over a sequence.

    Args:
        model: from ``lstmzoo.load``.
        x: (T, I).

    Returns:
        What ``lstmzoo.nn.trace`` recorded, None for a model without recurrent layers; and the answers (T, K).

    Raises:
        DataError: the model's outputs are not finite.
    """
    batch, trace = x[None].to(next(model.parameters()).device), None
    with torch.inference_mode():
        if has_memory(model):
            with nn.trace(model) as trace:
                answers, _ = model.forward_steps(batch, None, len(x))
        else:
            answers, _ = model.forward_steps(batch, None, len(x))
    check_finite(answers, model)
    return trace, answers[0].float().cpu()


def as_images(x: np.ndarray) -> np.ndarray:
    """The steps (T, I) as images of one column, uint8 (T, rows, 1); the smallest number is black."""
    scaled = (x - x.min()) / max(float(x.max() - x.min()), 1e-12) * 255
    return scaled.astype(np.uint8).repeat(-(-ROWS // x.shape[1]), axis=1)[..., None]


def _thinned(trace: Any, every: int) -> Any:
    """Every so many steps of a trace."""
    kept = (
        {name: [one[::every] for one in layers] for name, layers in part.items()}
        for part in (trace.gates, trace.states)
    )
    gates, states = kept
    return SimpleNamespace(gates=gates, states=states)
