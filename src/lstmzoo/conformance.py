"""What everything that is registered has to fulfil; ``lstmzoo check`` and the tests run it over all of it."""

import dataclasses
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from inspect import isabstract
from pathlib import Path
from typing import Any

import torch

from lstmzoo import nn
from lstmzoo.config.choices import is_model_of
from lstmzoo.errors import LstmzooError
from lstmzoo.models.checkpoint import checkpoint_metadata, load
from lstmzoo.models.pretrained.hub import save_pretrained
from lstmzoo.models.pretrained.weights_folder import write_weights
from lstmzoo.registry import Entry, datasets, models, tasks
from lstmzoo.settings import MISSING, Setting, accepts, schema_of
from lstmzoo.training.base import BaseTask
from lstmzoo.training.interface import Config
from lstmzoo.training.setting_groups import GROUPS

Check = Callable[[], None]

SMALL = 8
"""What sizes of layers are set to; enough for all that must be a multiple of something."""


def registered() -> set[tuple[str, str]]:
    """Return everything that is registered, as (kind, name)."""
    kinds = {(registry.kind, name) for registry in (models, datasets, tasks) for name in registry.names()}
    return kinds | {("cell", name) for name in nn.list_cells()}


def registered_by(module: str) -> set[tuple[str, str]]:
    """Return what a module, or a module inside of it, has registered, as (kind, name)."""

    def inside(target: Any) -> bool:
        return target.__module__ == module or target.__module__.startswith(f"{module}.")

    kinds = {
        (kind.kind, entry.name)
        for kind in (models, datasets, tasks)
        for entry in kind.entries.values()
        if inside(entry.target)
    }
    return kinds | {("cell", name) for name in nn.list_cells() if inside(type(nn.get_cell(name)))}


def checks(things: Iterable[tuple[str, str]]) -> list[tuple[str, Check]]:
    """Return the checks of registered things, each with a name; a check raises where something is wrong."""
    return [
        (f"{kind} {name}: {' '.join(check.__name__.split('_'))}", partial(check, name))
        for kind, name in things
        for check in CHECKS[kind]
    ]


def every_engine_gives_the_same(name: str) -> None:
    """A cell's outputs and gradients are those of the loop over its equations, whatever runs it."""
    layer: Any = nn.Recurrent(name, 3, 4).double()
    x = torch.randn(5, 2, 3, dtype=torch.float64, requires_grad=True)
    found = []
    for engine in ("reference", "auto"):
        layer.engine = engine
        outputs, _ = layer(x)
        found.append((outputs, *torch.autograd.grad(outputs.square().sum(), [x, *layer.parameters()])))
    for expected, given in zip(*found, strict=True):
        torch.testing.assert_close(given, expected, rtol=1e-6, atol=1e-9)


