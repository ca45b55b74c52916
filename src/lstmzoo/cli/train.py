"""``lstmzoo train``: one run, a sweep, or a run that is resumed.

Mistakes are found before anything heavy is imported.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmzoo.cli.configs import config_dir
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

    from lstmzoo.cli.compose import compose, compose_sweep, parse

    parser = get_args_parser()
    parser.prog = "lstmzoo train"
    args = parser.parse_intermixed_args(argv)  # -m may stand anywhere
    args.overrides = [override.input_line for override in parse(args.overrides)]
    resume = [override for override in parse(args.overrides) if override.key_or_group == "resume"]
    if resume and resume[-1].value() is not None:
        others = [text for text in args.overrides if text.partition("=")[0] != "resume"]
        _resume(Path(str(resume[-1].value())), others, sweep=args.multirun)
    elif args.multirun:
        for config in compose_sweep("train", args.overrides):
            _refuse_subprocesses(config)
        _launch(args)
    else:
        if args.cfg is None and args.info is None:
            compose("train", args.overrides)
        _launch(args)


def _launch(args: Any) -> None:
    """Hand over to Hydra, which makes the run folder and calls back, once or for each job of a sweep."""
    from hydra import version as hydra_version
    from hydra._internal.utils import _run_hydra, get_args_parser
    from hydra.core.hydra_config import HydraConfig

    from lstmzoo.cli.compose import VERSION_BASE

    errors: list[LstmzooError] = []
    process = os.getpid()

    def job(config: DictConfig) -> None:
        from lstmzoo.cli.start_from import take_over
        from lstmzoo.cli.training import train

        folder = Path(HydraConfig.get().runtime.output_dir)
        try:
            take_over(config, HydraConfig.get().overrides.task)
            train(config, folder)
        except LstmzooError as error:
            _remove_if_unused(folder)
            if os.getpid() != process:  # a launcher has put the job elsewhere: Hydra takes the message home
                raise
            errors.append(error)  # Hydra would print a traceback; the other jobs of a sweep go on

    hydra_version.setbase(VERSION_BASE)
    _run_hydra(args, get_args_parser(), job, config_path=str(config_dir()), config_name="train")
    if errors:
        raise errors[0]


def _remove_if_unused(folder: Path) -> None:
    """Remove the run folder that Hydra has made for a run that did not begin."""
    with suppress(OSError):  # it holds more, or another process still uses it
        log = folder / "train.log"
        if log.is_file() and log.stat().st_size == 0:
            log.unlink()
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
    """Go on with a run in its own folder, from its last checkpoint."""
    if sweep:
        raise LstmzooError("resume does not go with -m: resume one run per command")
    from lstmzoo.cli.compose import override_stored, parse
    from lstmzoo.cli.run_folder import read_config

    read_config(folder)  # whether there is a run at all
    last = folder / "checkpoints" / "last.ckpt"
    if not last.is_file():
        raise LstmzooError(f"resume: {last} is missing: the run ended before its first checkpoint; start it again")
    from lstmzoo.cli.stored_run import read_run
    from lstmzoo.cli.training import train

    stored = read_run(folder, last, {override.key_or_group for override in parse(overrides)})
    config = override_stored(stored, overrides, origin=f"resume={folder}")
    train(config, folder.resolve(), resume=last.resolve())
