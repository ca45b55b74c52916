"""From a configuration to a task and a trainer."""

import inspect
import logging
import math
import os
import signal
import sys
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_method, instantiate
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, RichProgressBar
from lightning.pytorch.loggers import Logger
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher
from lightning.pytorch.trainer.states import TrainerStatus
from lightning.pytorch.utilities.exceptions import MisconfigurationException, SIGTERMException
from omegaconf import DictConfig, OmegaConf
from rich import get_console
from torch.optim.lr_scheduler import LRScheduler

from lstmzoo.config.compose import in_one_line
from lstmzoo.config.groups import groups, settings_of_choice
from lstmzoo.errors import LstmzooError, Terminated, printable, unknown_choice
from lstmzoo.io.terminal import in_notebook, print_plain
from lstmzoo.models import load
from lstmzoo.models.encoder_weights import skip_pretrained_weights
from lstmzoo.models.pretrained.names import is_name
from lstmzoo.nn.init import fit_length_
from lstmzoo.registry import tasks
from lstmzoo.training.base import BaseTask
from lstmzoo.training.callbacks import Checkpoints, PatientStopping, Timing
from lstmzoo.training.checkpoint_io import WholeFiles
from lstmzoo.training.ending import Diverged, SigtermFlag
from lstmzoo.training.run_log import RunLog
from lstmzoo.training.schedule import Schedule, Training
from lstmzoo.training.setting_errors import setting_errors
from lstmzoo.training.training_state import Restoring

SETTINGS = {"callbacks": ("patience", "progress")}
"""Keys that are not classes to instantiate, by group."""


def to_dict(config: DictConfig) -> dict[str, Any]:
    """Return a configuration as plain dictionaries, lists, numbers and strings."""
    plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(plain, dict)
    return plain  # type: ignore[return-value]


def absolute_paths(config: DictConfig) -> None:
    """Make the paths absolute, so that a checkpoint finds its data from any folder; names of weights stay."""
    for group in ("data", "task"):
        for key, setting in settings_of_choice(group, config[group].name).items():
            if setting.is_path and config[group].get(key) is not None and not is_name(config[group][key]):
                config[group][key] = os.path.abspath(os.path.expanduser(str(config[group][key])))


def task_class(config: DictConfig) -> type[BaseTask]:
    """Return the task of a configuration."""
    return tasks.get(config.task.name).target  # type: ignore[no-any-return]


def build_task(config: DictConfig, labels: Any, *, length: int | None = None, announce: bool = True) -> BaseTask:
    """Build the task of a configuration with a new model, or that of ``task.start_from``.

    Args:
        config: the configuration.
        labels: those of the data.
        length: steps of a training sequence, for which the memory of a new model is initialised.
        announce: whether to say what of ``task.start_from`` is trained from scratch.
    """
    kind = task_class(config)
    start_from = config.task.get("start_from")
    origin: Any = None if start_from is None else load(Path(str(start_from)).expanduser())
    with nullcontext() if origin is None else skip_pretrained_weights():
        task = kind.from_config(to_dict(config), labels)
    if origin is None and length is not None:
        with torch.random.fork_rng(devices=[]):  # what is drawn later does not depend on it
            fit_length_(task.model, length)
    if origin is not None and (new := task.inherit_weights(origin)) and announce:
        print(printable(new))
    task.use(build_optimizer(config), build_schedule(config))
    return task


def build_optimizer(config: DictConfig) -> Callable[..., torch.optim.Optimizer]:
    """Return what makes the optimizer, given parameters, lr and weight_decay."""
    kind, options = _class_of("optimizer", config)
    with setting_errors("the optimizer"):
        made: Any = kind
        made([torch.nn.Parameter(torch.zeros(1))], lr=config.task.lr, weight_decay=config.task.weight_decay, **options)
    return partial(kind, **options) if options else kind


