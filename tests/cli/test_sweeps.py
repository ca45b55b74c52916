"""Sweeps: mistakes show before the first run, one failed run is not the end, and sweepers that search get a value."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

import tiny_runs
from captioning.tiny_captions import write_captions
from lstmzoo.cli import main
from lstmzoo.config.groups import groups
from lstmzoo.runs.sweep import compose_sweep
from segmentation.tiny_davis import write_davis

pytestmark = pytest.mark.slow

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
    assert good.return_value == json.loads((tmp_path / "0_task.lr=0.001" / "metrics.json").read_text())["best"]
    with pytest.raises(Exception, match=r"epoch 1, step \d+.*task\.lr"):
        _ = failed.return_value  # nan or None would end an Optuna study


@pytest.mark.parametrize("given", [[], ["hydra.sweeper.direction=minimize"]])
def test_optuna_finds_the_best_value(given: list[str], settings: list[str], tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    sweeper = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=1", *given]
    words = [*sweeper, "task.lr=interval(1e-5,1e-2)", f"hydra.sweep.dir={tmp_path}"]
    assert main(["train", "-m", *settings, *words]) == 0
    values = [json.loads(path.read_text())["best"] for path in tmp_path.glob("*/metrics.json")]
    found = OmegaConf.load(tmp_path / "optimization_results.yaml")
    assert len(values) == 3
    assert found.best_value == pytest.approx(min(values) if given else max(values))


def test_one_failed_run_is_not_the_end(settings: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["train", "-m", *settings, "task.lr=1e30,1e-3", "task.warmup_epochs=0", f"hydra.sweep.dir={tmp_path}"])
        == 2
    )
    messages = [line for line in capsys.readouterr().err.splitlines() if "Decoding" not in line]
    assert len(messages) == 1
    assert "is not finite" in messages[0]
    assert [path.parent.name for path in tmp_path.glob("*/metrics.json")] == ["1_task.lr=0.001"]


@pytest.mark.parametrize(
    "wrong",
    [
        *("model.cell=lstm,gruu", "model.hidden_size=8,-3", "scheduler=cosine,stepp", "+trainer.plugin=1,2"),
        *("data.clip_len=4,0", "data.protocol=kfold,foo", "data.zoom=0.1,2", "data.fold=0,7", "data.root=nowhere,none"),
        *("model.cell=glob(*)", "seed=glob(*)", "model=glob(foo*)", "hydra/launcher=glob(*)", "hydra/launcher=joblib"),
        *("hydra.sweeper._target_=foo.Bar", "hydra.launcher._target_=hydra_plugins.foo.Bar", "task.lr=1e-3,${eval:1}"),
    ],
)
def test_mistakes_show_before_the_first_run(
    wrong: str, settings: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "-m", *settings, wrong, f"hydra.sweep.dir={tmp_path}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("lstmzoo: ")
    assert said.count("\n") == 1
    assert not [*tmp_path.glob("[0-9]*")]


def test_choices_of_groups_by_patterns() -> None:
    made = compose_sweep("train", ["model=glob(action_*)", "seed=1,2"])
    names = {config.model.name for _, config in made}
    assert names == {name for name in groups()["model"] if name.startswith("action_")}
    assert {config.seed for _, config in made} == {1, 2}


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ([], ["clip_len=4,0", "simulation_seed=0,-1", "persons=25,2", "val_clips=1,0"]),
        (["experiment=video_folder", "data.root=videos"], ["splits=group,foo", "root=videos,nothere"]),
        (["experiment=segment_guided"], ["clip_len=4,0", "paste=0.5,2", "simulated_frames=40,0"]),
        (
            ["experiment=segment_guided", "data=davis", "data.root=davis"],
            ["train_list=train,foo", "root=davis,nothere"],
        ),
        (["experiment=captions_markov"], ["max_words=20,0", "min_count=1,0", "layout=auto,foo", "images=100,1"]),
        (["experiment=captions_markov", "data=captions", "data.root=said"], ["root=said,nothere", "min_count=1,999"]),
    ],
)
def test_settings_of_the_data_are_tried_out_before_the_first_run(
    settings: list[str],
    wrong: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of every task, simulated or real, without making or decoding anything."""
    monkeypatch.chdir(tmp_path)
    for name in ("run/a", "run/b", "run/c", "walk/d", "walk/e", "walk/f"):
        video = tmp_path / "videos" / f"{name}.avi"
        video.parent.mkdir(parents=True, exist_ok=True)
        video.write_bytes(b"")
    write_davis(tmp_path / "davis", {"train": ["a"], "val": ["b"]})
    write_captions(tmp_path / "said")
    before = sorted(tmp_path.rglob("*"))
    for override in wrong:
        data = [f"data.{override}", "trainer.accelerator=cpu"]
        assert main(["train", "-m", *settings, *data]) == 2
        said = capsys.readouterr().err
        assert said.startswith("lstmzoo: "), override
        assert said.count("\n") == 1, said
    assert sorted(tmp_path.rglob("*")) == before


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
