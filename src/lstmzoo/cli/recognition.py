"""Action recognition on the command line; see `lstmzoo.cli.tasks`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from lstmzoo.actions.datamodule import ClipDataModule
from lstmzoo.errors import LstmzooError
from lstmzoo.models.checkpoint import read_contract
from lstmzoo.registry import tasks
from lstmzoo.runs.build import to_dict
from lstmzoo.training.base import BaseTask
from lstmzoo.training.errors import setting_errors

REHEARSAL = ["one class", "another"]
WRITTEN = "metrics.json, confusion_matrix.csv, confusion_matrix.png, predictions.csv"
SIMULATION = {"persons": "persons", "scenarios": "scenarios", "simulation_seed": "seed"}  # data key: argument


def datamodule(
    config: DictConfig, *, simulate: bool, split: str = "test", checkpoint: Path | None = None
) -> ClipDataModule:
    """Build the data module; see `build.build_datamodule`."""
    data = to_dict(config.data)
    simulation = {name: data.pop(key) for key, name in SIMULATION.items() if key in data}
    if checkpoint is not None and config.data.name == "video_folder":
        data["classes"] = read_contract(checkpoint)["classes"]
    if checkpoint is not None:
        data["fps"] = read_contract(checkpoint)["transform"].get("fps")
    return ClipDataModule(
        **data,
        grey=config.model.get("input") != "rgb",
        seed=config.seed,
        test_split=split,
        simulate=simulation if simulate and simulation else None,
    )


def task(config: DictConfig, labels: list[str]) -> BaseTask:
    """Build the task with a new model, and try it on one frame; labels are the class names."""
    if "clip_len" not in config.data:
        raise LstmzooError(
            f"data={config.data.name} has no videos; start from an experiment, e.g. experiment=captions_nic"
        )
    settings, model = to_dict(config.task), to_dict(config.model)
    transform: dict[str, Any] = {
        "size": list(config.data.size),
        "grey": config.model.get("input") != "rgb",
        "clip_len": config.data.clip_len,
        "frame_interval": config.data.frame_interval,
    }
    with setting_errors("the model or the task"):
        built = tasks.get(settings.pop("name")).target(
            model.pop("name"),
            {**model, "num_classes": len(labels)},
            classes=labels,
            transform=transform,
            config=to_dict(config),
            seed=config.seed,
            **settings,
        )
    with setting_errors(f"the model for frames of data.size={transform['size']}"), torch.no_grad():
        built.model.eval()(torch.zeros(1, 1, 1 if transform["grey"] else 3, *transform["size"]))
        built.model.train()
    return built


def predict(argv: list[str]) -> None:
    """Label videos; see `lstmzoo.cli.predict_videos`."""
    from lstmzoo.cli.predict_videos import run

    run(argv)


def inspect(argv: list[str]) -> None:
    """Draw accuracies and gates; see `lstmzoo.cli.inspect_actions`."""
    from lstmzoo.cli.inspect_actions import run

    run(argv)
