"""What is taken over from the configuration that a checkpoint or a run folder holds, and what is not.

Such a file may come from anyone. It decides what was trained on what: the keys of `model`, `data` and `task` that this
version knows, with values of their types and of sane sizes, and the seed. It does not decide what happens on this
machine: devices, processes, loggers, where caches are written, and further checkpoints come from the command line, else
from the defaults. Nothing in it is resolved (``${...}``) and no module is imported for it.

The folder of the data (`data.root`, `data.split_dir`, `data.image_dir`) is taken over: that ``lstmzoo eval
ckpt_path=FILE`` needs nothing else is what checkpoints are for. It is read as a data set, and nothing is written into
it unless a cache of ours is there already; other caches go to the user's own folder (`settle_places`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lstmzoo.actions.data.pattern_cost import is_quick
from lstmzoo.actions.data.video_groups import ALONE, LIKELY, TELLING
from lstmzoo.config.compose import LITERAL, compose_unset, fits, type_name
from lstmzoo.config.groups import groups
from lstmzoo.errors import CheckpointError, DataError, unknown_choice
from lstmzoo.io.cache import CACHE_NAME, user_cache_dir
from lstmzoo.models.contract import brief, check_finite, check_modules, check_plain, leaves
from lstmzoo.registry import tasks as known_tasks

NOT_TAKEN = {
    "data": ("cache_dir", "num_workers"),
    "task": ("start_from", "ensemble", "objective"),
}
"""Keys that a checkpoint does not decide: they write, start processes, load files, or matter in training only."""

SAID = ("data.cache_dir", "task.ensemble")
"""Those of them that are missed, where they were set."""

SEEN_BY = {"recognition": ("size", "clip_len", "frame_interval"), "segmentation": ("size",), "captioning": ()}
"""What the transform of a task's models says."""

LEAST_FRAME = 33
"""Longer side of a segmenter's frames, in pixels: of 32, its coarsest maps would be single numbers."""

FROM_DATA = ("num_classes", "vocab_size")
"""Arguments of models that follow from the data."""

EXAMPLES: dict[str, Any] = {
    "callbacks.patience": 1,
    "data.cache_dir": "x",
    "data.class_file": "x",
    "data.classes": ["x"],
    "data.group_pattern": "x",
    "data.image_dir": "x",
    "data.label_file": "x",
    "data.split_dir": "x",
    "data.splits": "x",
    "data.test_groups": ["x"],
    "data.val_groups": ["x"],
    "data.year": 2017,
    "task.encoder_lr": 0.1,
    "task.gradient_clip_val": 0.1,
    "task.schedule_epochs": 0.1,
    "task.start_from": "x",
    "task.tbptt_window": 1,
}
"""Keys that may be null, with a value of the kind that they take otherwise."""

MOST = {
    "batch_size": 4096,
    "beam_size": 100,
    "clip_len": 10_000,
    "frame_interval": 10_000,
    "max_words": 1000,
    "num_captions": 100,
    "size": 4096,
    "test_clips": 1000,
    "val_clips": 1000,
}
"""The largest whole numbers by key; for others `MOST_ANY`."""
MOST_ANY = 10_000_000

GUESSED = (ALONE, *TELLING, *LIKELY)
"""Patterns of our own."""


def take_contract(
    contract: Mapping[str, Any], origin: str, given: Collection[str] = ()
) -> tuple[DictConfig, list[str]]:
    """Make a configuration of what a checkpoint says of its model, data and task.

    Args:
        contract: from `read_contract`.
        origin: the checkpoint, for messages.
        given: keys that the command line gives; what is stored of them does not matter.

    Returns:
        The configuration, complete with defaults, and the settings that were not taken over though they are not the
        defaults, as ``key=value``.

    Raises:
        CheckpointError: the checkpoint holds no data settings, or such as no run has.
    """
    stored = contract["config"]
    if not stored.get("data"):
        raise CheckpointError(f"{origin} holds no data settings; it was not written by lstmzoo train")
    config = defaults_for(stored, origin, "captioning" if "vocabulary" in contract else "recognition")
    left_out: list[str] = []
    for group in ("data", "task"):
        default: Any = OmegaConf.to_container(config[group])
        if group == "data":
            default = _as_seen(contract["transform"], stored["data"], default, origin, given)
        taken = take_group(stored.get(group, {}), default, group, origin, given)
        for key in NOT_TAKEN[group]:
            if key in taken and taken[key] != default[key]:
                left_out += [f"{group}.{key}={taken[key]}"] * (f"{group}.{key}" in SAID)
                taken[key] = default[key]
        OmegaConf.update(config, group, taken, merge=False)
    config.seed = take_seed(stored, origin)
    OmegaConf.update(config, "model", take_model(contract, origin), merge=False)
    return config, left_out


