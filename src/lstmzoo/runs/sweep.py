"""The runs of a sweep (``train -m``): composed before the first of them starts, compared after the last."""

from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.types import Glob, Override
from omegaconf import DictConfig

from lstmzoo.config.compose import choices_of, compose
from lstmzoo.config.overrides import parse
from lstmzoo.errors import LstmzooError, unknown_choice
from lstmzoo.runs.compare import compare


def compose_sweep(
    config_name: str, overrides: Sequence[str], *, complete: bool = True
) -> list[tuple[list[str], DictConfig]]:
    """Compose every choice of a sweep once, so that its mistakes show before the first run starts.

    Not every combination: each value of each swept key, with the first of the others.

    Returns:
        The overrides of each, and what they make.

    Raises:
        LstmzooError: as `compose`; also for a ``glob(...)`` over anything but the choices of a group.
    """
    parsed = parse(overrides, sweep=True)
    fixed = [str(override.input_line) for override in parsed if not override.is_sweep_override()]
    swept = [
        [f"{override.get_key_element()}={value}" for value in _values(override, parsed)]
        for override in parsed
        if override.is_discrete_sweep()
    ]
    first = [values[0] for values in swept]
    chosen = [[*first[:i], value, *first[i + 1 :]] for i, values in enumerate(swept) for value in values] or [[]]
    return [([*fixed, *one], compose(config_name, [*fixed, *one], complete=complete)) for one in chosen]


def _values(override: Override, overrides: Sequence[Override]) -> list[str]:
    """The values of a swept key, as they are written on the command line."""
    pattern = override.value()
    if not isinstance(pattern, Glob):
        return [*override.sweep_string_iterator()]
    choices = choices_of(overrides)
    group = override.key_or_group
    if group not in choices:
        raise LstmzooError(
            f"'{override.input_line}': glob(...) goes through the choices of a group ({', '.join(choices)}), and "
            f"{group} is none; list its values, e.g. model.cell=lstm,gru"
        )
    found = pattern.filter(choices[group])
    if not found:
        raise LstmzooError(
            f"'{override.input_line}': {unknown_choice(group, ','.join(pattern.include), choices[group])}"
        )
    return found


def folder_names(overrides: Sequence[str]) -> list[str]:
    """Overrides by which the folder of each run is named by the keys that differ, e.g. ``0_model.cell=lstm,seed=1``."""
    parsed = parse(overrides, sweep=True)
    if any(override.key_or_group.startswith("hydra.sweep.subdir") for override in parsed):
        return []
    swept = [override for override in parsed if override.is_sweep_override()]
    others = {override.key_or_group for override in parsed if not override.is_sweep_override()}
    if not swept or any("/" in str(override.input_line) for override in swept):
        return []
    excluded = ",".join(sorted(others - {override.key_or_group for override in swept}))
    return [
        "hydra.sweep.subdir=${hydra.job.num}_${hydra.job.override_dirname}",
        f"hydra.job.config.override_dirname.exclude_keys=[{excluded}]",
    ]


def report(folders: Sequence[Path]) -> None:
    """Print one table of the runs of a sweep, and write it beside them; nothing where fewer than two have ended."""
    ended = [folder for folder in folders if (folder / "metrics.json").is_file()]
    if len(ended) > 1:
        compare(ended, ended[0].parent)