def build_schedule(config: DictConfig) -> Any:
    """Return the schedule of the learning rate, or what makes a scheduler of torch for an optimizer."""
    kind, options = _class_of("scheduler", config)
    with setting_errors("the scheduler"):
        if isinstance(kind, type) and issubclass(kind, LRScheduler):
            kind(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1), **options)
            return partial(kind, **options)
        schedule: Schedule = kind(**options)
        for step in range(0, 1000, 5):
            if not 0 <= (share := schedule(step, Training(total=1000, warmup=10, per_epoch=5))) < math.inf:
                raise ValueError(f"its share of the learning rate would be {share}")
        return schedule


def _class_of(group: str, config: DictConfig) -> tuple[Any, dict[str, Any]]:
    """The class that a group of the configuration names, and its arguments."""
    options = to_dict(config[group]) if config[group] is not None else {}
    place = options.pop("_target_", None)
    if not isinstance(place, str):
        raise LstmzooError(f"{group}={place} names no class; choose {group}={'|'.join(groups()[group])}")
    try:
        kind = get_method(place)
    except Exception as error:  # whatever importing it raises
        raise LstmzooError(f"{group}._target_={place} cannot be imported: {in_one_line(error)}") from error
    if (group == "scheduler") == (isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)):
        raise LstmzooError(
            f"{group}._target_={place} does not make a {group}; choose {group}={'|'.join(groups()[group])}"
        )
    known = inspect.signature(kind).parameters
    free = [name for name in known if name not in ("params", "optimizer", "lr", "weight_decay")]
    for key in options:
        if key not in free and not any(one.kind is one.VAR_KEYWORD for one in known.values()):
            raise LstmzooError(f"{group}.{key}: {unknown_choice(f'argument of {place}', key, free)}")
    return kind, options


def build_trainer(
    config: DictConfig, folder: Path, task: BaseTask, has_validation: bool, results: Callback, resumed: bool = False
) -> Trainer:
    """Build the trainer of a run.

    Args:
        config: with groups trainer, callbacks and logger.
        folder: the run folder.
        task: what is trained; it says which checkpoint is best.
        has_validation: whether there is a validation split; without one the last epoch counts as the best.
        results: what to do with the outcome of a test.
        resumed: whether the run goes on with what is in its folder.
    """
    monitor, mode = task.monitor if has_validation else (None, "max")
    on_terminal = sys.stdout.isatty() and not in_notebook()
    bar = config.callbacks.progress == "auto" and on_terminal
    callbacks: list[Callback] = [Timing(), results, Checkpoints(folder / "checkpoints", monitor, mode)]
    if config.callbacks.patience is not None and monitor is not None:
        callbacks.append(PatientStopping(monitor, mode=mode, patience=config.callbacks.patience))
    if bar:
        callbacks.append(RichProgressBar(leave=False))
    echo = None if config.callbacks.progress == "none" else _print_above if bar else print_plain
    log = RunLog(folder, echo, resumed, task.shown or {task.monitor[0]: ".4f"})
    loggers: list[Logger] = [log, *_instances("logger", config.logger, Logger, save_dir=folder)]
    callbacks += _instances("callbacks", config.callbacks, Callback)
    ours: dict[str, Any] = {
        "callbacks": callbacks,
        "logger": loggers,
        "plugins": [WholeFiles()],
        "enable_progress_bar": bar,
        "enable_model_summary": False,
        "default_root_dir": folder,
        "use_distributed_sampler": False,
    }
    asked = to_dict(config.trainer)
    _check_arguments(asked, ours)
    with setting_errors("the trainer"):
        trainer = Trainer(**asked, **ours)
    trainer._checkpoint_connector = Restoring(trainer)
    log.max_epochs = trainer.max_epochs or 0
    return trainer


def _check_arguments(asked: Iterable[str], ours: Collection[str]) -> None:
    """Complain of keys that are not arguments of Lightning's Trainer, or that are not for a configuration to set."""
    free = inspect.signature(Trainer).parameters.keys() - ours
    for key in asked:
        if key in ours:
            raise LstmzooError(f"trainer.{key} is set by lstmzoo itself; leave it out")
        if key not in free:
            raise LstmzooError(unknown_choice("argument of Lightning's Trainer", key, free))


