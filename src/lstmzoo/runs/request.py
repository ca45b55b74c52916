"""What the commands that start from a checkpoint have in common: its configuration, changed by the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lstmzoo.config.compose import check_complete, compose, override_stored, parse
from lstmzoo.config.groups import config_dir
from lstmzoo.runs.inside import check_inside
from lstmzoo.runs.measured import Measured, results_folder
from lstmzoo.runs.stored import settle_places, take_contract
from lstmzoo.errors import LstmzooError, printable, unknown_choice
from lstmzoo.models.checkpoint import read_contract

SPLITS = ("train", "val", "test")

ELSEWHERE = {"ckpt_path", "split", "output", "device", "data.num_workers"}
ELSEWHERE |= {"trainer.accelerator", "trainer.devices", "trainer.strategy"}
"""Keys that do not change what is measured, or that are written down by themselves."""


@dataclass(frozen=True)
class Request:
    """A checkpoint and what is to be done with it.

    Attributes:
        options: the command's own keys, e.g. split and output.
        config: the configuration the checkpoint was made with, as far as it is taken over (see `lstmzoo.runs.stored`),
            with the changes wished for.
        contract: what the checkpoint says about itself.
        path: the checkpoint.
        measured: what is measured.
    """

    options: DictConfig
    config: DictConfig
    contract: dict[str, Any]
    path: Path
    measured: Measured


def read_request(command: str, argv: list[str]) -> Request:
    """Read the arguments of a command that starts from a checkpoint.

    Args:
        command: its name; ``configs/<command>.yaml`` lists its own keys, ckpt_path and split among them.
        argv: overrides of those and, beyond them, of the configuration stored in the checkpoint.

    Returns:
        The request.

    Raises:
        LstmzooError: a wrong key or choice.
        CheckpointError: the checkpoint cannot be read, or holds no configuration.
    """
    own, others = split_overrides(command, argv)
    options = compose(command, own)
    if options.split not in SPLITS:
        raise LstmzooError(unknown_choice("split", options.split, SPLITS))
    path = Path(str(options.ckpt_path)).expanduser()
    contract = read_contract(path)
    given = {override.key_or_group for override in parse(others)}
    stored, left_out = take_contract(contract, str(path), given)
    config = override_stored(stored, others, origin=f"the checkpoint {path}")
    check_complete(config, command)
    settle_places(config, given)
    if left_out := [setting for setting in left_out if setting.partition("=")[0] not in given]:
        print(f"Not taken from the checkpoint (give it on the command line): {printable(', '.join(left_out))}")
    changes = [one for one in parse(argv) if one.key_or_group not in ELSEWHERE]
    measured = Measured(path, options.split, tuple(str(one.input_line) for one in changes))
    return Request(options, config, contract, path, measured)


def split_overrides(command: str, argv: list[str]) -> tuple[list[str], list[str]]:
    """Return the overrides of the keys in ``configs/<command>.yaml``, and all others."""
    keys = set(OmegaConf.load(config_dir() / f"{command}.yaml"))
    own: list[str] = []
    others: list[str] = []
    for override in parse(argv):
        (own if override.key_or_group in keys else others).append(str(override.input_line))
    return own, others


def measured_folder(request: Request, name: str) -> Path:
    """Return the folder of a measurement: the one that was asked for, else ``name`` or ``name_2``, ... in the run.

    Raises:
        LstmzooError: the one that was asked for holds other results, or the one in the run leads out of it.
    """
    asked = request.options.output
    asked = None if asked is None else Path(str(asked)).expanduser()
    return results_folder(asked, _beside(request.options, name), request.measured)


def output_folder(options: DictConfig, name: str) -> Path:
    """Return the folder of the results: the one that was asked for, else ``name`` in the checkpoint's run folder.

    Raises:
        LstmzooError: that in the run leads out of it.
    """
    if options.output is not None:
        return Path(str(options.output)).expanduser()
    folder = _beside(options, name)
    check_inside(folder, folder.parent)
    return folder


def _beside(options: DictConfig, name: str) -> Path:
    """The folder ``name`` in the checkpoint's run folder, or beside the checkpoint."""
    path = Path(str(options.ckpt_path)).expanduser()
    if path.is_dir():
        return path / name
    return (path.parents[1] if path.parent.name == "checkpoints" else path.parent) / name
