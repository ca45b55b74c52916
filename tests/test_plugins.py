"""Models, data sets and tasks of installed plug-ins, and of the modules that LSTMZOO_IMPORT lists."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import lstmzoo
from lstmzoo import discovery, registry
from lstmzoo.cli import main
from lstmzoo.config import groups
from lstmzoo.errors import DataWarning

MODULE = """
import pathlib
from torch import nn
from lstmzoo import register_model

with open(pathlib.Path(__file__).with_suffix(".log"), "a") as log:
    log.write("imported ")

@register_model("{name}")
class Mine(nn.Module):
    \"\"\"A model from elsewhere.\"\"\"

    def __init__(self, num_classes: int = 2) -> None:
        super().__init__()
        self.layer = nn.Linear(3, num_classes)
"""


@pytest.fixture(autouse=True)
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory, and registries that forget what they find there."""
    for one in (registry.models, registry.datasets, registry.tasks):
        one.names()
        monkeypatch.setattr(one, "entries", dict(one.entries))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(groups, "_stored", set())
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    discovery.import_all.cache_clear()
    discovery.import_plugins.cache_clear()
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("plug_in_of_"):
            del sys.modules[name]


def install(monkeypatch: pytest.MonkeyPatch, **modules: str) -> None:
    entries = [EntryPoint(name, module, discovery.PLUGINS) for name, module in modules.items()]
    monkeypatch.setattr(discovery, "entry_points", lambda group: entries if group == discovery.PLUGINS else [])


def test_plug_ins_are_found_once(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (outside / "plug_in_of_a.py").write_text(MODULE.format(name="model_of_a"))
    monkeypatch.syspath_prepend(outside)
    install(monkeypatch, one="plug_in_of_a")
    assert "model_of_a" in lstmzoo.list_models()
    registry.datasets.names()
    registry.tasks.names()
    assert lstmzoo.create_model("model_of_a", num_classes=5).layer.out_features == 5
    assert (outside / "plug_in_of_a.log").read_text().split() == ["imported"]


def test_plug_ins_that_cannot_be_imported_are_named(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything else goes on: those that are not there, that raise, and that take a name that is taken."""
    (outside / "plug_in_of_b.py").write_text("raise OSError('no licence')")
    (outside / "plug_in_of_c.py").write_text(MODULE.format(name="action_rnn"))
    (outside / "plug_in_of_d.py").write_text(MODULE.format(name="model_of_d"))
    monkeypatch.syspath_prepend(outside)
    install(monkeypatch, gone="plug_in_of_nobody", b="plug_in_of_b", c="plug_in_of_c", d="plug_in_of_d:nothing")
    with pytest.warns(DataWarning) as caught:
        names = lstmzoo.list_models()
    assert {"action_rnn", "model_of_d"} <= set(names)
    said = [str(warning.message) for warning in caught]
    parts = [("gone", "plug_in_of_nobody"), ("b", "no licence"), ("c", "'action_rnn'"), ("d", "nothing")]
    for message, (name, reason) in zip(said, parts, strict=True):
        assert f" {name} (" in message
        assert reason in message


def test_modules_of_the_environment_are_imported_from_the_working_directory(
    outside: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (outside / "plug_in_of_e.py").write_text(MODULE.format(name="model_of_e"))
    monkeypatch.setenv("LSTMZOO_IMPORT", "plug_in_of_e, plug_in_of_nobody,")
    with pytest.warns(DataWarning, match="LSTMZOO_IMPORT=plug_in_of_nobody"):
        assert main(["list", "models", "model_of_*"]) == 0
    assert capsys.readouterr().out.split(maxsplit=1) == ["model_of_e", "A model from elsewhere.\n"]


def test_a_module_that_is_imported_already_is_checked_like_any_other(
    outside: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (outside / "plug_in_of_g.py").write_text(MODULE.format(name="model_of_g"))
    monkeypatch.setenv("LSTMZOO_IMPORT", "plug_in_of_g")
    with pytest.raises(SystemExit):  # no task trains it
        main(["check", "plug_in_of_g"])
    lines = capsys.readouterr().out.splitlines()[:-1]
    assert {line.split()[2].rstrip(":") for line in lines} == {"model_of_g"}


def test_a_room_needs_no_folders_for_models_and_data(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = outside / "a_room"
    room.mkdir()
    (room / "__init__.py").write_text("")
    (room / "task.py").write_text("")
    monkeypatch.setattr(lstmzoo, "__path__", [*lstmzoo.__path__, str(outside)])
    monkeypatch.setattr(discovery, "rooms", lambda: ("a_room", "actions"))
    discovery.import_all.cache_clear()
    importlib.invalidate_caches()
    assert {"action_rnn"} <= set(lstmzoo.list_models())
    assert registry.datasets.names()
    assert registry.tasks.names()
    for module in ("lstmzoo.a_room.task", "lstmzoo.a_room"):
        assert sys.modules.pop(module)


def test_a_part_that_fails_is_named(outside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model that no task trains, and one that takes the wrong frames."""
    (outside / "plug_in_of_f.py").write_text(MODULE.format(name="model_of_f"))
    with pytest.raises(SystemExit) as caught:
        main(["check", "plug_in_of_f"])
    assert caught.value.code == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("FAILED  model model_of_f: ")]
    assert lines[-1].startswith(f"{sum(line.startswith('ok ') for line in lines)} of {len(lines) - 1} ")
