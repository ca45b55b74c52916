"""``lstmzoo train``: one run, a sweep, or a run that is resumed.

Mistakes are found before anything heavy is imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmzoo.config.groups import config_dir
from lstmzoo.cli.usage import train_usage
from lstmzoo.errors import LstmzooError

if TYPE_CHECKING:
    from omegaconf import DictConfig


def run(argv: list[str]) -> None:
    """Train as the arguments say: one run, a sweep (``-m``), or a run that is resumed."""
    if any(argument in ("-h", "--help") for argument in argv):
        print(train_usage(), end="")
        return
    from hydra._internal.utils import get_args_parser
    from omegaconf import OmegaConf

    from lstmzoo.config.compose import compose, parse, quoted
    from lstmzoo.runs.sweep import compose_sweep

    parser = get_args_parser()
    parser.prog = "lstmzoo train"
    args = parser.parse_intermixed_args(argv)  # -m may stand anywhere
    if args.config_dir is not None:  # another way to say it
        place, args.config_dir = Path(args.config_dir).resolve(), None
        args.overrides.insert(0, f"hydra.searchpath=[{quoted(f'file://{place}')}]")
    args.overrides = [override.input_line for override in parse(args.overrides, sweep=args.multirun)]
    resume = [override for override in parse(args.overrides, sweep=args.multirun) if override.key_or_group == "resume"]
    if resume and resume[-1].value() is not None:
        others = [text for text in args.overrides if text.partition("=")[0] != "resume"]
        _resume(Path(str(resume[-1].value())), others, sweep=args.multirun)
    elif args.multirun:
        data: list[DictConfig] = []
        for overrides, config in compose_sweep("train", args.overrides):
            _refuse_subprocesses(config)
            _rehearse(config, overrides)
            _check_data(config, data)
        _launch(args)
    else:
        printed = args.cfg is not None or args.info is not None  # Hydra shows the configuration, complete or not
        config = compose("train", args.overrides, complete=not printed)
        if printed and not OmegaConf.missing_keys(config):
            _rehearse(config, args.overrides)
        _launch(args)


def _rehearse(config: DictConfig, overrides: Sequence[str]) -> None:
    """Build model, task and trainer of a configuration that does not run at once."""
    from lstmzoo.runs import build
    from lstmzoo.runs.start_from import take_over
    from lstmzoo.runs.train import rehearse

    build.quiet()
    take_over(config, overrides)
    rehearse(config, Path.cwd())


def _check_data(config: DictConfig, checked: list[DictConfig]) -> None:
    """Build the data of a configuration that does not run at once; equal ones of a sweep are looked at once."""
    from lstmzoo.runs import build

    build.absolute_paths(config)
    data = build.build_datamodule(config, simulate=True)
    if config.data not in checked:
        data.check(test=config.test_after_fit)
        checked.append(config.data)


def _launch(args: Any) -> None:
    """Hand over to Hydra, which makes the run folder and calls back, once or for each job of a sweep."""
    from hydra import version as hydra_version
    from hydra._internal.utils import _run_hydra, get_args_parser
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from lstmzoo.config.compose import VERSION_BASE, in_one_line

    failed: list[tuple[str, Exception]] = []
    started: list[Path] = []
    process = os.getpid()

    def job(config: DictConfig) -> float | None:
        from lstmzoo.runs.start_from import take_over
        from lstmzoo.runs.train import train

        folder, overrides = Path(HydraConfig.get().runtime.output_dir), [*HydraConfig.get().overrides.task]
        searching = args.multirun and not HydraConfig.get().sweeper._target_.endswith(".BasicSweeper")
        started.append(folder)
        try:
            take_over(config, overrides)
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
    if len(failed) == 1:
        raise failed[0][1]
    if failed:
        raise LstmzooError("\n".join([f"{len(failed)} runs failed", *(f"{run}: {error}" for run, error in failed)]))


@contextmanager
def _raising() -> Iterator[None]:
    """Let Hydra raise what goes wrong, which it would otherwise print with a traceback of its own."""
    usual = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        del os.environ["HYDRA_FULL_ERROR"]
        if usual is not None:
            os.environ["HYDRA_FULL_ERROR"] = usual


def _remove_if_unused(folder: Path) -> None:
    """Remove the run folder that Hydra has made for a run that did not begin."""
    with suppress(OSError):  # it holds more, or another process still uses it
        folder.rmdir()


def _refuse_subprocesses(config: DictConfig) -> None:
    from omegaconf import OmegaConf

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
    from lstmzoo.config.compose import override_stored, parse
    from lstmzoo.runs.folder import read_config

    read_config(folder)  # whether there is a run at all
    from lstmzoo.runs.resume import read_run
    from lstmzoo.runs.train import train
    from lstmzoo.training.checkpoint_io import newest_checkpoint

    checkpoint = newest_checkpoint(folder)
    stored = read_run(folder, checkpoint, {override.key_or_group for override in parse(overrides)})
    config = override_stored(stored, overrides, origin=f"resume={folder}")
    train(config, folder.resolve(), resume=checkpoint.resolve())
