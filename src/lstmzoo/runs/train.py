"""A training run: from a configuration to a run folder."""

import os
import shlex
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher
from omegaconf import DictConfig

from lstmzoo.errors import DataWarning, LstmzooError, naming
from lstmzoo.io.atomic import write_json
from lstmzoo.runs import build
from lstmzoo.runs.lock import has_checkpoint, owned
from lstmzoo.runs.measured import OWN_TEST, Measured
from lstmzoo.runs.run_folder import write_config, write_versions
from lstmzoo.runs.save_results import SaveResults, read_results
from lstmzoo.training.base import BaseTask
from lstmzoo.training.callbacks import Checkpoints
from lstmzoo.training.data_module import BaseDataModule
from lstmzoo.training.run_log import read_rows
from lstmzoo.viz import plots

LEAST_OPEN_FILES = 64


def train(config: DictConfig, folder: Path, resume: Path | None = None) -> float | None:
    """Train, then measure the best checkpoint on the test split.

    A run that is stopped (Ctrl-C, SIGTERM) can be resumed from its folder.

    Args:
        config: as from ``configs/train.yaml``, resolved or not.
        folder: the run folder.
        resume: a checkpoint to go on from.

    Returns:
        The best value of what the task monitors; None where nothing was validated.

    Raises:
        LstmzooError: anything that the person can put right.
    """
    build.quiet()
    _check_open_files()
    build.absolute_paths(config)
    config.resume = None
    first = dry_run(config, folder)
    with owned(folder, new=resume is None) if first else nullcontext(), _telling_how_to_go_on(folder):
        return _train(config, folder, resume)


def _train(config: DictConfig, folder: Path, resume: Path | None) -> float | None:
    started = time.monotonic()
    seed_everything(config.seed, verbose=False)
    data = build.task_class(config).open_data({**build.to_dict(config), "resume": resume}, simulate=True)
    with naming("data.root", config.data.get("root")):
        data.check(test=config.test_after_fit)
        data.prepare_data()
        data.setup("fit")
        if config.test_after_fit:
            data.setup("test")  # what is wrong with the test split shows now, not after the training
    task = build.build_task(config, data.labels, length=data.sequence_length)
    part = config.trainer.limit_test_batches
    changed = () if part == 1.0 and isinstance(part, float) else (f"trainer.limit_test_batches={part}",)
    measured = Measured(folder / "checkpoints" / "best.ckpt", "test", changed)
    results = SaveResults(folder / OWN_TEST, f"{_title(config)}, test split", measured, details=False)
    trainer = build.build_trainer(config, folder, task, data.has_validation, results, resumed=resume is not None)
    if trainer.is_global_zero:
        write_config(folder, config)
        write_versions(folder)
        _announce(task, data, trainer, folder, resume)
        _warn_of_batch_norm(config, task, trainer.world_size)
    with build.exit_codes(trainer):
        trainer.fit(task, data, ckpt_path=resume and str(resume), weights_only=True)
    best = _best(trainer)
    if isinstance(trainer.strategy.launcher, _MultiProcessingLauncher) and best.last_path.is_file():
        best.take_over()
    tested = config.test_after_fit and best.best_path.is_file()
    if tested:
        with build.exit_codes(trainer):
            trainer.test(task, data, ckpt_path=str(best.best_path), weights_only=True, verbose=False)
    if trainer.is_global_zero:
        test = read_results(folder / OWN_TEST) if tested else None
        _finish(trainer, task, folder, _title(config), time.monotonic() - started, test)
    return best.best_score


def dry_run(config: DictConfig, folder: Path) -> bool:
    """Build model, task and trainer once: wrong settings show now, not after data have been made and decoded.

    Returns:
        Whether this is the first process of the run, or its only one.
    """
    task = build.build_task(config, build.task_class(config).dummy_labels, announce=False)
    return build.build_trainer(config, folder, task, has_validation=True, results=Callback()).is_global_zero


def _check_open_files() -> None:
    """With fewer files than torch takes for granted, processes that load data wait for each other without an end."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < LEAST_OPEN_FILES:
        raise LstmzooError(
            f"a process may open {hard} files here, training takes {LEAST_OPEN_FILES}: raise `ulimit -n`"
        )
    if soft != resource.RLIM_INFINITY and soft < LEAST_OPEN_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (LEAST_OPEN_FILES, hard))


@contextmanager
def _telling_how_to_go_on(folder: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        if has_checkpoint(folder):
            print(f"lstmzoo: to go on: lstmzoo train resume={shlex.quote(_readable(folder))}", file=sys.stderr)
        raise


def _title(config: DictConfig) -> str:
    """What is trained on what, for tables and plots, e.g. ``action_rnn (lstm) on kth_simulated``."""
    cell = f" ({config.model.cell})" if config.model.get("cell") else ""
    return f"{config.model.name}{cell} on {config.data.name}"


def _best(trainer: Trainer) -> Checkpoints:
    assert isinstance(trainer.checkpoint_callback, Checkpoints)
    return trainer.checkpoint_callback


def _announce(task: BaseTask, data: BaseDataModule, trainer: Trainer, folder: Path, resume: Path | None) -> None:
    parameters = sum(p.numel() for p in task.parameters())
    device = trainer.strategy.root_device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    print(f"{task.model.model_name}: {parameters:,} parameters on {name}; {data.sizes}")
    if not data.has_validation:
        print("There is no validation split: the last epoch counts as the best one")
    print(f"{'Resuming' if resume else 'Run folder:'} {_readable(folder)}")


def _warn_of_batch_norm(config: DictConfig, task: BaseTask, processes: int) -> None:
    per_process = any(isinstance(module, torch.nn.modules.batchnorm._BatchNorm) for module in task.modules())
    if processes > 1 and per_process and not config.trainer.get("sync_batchnorm"):
        warnings.warn(
            f"batch norm takes its statistics from the {config.data.batch_size} items of one process, not from all "
            f"{processes * config.data.batch_size} of a step; on GPUs, +trainer.sync_batchnorm=true takes all",
            DataWarning,
            stacklevel=2,
        )


def _finish(
    trainer: Trainer, task: BaseTask, folder: Path, title: str, seconds: float, test: dict[str, Any] | None
) -> None:
    """Write metrics.json and curves.png, and say where everything is."""
    best = _best(trainer)
    rows = read_rows(folder / "metrics.csv")
    epochs = sorted(rows)
    waits = [rows[epoch]["data_wait"] for epoch in epochs if "data_wait" in rows[epoch]]
    write_json(
        folder / "metrics.json",
        {
            "monitor": best.monitor,
            "best": best.best_score,
            "best_epoch": best.best_epoch,
            "epochs": len(epochs),
            "data_wait": sum(waits) / len(waits) if waits else None,
            "parameters": sum(p.numel() for p in task.parameters()),
            "seconds": round(seconds, 1),
            "validation": rows.get(best.best_epoch) if best.best_epoch is not None else None,
            "test": test,
        },
    )
    if epochs:
        plots.training_curves(rows, folder / "curves.png", title=title)
    where = _readable(folder)
    print(f"Done in {seconds:.0f} s. Results: {where}/metrics.json, {where}/curves.png")
    if best.best_epoch is not None:
        print(f"Best checkpoint (epoch {best.best_epoch + 1}): {where}/checkpoints/best.ckpt")
    else:
        print(f"No epoch was validated, so there is no best checkpoint; the last one: {where}/checkpoints/last.ckpt")


def _readable(path: Path) -> str:
    """The path relative to the current folder where that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)
