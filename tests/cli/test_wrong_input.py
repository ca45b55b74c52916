"""What is wrong in a command is named by the key that was typed, and no key is taken without an effect."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from omegaconf import DictConfig

from lstmzoo import registry
from lstmzoo.cli import main
from lstmzoo.cli.data import names_with
from lstmzoo.config import groups as config_groups
from lstmzoo.config.compose import compose_unset
from lstmzoo.errors import DataError, LstmzooError, naming
from lstmzoo.registry import datasets, tasks
from lstmzoo.runs.request import OF_TRAINER, check_effect
from lstmzoo.segmentation.data.label_clips import LabelClips
from lstmzoo.training.setting_groups import GROUPS, settings_of_dataset, training_only

WEIGHTS = {
    "recognition": "kth_sim_lstm",
    "captioning": "flickr8k_soft_attention",
    "segmentation": "davis_guided",
}


def with_folders() -> list[str]:
    """The data sets that are read from a folder, and that no command makes where there is none."""
    return [
        name
        for name in datasets.names()
        if "root" in settings_of_dataset(datasets.get(name))
        and not hasattr(datasets.get(name).target, "simulate_missing")
    ]


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    return tmp_path / "nowhere"


@pytest.mark.parametrize("name", with_folders())
def test_a_missing_folder_is_named_by_its_key(name: str, nowhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task, data = datasets.get(name).task, [f"data={name}", f"data.root={nowhere}"]
    of_classes = LabelClips in getattr(datasets.get(name).target, "PARTS", ())
    commands = {"train": [*data, "task.protocol=semantic"] if of_classes else data}
    commands["eval"] = [f"ckpt_path={'camvid_framewise' if of_classes else WEIGHTS[task]}", *data]
    for command, words in commands.items():
        assert main([command, *words]) == 2
        assert f"data.root={nowhere}" in capsys.readouterr().err
    if name in names_with("check"):
        for key in ("root", "data.root"):
            assert main(["data", "check", name, f"{key}={nowhere}"]) == 2
            assert capsys.readouterr().err.startswith(f"lstmzoo: {key}={nowhere}")


def test_a_message_about_something_else_stays_as_it_is() -> None:
    for text in ("/data/file.txt is broken", "no /data"):
        with pytest.raises(DataError) as caught, naming("data.root", "/data"):
            raise DataError(text)
        assert str(caught.value) == text


def test_the_data_of_a_checkpoint_may_be_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["eval", "ckpt_path=kth_sim_lstm"]) == 2
    said = capsys.readouterr().err
    assert "data/kth_simulated" in said
    assert "data.root=" in said


def configurations() -> Iterator[tuple[str, DictConfig]]:
    for name in datasets.names():
        task = datasets.get(name).task
        model = tasks.get(task).target.default_model
        choices = [f"task={task}", f"data={name}", f"model={model}", "experiment=none"]
        yield name, compose_unset("train", choices)


def test_an_evaluation_takes_no_key_that_changes_nothing() -> None:
    for name, config in configurations():
        for group in (*GROUPS, "trainer"):
            idle = training_only(group, config[group].name) if group in GROUPS else {*config.trainer} - {*OF_TRAINER}
            assert group == "model" or idle <= {*config[group]}, (name, group, idle - {*config[group]})
            for key in {*config[group]} - {"name"}:
                if key not in idle:
                    check_effect(config, [f"{group}.{key}"])
                    continue
                with pytest.raises(LstmzooError) as caught:
                    check_effect(config, [f"{group}.{key}"])
                assert f"{group}.{key} " in str(caught.value)
        for key in {*config} - {*GROUPS, "trainer", "seed"}:
            with pytest.raises(LstmzooError, match=key):
                check_effect(config, [f"{key}.anything"])


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["trainer.max_epochs=3"], ["trainer.max_epochs", "limit_test_batches"]),
        (["+trainer.limit_predict_batches=3"], ["trainer.limit_predict_batches", "limit_test_batches"]),
        (["task.lr=1"], ["task.lr"]),
        (["data.flip=false"], ["data.flip", "test_clips"]),
        (["model.dropout=0"], ["model.dropout"]),
        (["optimizer.betas=[0.9,0.9]"], ["optimizer.betas", "data.<key>"]),
        (["test_after_fit=false"], ["test_after_fit"]),
    ],
)
def test_keys_of_training_are_refused_by_an_evaluation(
    words: list[str], named: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "ckpt_path=kth_sim_lstm", *words]) == 2
    said = capsys.readouterr().err
    assert [part for part in named if part not in said] == []


def test_scoring_takes_only_keys_of_the_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data=captions", f"data.root={tmp_path}", f"results={tmp_path / 'found.json'}"]
    for more in ("model.hidden_size=3", "trainer.precision=16-mixed", "data.flip=true"):
        assert main(["eval", *words, more]) == 2
        assert more.partition("=")[0] in capsys.readouterr().err


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module with parts that are not registered."""
    (tmp_path / "unregistered.py").write_text(
        "from lstmzoo.actions.models.rnn import ActionRNN\n"
        "from lstmzoo.actions.data.video_folder import VideoFolder\n"
        "from lstmzoo.actions.task import RecognitionTask\n"
        "class Model(ActionRNN): pass\nclass Data(VideoFolder): pass\nclass Task(RecognitionTask): pass\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for one in (registry.models, registry.datasets, registry.tasks):
        one.names()
        monkeypatch.setattr(one, "entries", dict(one.entries))
    monkeypatch.setattr(config_groups, "_stored", set())
    yield "unregistered"
    sys.modules.pop("unregistered", None)


@pytest.mark.parametrize(
    ("word", "decorator"),
    [("model={}:Model", "register_model"), ("data={}:Data", "register_dataset"), ("task={}:Task", "register_task")],
)
def test_what_no_checkpoint_could_find_is_not_trained(
    word: str, decorator: str, own_module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", word.format(own_module)]) == 2
    said = capsys.readouterr().err
    assert decorator in said
    assert word.format(own_module) in said