@contextmanager
def exit_codes(trainer: Trainer) -> Iterator[None]:
    """Let a trainer end as programs do: Lightning hides Ctrl-C, and leaves other processes waiting after an error.

    What all processes of a run end by together, the first one reports.

    Raises:
        KeyboardInterrupt: after Ctrl-C.
        Terminated: after SIGTERM or SIGHUP.
        SystemExit: in the other processes, where the first one reports.
        LstmzooError: settings that do not go together, or numbers that are not finite.
    """
    trainer._signal_connector = connector = SigtermFlag(trainer)
    try:
        yield
    except (SIGTERMException, Diverged) as error:
        if not trainer.is_global_zero:
            raise SystemExit(0) from None  # another code would make Lightning kill the first process
        raise (error if isinstance(error, Diverged) else Terminated(connector.asked or signal.SIGTERM)) from None
    except SystemExit as error:  # after Ctrl-C: Lightning has killed the others
        if trainer.state.status == TrainerStatus.INTERRUPTED:
            cause = error.__context__
            raise (cause if isinstance(cause, KeyboardInterrupt) else KeyboardInterrupt) from None
        raise
    except BaseException as error:
        launcher = trainer.strategy.launcher
        if isinstance(launcher, _SubprocessScriptLauncher):
            launcher.kill(signal.SIGKILL)  # they wait for this one
        if isinstance(error, MisconfigurationException) or (isinstance(error, ValueError) and _is_lightnings(error)):
            raise LstmzooError(f"the trainer cannot work like this: {' '.join(str(error).split())}") from error
        raise


def _is_lightnings(error: BaseException) -> bool:
    """Whether it was Lightning that raised an error, e.g. about a setting that does not fit the number of batches."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return place is not None and place.tb_frame.f_globals.get("__name__", "").startswith("lightning.")


def quiet() -> None:
    """Silence what Lightning says on every run and nobody can act on; real warnings stay."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        r".*does not have many workers.*",  # from the cache, none are needed
        r".*smaller than the logging interval.*",  # we log by the epoch
        r".*is not resumable.*",  # ours is: EpochSampler
        r".*val_dataloader.*zero length.*",
        r".*Total length of `.*` across ranks is zero.*",
        r".*will be overridden by .*",
        r".*module\(s\) in eval mode.*",  # frozen encoders are
        r".*isinstance\(treespec, LeafSpec\).*",
        r".*distributed.nn.functional.all_gather is deprecated.*",
        r".*Trainer\(limit_val_batches.*",
    ):
        warnings.filterwarnings("ignore", message)


def _print_above(text: str) -> None:
    """Print a line above Lightning's bar."""
    get_console().print(printable(text), soft_wrap=True, highlight=False, markup=False)


def _instances(group: str, config: DictConfig, kind: type, **unset: Any) -> list[Any]:
    """Make what a group of the configuration names by ``_target_``; `unset` are values for what is null there."""
    made = []
    for key, value in config.items():
        if value is None or key in SETTINGS.get(group, ()):
            continue
        if not isinstance(value, DictConfig) or "_target_" not in value:
            raise LstmzooError(f"{group}.{key!s} needs a _target_, the class to make, e.g. my_module.MyCallback")
        try:
            made.append(
                instantiate(value, **{name: found for name, found in unset.items() if value.get(name, "") is None})
            )
        except Exception as error:  # whatever the class, or importing it, raises
            raise LstmzooError(f"{group}.{key!s} cannot be made of {value._target_}: {in_one_line(error)}") from error
        if not isinstance(made[-1], kind):
            raise LstmzooError(f"{group}.{key!s}._target_={value._target_} makes no {kind.__module__}.{kind.__name__}")
    return made
