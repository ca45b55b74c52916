"""Captioning on the command line; see `lstmzoo.cli.tasks`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from textwrap import shorten
from typing import Any

from omegaconf import DictConfig

from lstmzoo.captioning.datamodule import CaptionDataModule
from lstmzoo.captioning.models.ensemble import Ensemble
from lstmzoo.cli.build import to_dict
from lstmzoo.errors import CheckpointError, LstmzooError
from lstmzoo.models import load
from lstmzoo.models.encoder_weights import skip_pretrained_weights
from lstmzoo.models.encoders import GridEncoder, create_grid_encoder
from lstmzoo.registry import tasks
from lstmzoo.training.errors import setting_errors

REHEARSAL = {"specials": ["<pad>", "<bos>", "<eos>", "<unk>"], "words": ["one", "another"]}
WRITTEN = "metrics.json, captions.json, contact_sheet.png"
SIMULATION = {"pictures": "pictures", "simulation_seed": "seed"}  # data key: argument


def datamodule(
    config: DictConfig, *, simulate: bool, split: str = "test", checkpoint: Path | None = None
) -> CaptionDataModule:
    """Build the data module; see `build.build_datamodule`.

    Vocabulary and frozen encoder are those of the checkpoint that is tested or started from, where there is one.
    """
    if "layout" not in config.data:
        raise LstmzooError(
            f"data={config.data.name} has no captions; start from an experiment, e.g. experiment=captions_nic"
        )
    if config.task.objective == "scst" and config.data.get("flip"):
        raise LstmzooError(
            "task.objective=scst rewards what people said of the pictures as they are: give data.flip=false"
        )
    data = to_dict(config.data)
    simulation = {name: data.pop(key) for key, name in SIMULATION.items() if key in data}
    source = checkpoint or config.task.start_from
    if source is None:
        encoder, vocabulary = create_grid_encoder(config.model.encoder, config.model.pretrained_encoder), None
        _check_encoder(config, encoder)
    else:
        origin: Any = _load(source)
        encoder, vocabulary = origin.encoder, origin.contract["vocabulary"]
    return CaptionDataModule(
        **data,
        encoder=encoder if config.task.encoder_lr is None else None,
        image_size=encoder.image_size,
        vocabulary=vocabulary,
        seed=config.seed,
        test_split=split,
        simulate=simulation if simulate and simulation else None,
    )


def task(config: DictConfig, labels: dict[str, Any]) -> Any:
    """Build the task with a new model, or with that of ``task.start_from``; labels are the vocabulary."""
    settings, model = to_dict(config.task), to_dict(config.model)
    kind, start_from, ensemble = settings.pop("name"), settings.pop("start_from"), settings.pop("ensemble")
    if settings["objective"] == "scst" and start_from is None:
        raise LstmzooError(
            "task.objective=scst goes on from a captioner: give task.start_from=RUN/checkpoints/best.ckpt"
        )
    origin: Any = None if start_from is None else _load(start_from)
    labels = labels if origin is None else origin.contract["vocabulary"]
    with setting_errors("the model or the task"), nullcontext() if origin is None else skip_pretrained_weights():
        built: Any = tasks.get(kind).target(
            model.pop("name"),
            {**model, "vocab_size": len(labels["specials"]) + len(labels["words"])},
            vocabulary=labels,
            classes=[],
            transform={},
            config=to_dict(config),
            seed=config.seed,
            **settings,
        )
    if origin is not None:
        try:
            built.adopt(origin)
        except RuntimeError as error:
            raise CheckpointError(
                f"the weights of {start_from} ({origin.model_name}) do not fit the model "
                f"{built.model.model_name} and its settings: {shorten(str(error), 300)}"
            ) from error
    built.transform = {"size": [built.model.encoder.image_size] * 2}
    built.others = [_load(path) for path in ensemble]  # they have a say in tests
    built.ensemble = [str(path) for path in ensemble]
    Ensemble([built.model, *built.others])  # whether they can speak as one shows now, not after the data were read
    return built


def predict(argv: list[str]) -> None:
    """Put pictures into words; see `lstmzoo.cli.predict_captions`."""
    from lstmzoo.cli.predict_captions import run

    run(argv)


def inspect(argv: list[str]) -> None:
    """Draw attention and gates word by word; see `lstmzoo.cli.inspect_captions`."""
    from lstmzoo.cli.inspect_captions import run

    run(argv)


def _load(path: str | Path) -> Any:
    model: Any = load(Path(str(path)).expanduser())
    if not hasattr(model, "words"):
        raise CheckpointError(f"{path} holds {model.model_name!r}, which is no captioner")
    return model


def _check_encoder(config: DictConfig, encoder: GridEncoder) -> None:
    """An encoder that has learnt nothing yet must be trained."""
    if not encoder.pretrained and config.task.encoder_lr is None:
        raise LstmzooError(
            f"the encoder {config.model.encoder!r} starts from scratch, so it has to be trained: give task.encoder_lr, "
            "e.g. 1e-3, or choose one with ImageNet weights (model.encoder=efficientnet_lite0)"
        )
