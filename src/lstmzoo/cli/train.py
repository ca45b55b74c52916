"""``lstmzoo train``: one run, a sweep, or a run that is resumed."""

import logging
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hydra import version as hydra_version
from hydra._internal.utils import _run_hydra, get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lstmzoo.config.choices import complete_choices
from lstmzoo.config.compose import VERSION_BASE, compose, in_one_line, override_stored
from lstmzoo.config.groups import config_dir
from lstmzoo.config.overrides import parse, quoted
from lstmzoo.errors import LstmzooError, naming
from lstmzoo.runs import build
from lstmzoo.runs.resume import newest_run, read_run
from lstmzoo.runs.run_folder import read_config
from lstmzoo.runs.start_from import inherit
from lstmzoo.runs.sweep import compose_sweep, folder_names, report
from lstmzoo.runs.train import dry_run, train
from lstmzoo.training.checkpoint_io import newest_checkpoint


def run(argv: list[str]) -> None:
    """Train as the arguments say: one run, a sweep (``-m``), or a run that is resumed."""
    parser = get_args_parser()
    parser.prog = "lstmzoo train"
    args = parser.parse_intermixed_args(argv)  # -m may stand anywhere
    if args.config_dir is not None:  # another way to say it
        place, args.config_dir = Path(args.config_dir).resolve(), None
        args.overrides.insert(0, f"hydra.searchpath=[{quoted(f'file://{place}')}]")
    args.overrides = [override.input_line for override in parse(args.overrides, sweep=args.multirun)]
    resumed = [text.partition("=")[2] for text in args.overrides if text.startswith("resume=")]
    if resumed and resumed[-1] != "null":
        others = [text for text in args.overrides if not text.startswith("resume=")]
        _resume(Path(resumed[-1].strip("'\"")), others, sweep=args.multirun)
        return
    said = _with_output(args.overrides, args.multirun)
    args.overrides = complete_choices(said)
    completed = {text.partition("=")[0] for text in args.overrides} - {text.partition("=")[0] for text in said}
    complete = "data" not in completed  # where they are is for a checkpoint to say
    if args.multirun:
        checked: list[DictConfig] = []
        for overrides, config in compose_sweep("train", args.overrides, complete=complete):
            _refuse_subprocesses(config)
            _dry_run(config, overrides, completed)
            _check_data(config, checked)
        args.overrides += [*folder_names(args.overrides), *_direction(args.overrides, config)]
    else:
        printed = args.cfg is not None or args.info is not None  # Hydra shows the configuration, complete or not
        config = compose("train", args.overrides, complete=complete and not printed)
        if printed:
            _launch(args, completed)
            if not OmegaConf.missing_keys(config):
                _dry_run(config, args.overrides, completed)
                _check_data(config, [])
            return
    _launch(args, completed)


def _with_output(overrides: Sequence[str], sweep: bool) -> list[str]:
    """``output=FOLDER`` is another way to say where Hydra makes the run folder."""
    folder = "hydra.sweep.dir" if sweep else "hydra.run.dir"
    return [f"{folder}={text.partition('=')[2]}" if text.startswith("output=") else text for text in overrides]


def _direction(overrides: Sequence[str], config: DictConfig) -> list[str]:
    """Optuna minimises unless it is told otherwise; more is better of most of what tasks monitor."""
    key = "hydra.sweeper.direction"
    if "hydra/sweeper=optuna" not in overrides or any(text.startswith(f"{key}=") for text in overrides):
        return []
    return [f"{key}={'maximize' if build.task_class(config).monitor[1] == 'max' else 'minimize'}"]


def _said(overrides: Sequence[str], completed: Collection[str]) -> list[str]:
    """The overrides that the person gave: not those of keys with which choices were completed."""
    return [text for text in overrides if text.partition("=")[0] not in completed]


def _dry_run(config: DictConfig, overrides: Sequence[str], completed: Collection[str]) -> None:
    """Build model, task and trainer of a configuration that does not run at once."""
    build.quiet()
    inherit(config, _said(overrides, completed))
    dry_run(config, Path.cwd())


def _check_data(config: DictConfig, checked: list[DictConfig]) -> None:
    """Look at the data of a configuration that does not run at once; equal ones of a sweep once."""
    build.absolute_paths(config)
    data = build.task_class(config).open_data(build.to_dict(config), simulate=True)
    if config.data not in checked:
        with naming("data.root", config.data.get("root")):
            data.check(test=config.test_after_fit)
        checked.append(config.data)


