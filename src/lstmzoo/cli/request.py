"""What the commands that start from a checkpoint have in common: its configuration, changed by the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lstmzoo.cli.compose import compose, override_stored, parse
from lstmzoo.cli.configs import config_dir
from lstmzoo.errors import CheckpointError, LstmzooError, unknown_choice
from lstmzoo.models.checkpoint import read_contract

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Request:
    """A checkpoint and what is to be done with it.

    Attributes:
        options: the command's own keys, e.g. split and output.
        config: the configuration the checkpoint was made with, with the changes wished for.
        contract: what the checkpoint says about itself.
        path: the checkpoint.
    """

    options: DictConfig
    config: DictConfig
    contract: dict[str, Any]
    path: Path


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
    if not contract["config"].get("data"):
        raise CheckpointError(f"{path} holds no data settings; it was not written by lstmzoo train")
    stored = OmegaConf.create(contract["config"])
    stored.trainer.limit_test_batches = 1.0  # a run that tested on a part measures on all of it now
    config = override_stored(stored, others, origin=f"the checkpoint {path}")
    return Request(options, config, contract, path)


def split_overrides(command: str, argv: list[str]) -> tuple[list[str], list[str]]:
    """Return the overrides of the keys in ``configs/<command>.yaml``, and all others."""
    keys = set(OmegaConf.load(config_dir() / f"{command}.yaml"))
    own: list[str] = []
    others: list[str] = []
    for override in parse(argv):
        (own if override.key_or_group in keys else others).append(str(override.input_line))
    return own, others


def output_folder(options: DictConfig, name: str) -> Path:
    """Return the folder of the results: the one that was asked for, else ``name`` in the checkpoint's run folder."""
    if options.output is not None:
        return Path(str(options.output)).expanduser()
    path = Path(str(options.ckpt_path)).expanduser()
    if path.is_dir():
        return path / name
    return (path.parents[1] if path.parent.name == "checkpoints" else path.parent) / name
