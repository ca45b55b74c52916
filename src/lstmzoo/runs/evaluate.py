"""The evaluation of a checkpoint."""

from pathlib import Path
from textwrap import shorten
from typing import Any

from lightning.pytorch import Trainer

from lstmzoo.errors import CheckpointError, DataError, naming
from lstmzoo.models import load
from lstmzoo.models.encoder_weights import skip_pretrained_weights
from lstmzoo.runs import build
from lstmzoo.runs.request import Request
from lstmzoo.runs.save_results import SaveResults
from lstmzoo.training.data_module import BaseDataModule
from lstmzoo.training.setting_errors import setting_errors


def open_split(request: Request, model: Any) -> BaseDataModule:
    """Open the data a checkpoint is to be measured on.

    Raises:
        DataError: the data is missing or has other classes.
    """
    config = request.config
    build.quiet()
    build.absolute_paths(config)
    root, chosen = config.data.get("root"), f"data={config.data.name} split={request.split}"
    with naming("data.root", root), setting_errors(chosen):
        data = build.task_class(config).open_data(build.to_dict(config), split=request.split, model=model)
        data.setup("test")
    classes = request.metadata["classes"]
    if classes and data.labels != classes:
        raise DataError(f"{root} has the classes {data.labels}, the checkpoint {classes}; they must be the same")
    return data


def evaluate(request: Request, output: Path) -> tuple[Any, Any]:
    """Measure a checkpoint on a split; print the results and write them.

    Returns:
        The task's results, and the data set they were measured on.

    Raises:
        LstmzooError: the data is missing or has other classes, or the changed settings do not fit the weights.
    """
    config, path = request.config, request.path
    model = load(path)
    data = open_split(request, model)
    with skip_pretrained_weights():
        task: Any = build.task_class(config).from_config(build.to_dict(config), data.labels)
    try:
        task.load_weights(model)
    except RuntimeError as error:
        raise CheckpointError(
            f"the weights of {path} do not fit the changed model settings: {shorten(str(error), 300)}"
        ) from error
    ensemble = [str(path), *map(str, config.task.get("ensemble", []))]
    with setting_errors("the trainer"):
        trainer = Trainer(
            **build.to_dict(config.trainer),
            callbacks=[SaveResults(output, f"{' + '.join(ensemble)}, {request.split} split", request.measured)],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
    with build.exit_codes(trainer):
        trainer.test(task, data, verbose=False)
    return task.results, data.test_dataset