def _launch(args: Any, completed: Collection[str]) -> None:
    """Hand over to Hydra, which makes the run folder and calls back, once or for each job of a sweep."""
    failed: list[tuple[str, Exception]] = []
    started: list[Path] = []
    process = os.getpid()

    def job(config: DictConfig) -> float | None:
        folder, overrides = Path(HydraConfig.get().runtime.output_dir), [*HydraConfig.get().overrides.task]
        searching = args.multirun and not HydraConfig.get().sweeper._target_.endswith(".BasicSweeper")
        started.append(folder)
        try:
            inherit(config, _said(overrides, completed))
            best = train(config, folder)
            if best is None and searching:
                raise LstmzooError("there is no validation result for the sweeper to search by")
        except (LstmzooError, OSError, MemoryError) as error:
            _remove_if_unused(folder)
            if searching or os.getpid() != process:
                raise  # the sweeper has to hear of it; a launcher may have put the job elsewhere
            failed.append((f"{folder.name} ({' '.join(overrides)})", error))
            return None  # Hydra would name all overrides before the message
        return best  # what sweepers search by

    hydra_version.setbase(VERSION_BASE)
    try:
        with _raising():
            _run_hydra(args, get_args_parser(), job, config_path=str(config_dir()), config_name="train")
    except OSError as error:
        if started:
            raise
        raise LstmzooError(
            f"cannot make the run folder {error.filename}: {error.strerror}; choose another place with "
            f"hydra.{'sweep' if args.multirun else 'run'}.dir=FOLDER"
        ) from error
    except (LstmzooError, MemoryError):
        raise
    except Exception as error:  # also what a launcher or sweeper may raise that cannot be set up, before any run
        if started and not isinstance(error, HydraException | OmegaConfBaseException):
            raise
        raise LstmzooError(f"Hydra cannot start this: {in_one_line(error)}") from error
    if args.multirun:
        report(started)
    if len(failed) == 1:
        raise failed[0][1]
    if failed:
        raise LstmzooError("\n".join([f"{len(failed)} runs failed", *(f"{run}: {error}" for run, error in failed)]))


@contextmanager
def _raising() -> Iterator[None]:
    """Let Hydra raise what goes wrong, which it would otherwise print with a traceback of its own.

    It also sets up logging for its jobs; afterwards that is as it was, for whoever calls `main` in a program.
    """
    usual = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        del os.environ["HYDRA_FULL_ERROR"]
        if usual is not None:
            os.environ["HYDRA_FULL_ERROR"] = usual


def _remove_if_unused(folder: Path) -> None:
    """Remove the run folder that Hydra has made for a run that did not begin, and runs/EXPERIMENT where it is empty."""
    with suppress(OSError):  # it holds more, or another process still uses it
        folder.rmdir()
        if folder.resolve().parents[1] == Path("runs").resolve():  # any other folder is the user's own
            folder.parent.rmdir()


def _refuse_subprocesses(config: DictConfig) -> None:
    # Lightning starts the other processes with our own command line, so each would start the whole sweep.
    strategy, devices = str(config.trainer.strategy), config.trainer.devices
    several = strategy == "auto" and devices not in (1, "1") and not (OmegaConf.is_list(devices) and len(devices) == 1)
    if several or (strategy.startswith(("ddp", "fsdp", "deepspeed")) and "spawn" not in strategy):
        raise LstmzooError(
            f"-m does not go with trainer.strategy={strategy} and trainer.devices={devices}, which starts the command "
            "again for every device; use trainer.devices=1, trainer.strategy=ddp_spawn, or one run per command"
        )


def _resume(folder: Path, overrides: Sequence[str], sweep: bool) -> None:
    """Go on with a run in its own folder, from its newest checkpoint."""
    if sweep:
        raise LstmzooError("resume does not go with -m: resume one run per command")
    folder = newest_run(Path("runs")) if str(folder) == "latest" else folder
    read_config(folder)  # whether there is a run at all
    checkpoint = newest_checkpoint(folder)
    stored = read_run(folder, checkpoint, {override.key_or_group for override in parse(overrides)})
    config = override_stored(stored, overrides, origin=f"resume={folder}")
    train(config, folder.resolve(), resume=checkpoint.resolve())
