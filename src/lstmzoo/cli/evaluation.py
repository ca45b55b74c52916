"""The evaluation of a checkpoint."""

from __future__ import annotations

from pathlib import Path
from textwrap import shorten
from typing import Any

from lightning.pytorch import Trainer

from lstmzoo.cli import build, tasks
from lstmzoo.cli.request import Request
from lstmzoo.cli.results import SaveResults
from lstmzoo.errors import CheckpointError, DataError
from lstmzoo.io.terminal import print_plain
from lstmzoo.models import load
from lstmzoo.models.encoder_weights import skip_pretrained_weights
from lstmzoo.training.data_module import BaseDataModule


def open_split(request: Request) -> BaseDataModule:
    """Open the data a checkpoint is to be measured on.

    Args:
        request: the checkpoint, its configuration and the split.

    Returns:
        The data module, set up for the test.

    Raises:
        DataError: the data is missing or has other classes.
    """
    config, split = request.config, request.options.split
    build.quiet()
    build.absolute_paths(config)
    root = Path(config.data.root)
    if not root.exists():
        raise DataError(f"the data of this checkpoint is not in {root}; pass data.root=FOLDER to say where it is")
    data = build.build_datamodule(config, simulate=False, split=split, checkpoint=request.path)
    data.setup("test")
    classes = request.contract["classes"]
    if classes and data.labels != classes:
        raise DataError(f"{root} has the classes {data.labels}, the checkpoint {classes}; they must be the same")
    return data


def evaluate(request: Request, output: Path) -> tuple[Any, Any]:
    """Measure a checkpoint on a split; print the results and write them.

    Args:
        request: the checkpoint, its configuration and the split.
        output: folder of the results.

    Returns:
        The task's results (for recognition: `RecognitionResults`), and the data set they were measured on.

    Raises:
        LstmzooError: the data is missing or has other classes, or the changed settings do not fit the weights.
    """
    config, path, split = request.config, request.path, request.options.split
    model = load(path)
    data = open_split(request)
    with skip_pretrained_weights():
        task: Any = build.build_task(config, data.labels)
    try:
        task.adopt(model)
    except RuntimeError as error:
        raise CheckpointError(
            f"the weights of {path} do not fit the changed model settings: {shorten(str(error), 300)}"
        ) from error
    voices = [str(path), *map(str, config.task.get("ensemble", []))]
    if len(voices) > 1:
        task.ensemble = voices
    with build.setting_errors("the trainer"):
        trainer = Trainer(
            **build.to_dict(config.trainer),
            callbacks=[SaveResults(output, f"{' + '.join(voices)}, {split} split", request.measured)],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
    with build.exit_codes(trainer):
        trainer.test(task, data, verbose=False)
    assert data.test_dataset is not None
    print_plain(f"Written to {output}: {tasks.of(config.task.name).WRITTEN}")
    return task.results, data.test_dataset