def take_model(contract: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """The model as a configuration has it, from what the weights were found to fit; not from the configuration."""
    arguments = {key: value for key, value in contract["model"]["args"].items() if key not in FROM_DATA}
    check_texts(arguments, origin, "model")
    return {"name": contract["model"]["name"], **arguments}


def task_name(contract: Mapping[str, Any], origin: str) -> str:
    """The task that a checkpoint was trained for.

    Raises:
        CheckpointError: it names none that there is.
    """
    usual = "captioning" if "vocabulary" in contract else "recognition"  # where no run configuration is inside
    name = _name(contract["config"], "task", known_tasks.names(), origin, usual)
    if (name == "captioning") != ("vocabulary" in contract):
        raise CheckpointError(
            f"{origin} contradicts itself: only captioners have a vocabulary, and its task is {name!r}"
        )
    transform = contract["transform"]
    lacking = [key for key in SEEN_BY[name] if key not in transform]
    if lacking or (name == "segmentation" and max(transform["size"]) < LEAST_FRAME):
        raise CheckpointError(
            f"{origin} is of the task {name!r}, but its transform lacks {', '.join(lacking) or 'a size of frames'}"
        )
    return name


def take_group(stored: Any, default: Any, group: str, origin: str, given: Collection[str] = ()) -> dict[str, Any]:
    """Check the stored values of a group of keys, and complete them with the defaults.

    Args:
        stored: as a file holds them.
        default: this version's values.
        group: the group's name.
        origin: the file, for messages.
        given: full names of keys that are not taken, because the command line gives them.

    Raises:
        CheckpointError: a key that this version does not know, a value of another type, or an impossible one.
    """
    check_plain(stored, origin)
    if isinstance(stored, dict):
        stored = {key: value for key, value in stored.items() if f"{group}.{key}" not in given}
    check_finite(stored, origin)
    check_texts(stored, origin, group)
    return _take(stored, default, group, origin)  # type: ignore[no-any-return]


def take_seed(stored: Mapping[str, Any], origin: str) -> int:
    """The seed, 0 where there is none."""
    seed = stored.get("seed", 0)
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise CheckpointError(f"{origin} has the seed {brief(seed)}; a seed is a whole number of at least 0")
    return seed


def check_texts(value: Any, origin: str, place: str) -> None:
    """Refuse what configurations would put something else in place of."""
    check_modules(value if place == "model" else None, origin)
    for text in leaves(value):
        if isinstance(text, str) and ("${" in text or text == "???"):
            raise CheckpointError(
                f"{origin} has the {place} setting {brief(text)}; only plain values are taken from it"
            )


def settle_places(config: DictConfig, given: Collection[str]) -> None:
    """Let caches of a data set that only a file names be written where caches of ours are, or in the user's folder.

    Args:
        config: with the data settings; changed in place.
        given: the keys that the command line gives.

    Raises:
        DataError: simulated data are not where the file says; they would be made there.
    """
    if "data.root" in given:
        return
    root = Path(str(config.data.root)).expanduser()
    if not root.is_dir() or not any(root.iterdir()):
        if "simulation_seed" not in config.data:
            return  # whoever opens the data says so
        raise DataError(f"the data of this checkpoint is not in {root}; pass data.root=FOLDER to say where it is")
    if "cache_dir" in config.data and "data.cache_dir" not in given and not (root / CACHE_NAME).is_dir():
        config.data.cache_dir = str(user_cache_dir(root))


def defaults_for(stored: Mapping[str, Any], origin: str, usual: str = "recognition") -> DictConfig:
    """This version's configuration for the task and the data that a file names.

    Raises:
        CheckpointError: it names none that there are.
    """
    task = _name(stored, "task", groups()["task"], origin, usual)
    return compose_unset("train", [f"task={task}", f"data={_name(stored, 'data', groups()['data'], origin, None)}"])


def _as_seen(
    transform: Mapping[str, Any], data: Any, default: dict[str, Any], origin: str, given: Collection[str]
) -> dict[str, Any]:
    """Data are measured as the model sees them: by its transform."""
    seen = {
        key: transform[key] for key in ("size", "clip_len", "frame_interval") if key in transform and key in default
    }
    for key, value in seen.items():
        if isinstance(data, dict) and data.get(key, value) != value and f"data.{key}" not in given:
            raise CheckpointError(
                f"{origin} contradicts itself: data.{key}={brief(data[key])}, but its transform has {brief(value)}"
            )
    return default | seen


def _name(stored: Mapping[str, Any], group: str, known: Collection[str], origin: str, usual: str | None) -> str:
    settings = stored.get(group, {})
    name = settings.get("name", usual) if isinstance(settings, dict) else settings
    if not isinstance(name, str) or name not in known:
        raise CheckpointError(f"{origin}: {unknown_choice(group, brief(name), known)}")
    return name


def _take(value: Any, default: Any, place: str, origin: str) -> Any:
    if isinstance(default, dict) and place not in EXAMPLES:
        if not isinstance(value, dict):
            raise CheckpointError(f"{origin} has {place}={brief(value)}; it is a group of keys: {', '.join(default)}")
        for key in value:
            if key not in default:
                raise CheckpointError(
                    f"{origin} has the setting {place}.{brief(key)}, which lstmzoo train does not write: "
                    f"{unknown_choice('key', key, default)}"
                )
        return {
            key: _take(value[key], one, f"{place}.{key}", origin) if key in value else one
            for key, one in default.items()
        }
    example = EXAMPLES.get(place, default)
    if value is None and place in EXAMPLES:
        return None
    if example is None and (value is None or isinstance(value, bool | int | float | str)):
        example = value  # a default that says nothing of the kind
    if not fits(example, value):
        raise CheckpointError(f"{origin} has {place}={brief(value)}; it must be {type_name(example)}, e.g. {example}")
    _check_value(value, example, place, origin)
    return value


def _check_value(value: Any, example: Any, place: str, origin: str) -> None:
    """Check sizes and texts, in lists too."""
    key = place.rpartition(".")[2]
    for one in value if isinstance(value, list) else [value]:
        inside = isinstance(value, list) and example
        wrong = inside and not fits(example[0], one)
        if isinstance(one, int | float) and abs(one) > MOST.get(key, 2**63 if key.endswith("seed") else MOST_ANY):
            wrong = True
        if isinstance(one, str) and key == "group_pattern" and not (one in GUESSED or is_quick(one)):
            wrong = True
        if isinstance(one, str) and key not in LITERAL and one != Path(one).name:
            wrong = True  # a name, not a way to another folder
        if wrong:
            raise CheckpointError(
                f"{origin} has {place}={brief(value)}, which is not taken from a file; if it is right, give "
                f"{place}=... on the command line"
            )
