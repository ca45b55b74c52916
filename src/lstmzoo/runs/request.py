"""A checkpoint to be measured: its configuration, changed by the command line."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from lstmzoo.config.compose import check_complete, override_stored
from lstmzoo.config.groups import with_places
from lstmzoo.config.overrides import parse
from lstmzoo.errors import LstmzooError, printable, unknown_choice
from lstmzoo.models.checkpoint import read_metadata
from lstmzoo.models.checkpoint_file import find
from lstmzoo.models.pretrained.names import CONFIG, TENSORS
from lstmzoo.registry import datasets
from lstmzoo.runs.inside import check_inside
from lstmzoo.runs.measured import Measured, results_folder
from lstmzoo.runs.stored import settle_places, take_metadata, task_name
from lstmzoo.training.setting_groups import GROUPS, training_only

SPLITS = ("train", "val", "test", "all")

ELSEWHERE = {"data.num_workers", "trainer.accelerator", "trainer.devices", "trainer.strategy"}
"""Keys that do not change what is measured."""

OF_TRAINER = (
    *("accelerator", "benchmark", "deterministic", "devices", "inference_mode", "limit_test_batches", "num_nodes"),
    *("precision", "profiler", "strategy"),
)
"""Arguments of Lightning's Trainer that a test depends on."""


@dataclass(frozen=True)
class Request:
    """A checkpoint and what is to be measured with it."""

    path: Path
    metadata: dict[str, Any]  # what it says about itself
    # the configuration it was made with, as far as it is taken over (see `stored`), with the changes wished for
    config: DictConfig
    split: str  # what is measured on
    output: Path | None  # folder of the results that was asked for; None for the usual one
    measured: Measured  # what is measured, for the results

    def folder(self, name: str) -> Path:
        """Return the folder of the results: the one that was asked for, else ``name`` or ``name_2``, ... in the run.

        Raises:
            LstmzooError: the one that was asked for holds other results, or the one in the run leads out of it.
        """
        return results_folder(self.output, beside(self.path, name), self.measured)


def read_request(
    path: Path, split: str, output: Path | None, overrides: Sequence[str], options: Collection[str] = ()
) -> Request:
    """Read what is to be measured.

    Args:
        path: the checkpoint.
        split: train, val, test or all.
        output: folder of the results; None for the usual one.
        overrides: changes of the configuration stored in the checkpoint; ``data=NAME`` takes another data set.
        options: other options that change the results, as they were written.

    Raises:
        LstmzooError: a wrong key or choice.
        CheckpointError: the checkpoint cannot be read, or holds no configuration.
    """
    if split not in SPLITS:
        raise LstmzooError(unknown_choice("split", split, SPLITS))
    metadata = read_metadata(path)
    overrides = with_places(overrides)
    chosen = [text for text in overrides if text.startswith("data=")]
    dataset = chosen[-1].partition("=")[2] if chosen else None
    if dataset is not None and (entry := datasets.get(dataset)).task != (task := task_name(metadata, str(path))):
        fitting = [name for name in datasets.names() if datasets.get(name).task == task]
        raise LstmzooError(f"data={dataset} is for task={entry.task}; {path} needs data={'|'.join(fitting)}")
    others = [text for text in overrides if text not in chosen]
    parsed = parse(others)
    given = {override.key_or_group for override in parsed}
    stored, left_out = take_metadata(metadata, str(path), given, dataset)
    check_effect(stored, given)
    config = override_stored(stored, others, origin=f"the checkpoint {path}")
    check_complete(config, "eval", f"ckpt_path={path}", *chosen)
    settle_places(config, given if dataset is None else {*given, "data.root"})
    if left_out := [setting for setting in left_out if setting.partition("=")[0] not in given]:
        print(f"Not taken from the checkpoint (give it on the command line): {printable(', '.join(left_out))}")
    changes = [str(one.input_line) for one in parsed if one.key_or_group not in ELSEWHERE]
    return Request(path, metadata, config, split, output, Measured(path, split, (*options, *chosen, *changes)))


def check_effect(config: DictConfig, given: Iterable[str], groups: Sequence[str] = (*GROUPS, "trainer")) -> None:
    """Refuse keys that change nothing in an evaluation.

    Args:
        config: the configuration.
        given: the keys that the command line changes.
        groups: those that play a part.

    Raises:
        LstmzooError: a key counts in training only, or belongs to another group.
    """
    for key in given:
        group, _, rest = key.partition(".")
        if group not in groups and key != "seed":
            choices = ", ".join(f"{one}.<key>" for one in groups)
            raise LstmzooError(f"{key} changes nothing in an evaluation; what does is {choices}")
        known = {*config.get(group, {})} - {"name"}
        usable = {*OF_TRAINER} if group == "trainer" else known - training_only(group, config[group].name)
        setting = rest.partition(".")[0]
        if setting not in usable and (group == "trainer" or setting in known):
            choices = ", ".join(sorted(usable))
            raise LstmzooError(f"{key} changes nothing in an evaluation; of {group}, what does is {choices}")


def output_folder(asked: Path | None, path: Path, name: str) -> Path:
    """Return the folder of results: the one that was asked for, else ``name`` in the checkpoint's run folder.

    Raises:
        LstmzooError: that in the run leads out of it.
    """
    if asked is not None:
        return asked
    folder = beside(path, name)
    check_inside(folder, folder.parent)
    return folder


def beside(path: Path, name: str) -> Path:
    """The folder ``name`` in the checkpoint's run folder, or beside the checkpoint; of weights, in ``runs/WEIGHTS``."""
    if (file := find(path)).name in (CONFIG, TENSORS):
        return Path("runs", file.parent.name, name)
    if path.is_dir():
        return path / name
    return (path.parents[1] if path.parent.name == "checkpoints" else path.parent) / name
