"""Sweeps: mistakes show before the first run, one failed run is not the end, and sweepers that search get a value."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hydra.core.plugins import Plugins

import tiny_runs
from lstmzoo.cli import main
from lstmzoo.cli.compose import compose_sweep

ONE_EPOCH = ["trainer=debug", "test_after_fit=false", "data.num_workers=0", "callbacks.progress=none"]


@pytest.fixture
def searching(monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[Any]]:
    """Install a sweeper that keeps what the runs return, as those that search do; give its name and that list."""
    plugins = Plugins.instance()
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper  # Hydra has just imported it once more

    returned: list[Any] = []

    class Searching(BasicSweeper):
        def sweep(self, arguments: list[str]) -> Any:
            launch: Any = self.launcher.launch  # type: ignore[union-attr]
            monkeypatch.setattr(
                self.launcher, "launch", lambda *args, **more: returned.extend(launch(*args, **more)) or []
            )
            return super().sweep(arguments)

    package, module = ModuleType("hydra_plugins"), ModuleType("hydra_plugins.of_tests")  # where Hydra takes them from
    package.__path__, package.of_tests = [], module  # type: ignore[attr-defined]
    Searching.__module__, Searching.__qualname__ = module.__name__, "Searching"
    module.Searching = Searching  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, package.__name__, package)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    plugins.register(Searching)
    return f"{module.__name__}.Searching", returned


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [*tiny_runs.settings(tiny_runs.write_tiny_kth(tmp_path_factory.mktemp("sweeps") / "kth")), *ONE_EPOCH]


def test_sweepers_that_search_get_the_best_value(
    settings: list[str], searching: tuple[str, list[Any]], tmp_path: Path
) -> None:
    name, returned = searching
    sweeper = [f"hydra.sweeper._target_={name}", f"hydra.sweep.dir={tmp_path}"]
    assert main(["train", "-m", *settings, *sweeper, "task.lr=1e-3,1e30", "task.warmup_epochs=0"]) == 0
    good, failed = returned
    assert good.return_value == json.loads((tmp_path / "0" / "metrics.json").read_text())["best"]
    with pytest.raises(Exception, match="is not finite"):
        _ = failed.return_value  # nan or None would end an Optuna study


def test_one_failed_run_is_not_the_end(settings: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["train", "-m", *settings, "task.lr=1e30,1e-3", "task.warmup_epochs=0", f"hydra.sweep.dir={tmp_path}"])
        == 2
    )
    assert "Traceback" not in (said := capsys.readouterr().err)
    assert "is not finite" in said
    assert [path.parent.name for path in tmp_path.glob("*/metrics.json")] == ["1"]


@pytest.mark.parametrize(
    "wrong", ["model.cell=lstm,gruu", "model.hidden_size=8,-3", "task.schedule=cosine,step", "+trainer.plugin=1,2"]
)
def test_mistakes_show_before_the_first_run(
    wrong: str, settings: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "-m", *settings, wrong, f"hydra.sweep.dir={tmp_path}"]) == 2
    assert capsys.readouterr().err.startswith("lstmzoo: ")
    assert not [*tmp_path.iterdir()]


def test_every_value_is_composed_with_the_first_of_the_others() -> None:
    made = compose_sweep("train", ["seed=3,4", "data=video_folder,kth", "data.root=a,b", "task.lr=interval(1e-4,1e-2)"])
    found = {(config.seed, config.data.name, config.data.root) for _, config in made}
    first = (3, "video_folder", "a")
    assert found == {first, (4, *first[1:]), (3, "kth", "a"), (3, "video_folder", "b")}


def test_a_configuration_that_is_printed_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong, said in (("model.cell=gruu", "did you mean 'gru'"), ("model.cel=gru", "did you mean model.cell")):
        assert main(["train", "--cfg", "job", wrong]) == 2
        assert said in capsys.readouterr().err
    assert main(["train", "--cfg", "job", "data=video_folder"]) == 0  # complete or not
    assert "root: ???" in capsys.readouterr().out
