"""Segmentation of video on the command line; see `lstmzoo.cli.tasks`."""

from __future__ import annotations

from pathlib import Path

import torch
from omegaconf import DictConfig

from lstmzoo.errors import LstmzooError
from lstmzoo.registry import tasks
from lstmzoo.runs.build import to_dict
from lstmzoo.segmentation.datamodule import SIMULATION_KEYS, SegmentationDataModule
from lstmzoo.training.base import BaseTask
from lstmzoo.training.errors import setting_errors

REHEARSAL: list[str] = []
WRITTEN = "metrics.json, global_results and per-sequence_results (CSV), worst_frames.png, best_frames.png"


def datamodule(
    config: DictConfig, *, simulate: bool, split: str = "test", checkpoint: Path | None = None
) -> SegmentationDataModule:
    """Build the data module; see `build.build_datamodule`."""
    _check_data(config)
    data = to_dict(config.data)
    keys = {name: key.removeprefix("data.") for name, key in SIMULATION_KEYS.items()}
    simulation = {name: data.pop(key) for name, key in keys.items() if key in data}
    return SegmentationDataModule(
        **data,
        seed=config.seed,
        test_split=split,
        follows=config.task.protocol == "semi-supervised",
        simulate=simulation if simulate and simulation else None,
    )


def task(config: DictConfig, labels: list[str]) -> BaseTask:
    """Build the task with a new model, and try it on one frame; there are no labels."""
    _check_data(config)
    settings, model = to_dict(config.task), to_dict(config.model)
    kind, size = settings.pop("name"), [int(side) for side in config.data.size]
    _check_encoder(config)
    with setting_errors("the model or the task"):
        built = tasks.get(kind).target(
            model.pop("name"),
            model,
            classes=labels,
            transform={"size": size},
            config=to_dict(config),
            seed=config.seed,
            **settings,
        )
    with setting_errors(f"the model for frames of data.size={size}"), torch.no_grad():
        built.model.eval()(torch.zeros(1, 1, 3, *size))
        built.model.train()
    return built


def predict(argv: list[str]) -> None:
    """Segment videos; see `lstmzoo.cli.predict_segments`."""
    from lstmzoo.cli.predict_segments import run

    run(argv)


def inspect(argv: list[str]) -> None:
    """Draw the memory and its gates; see `lstmzoo.cli.inspect_segments`."""
    from lstmzoo.cli.inspect_segments import run

    run(argv)


def _check_data(config: DictConfig) -> None:
    if "train_list" not in config.data:
        raise LstmzooError(
            f"data={config.data.name} has no masks; choose data=davis_simulated, data=davis or data=mask_folder"
        )
    empty = [key for key, value in config.data.items() if value is None and key != "year"]
    if empty:
        raise LstmzooError(f"data.{empty[0]}=null: it takes a value, e.g. that of configs/data/davis_simulated.yaml")


def _check_encoder(config: DictConfig) -> None:
    """An encoder that has learnt nothing yet must be trained."""
    if config.task.encoder_lr is None and config.model.encoder == "small":
        raise LstmzooError(
            "the encoder 'small' starts from scratch, so it has to be trained: give task.encoder_lr, e.g. 1e-3, or "
            "choose one with ImageNet weights (model.encoder=efficientnet_lite0 model.pretrained_encoder=true)"
        )
