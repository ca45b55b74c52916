"""Which task, model and data go together, and what completes a choice of one of them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from lstmzoo.config.groups import config_dir, with_places
from lstmzoo.config.overrides import SEARCHPATH, parse, quoted
from lstmzoo.errors import LstmzooError
from lstmzoo.models.checkpoint import read_metadata
from lstmzoo.registry import datasets, models, tasks
from lstmzoo.training.setting_groups import GROUPS

_NOW = "${now:%Y-%m-%d_%H-%M-%S-%f}"


def complete_choices(overrides: Sequence[str]) -> list[str]:
    """Complete the choices of groups: with the task that a model or a data set is for, and with what goes with a task.

    ``task=captioning`` alone is enough to train a captioner on the data that this task names as its default, and so is
    ``model=...`` or ``data=...`` of another task than the default one. A checkpoint to start from, ``task.start_from``,
    is completed by its own. An experiment decides all of that itself.
    """
    overrides = with_places([*_own_configs(overrides), *_bare_scheduler(overrides), *overrides])
    chosen = dict(text.split("=", 1) for text in overrides if text.partition("=")[0] in (*GROUPS, "experiment"))
    if "experiment" in chosen:
        return overrides
    origin = _of_checkpoint(overrides)
    task = _task_of({**origin, **chosen})
    if task is None or (task == _default_task() and not origin):
        return overrides
    target = tasks.get(task).target
    model = chosen.get("model", target.default_model)
    goes_with = model not in models.names() or is_model_of(model, target)  # your own file may be anything
    added = {
        "task": task,
        "model": target.default_model,
        "data": target.default_data,
        "experiment": target.default_experiment if goes_with else "none",
        **origin,
    }
    folder = [f"hydra.{key}.dir=runs/{task}/{name}" for key, name in (("run", _NOW), ("sweep", f"multirun_{_NOW}"))]
    return [*(f"{key}={value}" for key, value in added.items() if key not in chosen), *folder, *overrides]


def _of_checkpoint(overrides: Sequence[str]) -> dict[str, str]:
    """The choices that go with the checkpoint of ``task.start_from``, where that is one, and registered here."""
    given = [one for one in overrides if one.startswith("task.start_from=")]
    start_from = parse(given, sweep=True)[-1] if given else None
    if start_from is None or start_from.value() is None:
        return {}
    places = start_from.sweep_string_iterator() if start_from.is_sweep_override() else [str(start_from.value())]
    found = {one: _choices_of(one) for place in places if (one := place.strip("'\"")) != "null"}
    first, *others = found.values() or [{}]
    if any(other != first for other in others):
        described = "; ".join(f"{place} has {', '.join(one.values())}" for place, one in found.items())
        raise LstmzooError(f"a sweep over task.start_from wants one task, model and data, but {described}")
    return first


def _choices_of(start_from: str) -> dict[str, str]:
    """The task, model and data of a checkpoint, where they are registered here."""
    metadata = read_metadata(Path(start_from).expanduser())
    model, data = metadata["model"]["name"], metadata["config"].get("data")
    task = _task_of({"model": model})
    if task is None:
        return {}
    name = data.get("name") if isinstance(data, dict) else None
    fits = isinstance(name, str) and name in datasets.names() and datasets.get(name).task == task
    return {"task": task, "model": model, "experiment": "none", **({"data": name} if fits else {})}  # type: ignore[dict-item]


def _task_of(chosen: dict[str, str]) -> str | None:
    """The task that choices are for; None where they do not tell."""
    if "task" in chosen:
        return chosen["task"]
    if chosen.get("data") in datasets.names():
        return datasets.get(chosen["data"]).task
    if chosen.get("model") in models.names():
        return next((name for name in tasks.names() if is_model_of(chosen["model"], tasks.get(name).target)), None)
    return None


def _default_task() -> str:
    main = (config_dir() / "train.yaml").read_text(encoding="utf-8")
    return re.search(r"- task: (\w+)", main)[1]  # type: ignore[index]


def is_model_of(name: str, task: Any) -> bool:
    """Whether a registered model is one that a task trains; of a function that builds one, nobody knows."""
    target = models.get(name).target
    return not isinstance(target, type) or issubclass(target, task.model_class)


def check_together(config: DictConfig) -> None:
    """Raise `LstmzooError` if the model or the data of a configuration are of another task than its own."""
    task = tasks.get(config.task.name)
    entry = datasets.get(config.data.name)
    if entry.task != task.name:
        fitting = [name for name in datasets.names() if datasets.get(name).task == task.name]
        raise LstmzooError(
            f"data={entry.name} is for task={entry.task}, not for task={task.name}; for that one choose data="
            f"{'|'.join(fitting)}"
        )
    if not is_model_of(config.model.name, task.target):
        fitting = [name for name in models.names() if is_model_of(name, task.target)]
        raise LstmzooError(
            f"model={config.model.name} is not a model for task={task.name}; choose model={'|'.join(fitting)}"
        )


def _own_configs(overrides: Sequence[str]) -> list[str]:
    """A folder ``configs`` in the working directory is searched, too."""
    own = Path.cwd() / "configs"
    given = any(text.startswith(SEARCHPATH) for text in overrides)
    if given or not own.is_dir() or own.samefile(config_dir()):
        return []
    return [f"{SEARCHPATH}=[{quoted(f'file://{own}')}]"]


def _bare_scheduler(overrides: Sequence[str]) -> list[str]:
    """A scheduler named by its class takes the place of one without arguments, so that none of others are left."""
    named = {text.partition("=")[0] for text in overrides}
    return ["scheduler=constant"] if "scheduler._target_" in named and "scheduler" not in named else []
