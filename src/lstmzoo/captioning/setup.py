"""The data of a configuration; what belongs to a checkpoint that is tested or started from is taken over."""

from pathlib import Path
from typing import Any

from lstmzoo.captioning.datamodule import CaptionDataModule
from lstmzoo.errors import CheckpointError, LstmzooError
from lstmzoo.models import load
from lstmzoo.models.checkpoint import read_metadata
from lstmzoo.models.encoders import create_grid_encoder


def open_data(config: dict[str, Any], split: str, simulate: bool, model: Any | None) -> CaptionDataModule:
    """Build the data module of a configuration.

    Args:
        config: the configuration.
        split: what is tested on.
        simulate: make simulated data where they are missing.
        model: the model that is tested, if any; its vocabulary, and its encoder where that is frozen, are taken. Else
            those of ``task.start_from``; to its vocabulary, words of the training captions are added. Self-critical
            training adds none: a word that is never said is never rewarded. A resumed run has its words.

    Raises:
        LstmzooError: settings that do not go together.
        CheckpointError: ``task.start_from`` cannot be read.
    """
    task, data = config["task"], config["data"]
    if task["objective"] == "scst" and data.get("flip"):
        raise LstmzooError(
            "task.objective=scst rewards what people said about the images as they are: give data.flip=false"
        )
    origin = model
    if origin is None and task["start_from"] is not None:
        origin = load_captioner(task["start_from"])
    if origin is None:
        encoder = create_grid_encoder(config["model"]["encoder"], config["model"]["pretrained_encoder"])
        vocabulary = None
        if not encoder.pretrained and task["encoder_lr"] is None:
            raise LstmzooError(
                f"the encoder {config['model']['encoder']!r} starts from scratch, so it has to be trained: give "
                "task.encoder_lr, e.g. 1e-3, or choose one with ImageNet weights (model.encoder=efficientnet_lite0)"
            )
    else:
        encoder, vocabulary = origin.encoder, origin.metadata["vocabulary"]
    return CaptionDataModule.of(
        data,
        encoder=encoder if task["encoder_lr"] is None else None,
        image_size=encoder.image_size,
        vocabulary=vocabulary,
        add_words=model is None and task["objective"] != "scst" and config.get("resume") is None,
        seed=config["seed"],
        test_split=split,
        simulate=simulate,
    )


def load_captioner(path: str | Path) -> Any:
    """Load a captioner from its checkpoint.

    Raises:
        CheckpointError: it cannot be read, or holds something else.
    """
    model: Any = load(Path(str(path)).expanduser())
    _check(model.metadata, path)
    return model


def vocabulary_of(path: str | Path) -> dict[str, Any]:
    """Read the vocabulary of a captioner's checkpoint.

    Raises:
        CheckpointError: it cannot be read, or holds something else.
    """
    metadata = read_metadata(Path(str(path)).expanduser())
    _check(metadata, path)
    return metadata["vocabulary"]  # type: ignore[no-any-return]


def _check(metadata: dict[str, Any], path: str | Path) -> None:
    if "vocabulary" not in metadata:
        raise CheckpointError(f"{path} holds {metadata['model']['name']!r}, which is not a captioner")