def a_sequence_may_come_in_chunks(name: str) -> None:
    """A cell's state carries all that it has to know from one part of a sequence to the next."""
    layer = nn.Recurrent(name, 3, 4).double().eval()
    x = torch.randn(6, 2, 3, dtype=torch.float64)
    whole, _ = layer(x)
    first, state = layer(x[:4])
    second, _ = layer(x[4:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=1e-6, atol=1e-9)


def every_setting_has_a_type_and_a_text(name: str, kind: str) -> None:
    """A configuration can be made of the settings, and the help says what each means."""
    registry, settings = GROUPS[kind]
    declared = settings(registry.get(name))
    schema_of(name, declared)()
    silent = [setting.name for setting in declared.values() if not setting.help]
    assert not silent, f"the docstring's Args: say nothing about {', '.join(silent)}"
    wrong = [one.name for one in declared.values() if one.default is not MISSING and not _fits(one)]
    assert not wrong, f"the default is not of the annotated type: {', '.join(wrong)}"


def it_learns(name: str) -> None:
    """The loss of a task's model has a finite gradient for every weight that is trained."""
    task = _small_task(name)
    loss = task.loss(task.dummy_batch())
    assert loss.ndim == 0, "the loss is not a scalar"
    assert loss.isfinite(), "the loss is not finite"
    loss.backward()
    trained = {weight: value.grad for weight, value in task.named_parameters() if value.requires_grad}
    assert trained, "no weight is trained"
    for weight, gradient in trained.items():
        assert gradient is not None, f"{weight} has no part in the loss"
        assert gradient.isfinite().all(), f"the gradient of {weight} is not finite"


def it_comes_back_from_a_checkpoint(name: str) -> None:
    """A checkpoint is enough to build a model with the same numbers."""
    task = _small_task(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.ckpt"
        torch.save({"lstmzoo": _metadata(task), "state_dict": task.state_dict()}, path)
        _check_same(task.model, load(path))


def it_comes_back_from_safetensors(name: str) -> None:
    """A folder of weights is enough, too; rounded to float16, the numbers are close."""
    task = _small_task(name)
    with tempfile.TemporaryDirectory() as folder:
        for float16, tolerance in ((False, 0.0), (True, 1e-3)):
            path = Path(folder) / str(float16)
            write_weights(path, task.model, _metadata(task), {}, float16)
            _check_same(task.model, load(path), tolerance)
            save_pretrained(load(path), path)
            _check_same(task.model, load(path), tolerance)


def it_keeps_the_promises_of_its_task(name: str) -> None:
    """What else the task asks of its models, e.g. that they stream."""
    task = _small_task(name)
    task.model.eval()
    task.check_model(task.dummy_batch())


def it_is_complete(name: str) -> None:
    """A task writes all that the commands need."""
    kind = tasks.get(name).target
    assert issubclass(kind, BaseTask), f"{kind.__name__} is not a subclass of lstmzoo.training.base.BaseTask"
    assert not isabstract(kind), f"{kind.__name__} lacks {', '.join(sorted(kind.__abstractmethods__))}"
    assert (kind.loss, kind.window_loss) != (BaseTask.loss, BaseTask.window_loss), "it has neither loss nor window_loss"
    in_windows = kind.window_loss is not BaseTask.window_loss
    assert not in_windows or kind.num_frames is not BaseTask.num_frames, "it has window_loss, but lacks num_frames"
    assert is_model_of(kind.default_model, kind)
    assert datasets.get(kind.default_data).task == name
    for part in (kind.predictor(), kind.inspector()):
        assert not isabstract(part), f"{part.__name__} lacks {', '.join(sorted(part.__abstractmethods__))}"


def its_task_exists(name: str) -> None:
    """A data set says which task it is for, and is a data set of torch."""
    target = datasets.get(name).target
    tasks.get(datasets.get(name).task)
    assert issubclass(target, torch.utils.data.Dataset), f"{target.__name__} is not a subclass of torch's Dataset"
    assert not isabstract(target), f"{target.__name__} lacks {', '.join(sorted(target.__abstractmethods__))}"


def a_missing_folder_is_named(name: str) -> None:
    """What is not there is refused in one message, with its name."""
    entry = datasets.get(name)
    with tempfile.TemporaryDirectory() as folder:
        missing = Path(folder) / "nowhere"
        try:
            entry.target(missing)
        except LstmzooError as error:
            assert missing.name in str(error), f"the message does not name {missing}: {error}"  # noqa: PT017
        else:
            raise AssertionError(f"{entry.target.__name__} opens {missing}, which does not exist")


CHECKS: dict[str, list[Callable[[str], None]]] = {
    "cell": [every_engine_gives_the_same, a_sequence_may_come_in_chunks],
    "model": [
        it_learns,
        it_comes_back_from_a_checkpoint,
        it_comes_back_from_safetensors,
        it_keeps_the_promises_of_its_task,
    ],
    "data": [its_task_exists, a_missing_folder_is_named],
    "task": [it_is_complete],
}


def _declared(kind: str) -> Callable[[str], None]:
    def every_setting_is_declared(name: str) -> None:
        every_setting_has_a_type_and_a_text(name, kind)

    return every_setting_is_declared


for _kind in GROUPS:
    CHECKS[_kind].append(_declared(_kind))


def _metadata(task: BaseTask) -> dict[str, Any]:
    return checkpoint_metadata(
        task.model.model_name,
        task.model.model_args,
        classes=task.classes,
        transform=task.transform,
        vocabulary=task.vocabulary,
    )


def _check_same(model: Any, loaded: Any, tolerance: float = 0.0) -> None:
    assert loaded.model_args == model.model_args
    assert loaded.state_dict().keys() == model.state_dict().keys()
    for key, weight in loaded.state_dict().items():
        torch.testing.assert_close(weight, model.state_dict()[key], rtol=tolerance, atol=tolerance)


def _fits(setting: Setting) -> bool:
    nested = isinstance(setting.type, type) and isinstance(setting.default, setting.type)
    return nested or accepts(setting.type, setting.default)


def _small_task(name: str) -> BaseTask:
    """The task of a model, with its default data and a small model of this name."""
    kinds = [tasks.get(task).target for task in tasks.names()]
    kind = next((kind for kind in kinds if is_model_of(name, kind)), None)
    assert kind is not None, f"no task trains it: it derives from none of {[one.model_class.__name__ for one in kinds]}"
    torch.manual_seed(0)
    return kind.from_config(_config(kind, models.get(name)), kind.dummy_labels)  # type: ignore[no-any-return]


def _config(kind: type[BaseTask], model: Entry) -> Config:
    task = next(name for name in tasks.names() if tasks.get(name).target is kind)
    chosen = {"task": tasks.get(task), "data": datasets.get(kind.default_data), "model": model}
    config: Config = {"seed": 0}
    for group, entry in chosen.items():
        settings = GROUPS[group][1](entry)
        config[group] = {"name": entry.name, **{one.name: _small(one) for one in settings.values()}}
    return config


def _small(setting: Setting) -> Any:
    """A setting's default, but for what makes a model large or slow to build."""
    if setting.name.startswith("pretrained"):
        return False
    if type(setting.default) is int and setting.name.endswith(("_size", "_channels")) and "batch" not in setting.name:
        return min(setting.default, SMALL) if setting.name != "kernel_size" else setting.default
    if isinstance(setting.default, tuple):
        return list(setting.default)
    return dataclasses.asdict(setting.default) if dataclasses.is_dataclass(setting.default) else setting.default  # type: ignore[arg-type]
