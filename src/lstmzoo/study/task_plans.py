"""What `lstmzoo study tasks` trains in each task: data that need a memory of D steps, models, budgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lstmzoo.synthetic.agreement import AROUND

BASELINE, MEAN = "memory-free", "mean"
"""Models that are no cells: what sees one step at a time, and what averages over time."""

MODELS = (BASELINE, MEAN, "rnn_tanh", "gru", "lstm", "peephole_lstm", "mgu")


@dataclass(frozen=True)
class Plan:
    """How a task is studied.

    Attributes:
        measure: what the score is, in words.
        chance: the score of a guess; None where there is no such thing.
        recurrent: overrides of ``lstmzoo train`` that choose the model that takes any cell.
        without_memory: those that choose the models that are no cells.
        distance: D, unless something else is asked for.
        steps: optimiser steps of every run; of a quick study the second.
        lrs: learning rates to choose from.
        hidden_size: units of the LSTM, with as many parameters as which other cells get; None: they cannot.
        settings: those that hold for all models.
        data: those that make the data for a distance, quick or not.
    """

    measure: str
    chance: float | None
    recurrent: tuple[str, ...]
    without_memory: Mapping[str, tuple[str, ...]]
    distance: int
    steps: tuple[int, int]
    lrs: tuple[float, ...]
    hidden_size: int | None
    settings: tuple[str, ...]
    data: Callable[[int, bool], list[str]]

    def overrides(self, task: str, model: str, distance: int, quick: bool, folder: Path) -> list[str]:
        """What ``lstmzoo train`` is given for a model, but for its size, its seed and how long it trains."""
        cell, *options = model.split("@")
        of_cell = (*self.recurrent, f"model.cell={cell}", *(f"model.{option}" for option in options))
        chosen = self.without_memory.get(model, of_cell)
        root = folder / f"{task}_{distance}{'_quick' if quick else ''}"
        data = [*self.data(distance, quick), f"data.root={root}", "data.num_workers=0"]
        return [f"task={task}", *chosen, *data, *self.settings]


def _gap(distance: int, quick: bool) -> list[str]:
    persons = ["data.persons=6", "data.protocol=kfold", "data.folds=3"] if quick else ["data.persons=25"]
    clips = ["data.clip_len=12", "data.frame_interval=3", "data.size=[32,32]", "data.test_clips=1", "data.zoom=0"]
    return ["data=kth_simulated", f"data.gap={distance}", "data.scenarios=1", *persons, *clips, "data.batch_size=16"]


def _occlusion(distance: int, quick: bool) -> list[str]:
    train, test = (8, 4) if quick else (32, 16)
    frames = 8 + distance + 4
    counts = [f"data.train_sequences={train}", f"data.val_sequences={test}", f"data.test_sequences={test}"]
    return [
        *("data=davis_simulated", f"data.occlusion={distance}", f"data.simulated_frames={frames}", *counts),
        *("data.simulated_size=[48,80]", "data.size=[48,80]", f"data.clip_len={frames}", "data.max_skip=1"),
        *("data.scale=[1.0,1.0]", "data.batch_size=4", "data.clips_per_sequence=1"),
    ]


def _agreement(distance: int, quick: bool) -> list[str]:
    return [
        *("data=captions_simulated", f"data.agreement={distance}", f"data.images={60 if quick else 1000}"),
        *(f"data.max_words={AROUND + distance}", "data.batch_size=8"),
    ]


PLANS: dict[str, Plan] = {
    "recognition": Plan(
        measure="accuracy on walking, jogging and running, %",
        chance=1 / 3,
        recurrent=("model=action_rnn", "model.readout=last"),
        without_memory={BASELINE: ("model=action_framewise",), MEAN: ("model=action_meanpool",)},
        distance=24,
        steps=(500, 24),
        lrs=(3e-3,),
        hidden_size=64,
        settings=("model.feature_size=64", "model.dropout=0"),
        data=_gap,
    ),
    "captioning": Plan(
        measure="last words that agree with the first, %",
        chance=1 / 4,
        recurrent=("model=caption_nic",),
        without_memory={BASELINE: ("model=caption_markov", "model.attention_size=32")},
        distance=10,
        steps=(1500, 12),
        lrs=(5e-3, 2e-2),
        hidden_size=64,
        settings=(
            *("model.encoder=efficientnet_lite0", "model.feature_size=64", "model.embedding_size=64"),
            *("model.dropout=0", "task.label_smoothing=0", "task.scheduled_sampling.max=0", "task.encoder_lr=null"),
        ),
        data=_agreement,
    ),
    "segmentation": Plan(
        measure="J after the occlusion, %",
        chance=None,
        recurrent=("model=segment_recurrent",),
        without_memory={BASELINE: ("model=segment_framewise",)},
        distance=8,
        steps=(200, 6),
        lrs=(5e-3,),
        hidden_size=None,
        settings=("model.decoder_channels=16", "model.levels=[8]"),
        data=_occlusion,
    ),
}
