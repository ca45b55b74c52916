"""``task.start_from=NAME`` with the name of any weights in the package: what goes with them comes from there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import lstmzoo
from captioning.tiny_captions import write_captions
from crafted_checkpoints import sound
from lstmzoo.cli import main
from lstmzoo.config.choices import complete_choices
from lstmzoo.config.compose import compose
from lstmzoo.errors import LstmzooError
from lstmzoo.models.checkpoint import read_metadata
from lstmzoo.models.pretrained.card import licences_of
from lstmzoo.models.pretrained.names import TENSORS, shipped
from lstmzoo.runs.start_from import inherit
from segmentation.tiny_davis import write_davis
from segmentation.tiny_streets import write_streets
from tiny_data import write_video
from tiny_runs import write_tiny_kth

pytestmark = pytest.mark.slow

SINGLE = [name for name, folder in shipped().items() if (folder / TENSORS).is_file()]
"""Weights that are no ensemble; from those nothing is trained."""

SHORT = [
    *("trainer=debug", "trainer.limit_train_batches=1", "trainer.limit_val_batches=1", "trainer.accelerator=cpu"),
    *("test_after_fit=false", "callbacks.progress=none", "data.num_workers=0", "data.batch_size=2"),
]


def own_data(name: str, root: Path) -> list[str]:
    """Tiny data in place of those of some weights, as the command line names them."""
    if name == "kth_simulated":
        for take in range(12):
            write_video(root / ("walking", "hop")[take % 2] / f"{take}.avi", 20)
        return ["data=video_folder"]
    if name in ("davis", "davis_simulated"):
        write_davis(root, {"train": ["a", "b"], "val": ["c"]})
        return ["data.size=[36,64]"]
    if name == "camvid":
        write_streets(root)
        return ["data=label_folder", "data.size=[36,48]"]
    write_captions(root)
    file = root / "captions.txt"
    file.write_text(file.read_text().replace("field", "qwertz"))
    return ["data=captions"]


@pytest.mark.parametrize("name", SINGLE)
def test_training_goes_on_from_weights_by_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lstmzoo.captioning.metrics.java.has_java", lambda: False)
    before = read_metadata(name)
    own = own_data(before["data"]["name"], tmp_path / "data")
    assert main(["train", f"task.start_from={name}", "data.root=data", *own, *SHORT, "output=run"]) == 0
    after = read_metadata("run")
    assert after["config"]["task"]["start_from"] == name
    assert after["config"]["task"]["name"] == before["config"]["task"]["name"]
    assert after["model"]["name"] == before["model"]["name"]
    own_licences = licences_of({"data": {"name": after["data"]["name"]}})
    assert own_licences
    assert after["licences"] == [*dict.fromkeys(licences_of(before) + own_licences)]
    new = {"kth_simulated": "1 of 2 classes, hop", "flickr8k": "words, qwertz"}.get(before["data"]["name"], "")
    assert new in capsys.readouterr().out


def test_a_checkpoint_alone_says_task_model_and_data() -> None:
    for name in SINGLE:
        metadata = read_metadata(name)
        config = compose("train", [f"task.start_from={name}"], complete=False)
        assert config.task.name == metadata["config"]["task"]["name"]
        assert (config.model.name, config.data.name) == (metadata["model"]["name"], metadata["data"]["name"])


def test_a_sweep_over_checkpoints_has_their_task_model_and_data() -> None:
    alike = ["kth_sim_lstm", "kth_sim_gru"]
    alone = complete_choices([f"task.start_from={alike[0]}"])
    for values in (",".join(alike), f"null,{alike[0]}", f"choice({alike[0]},{alike[1]})"):
        found = {*complete_choices([f"task.start_from={values}"])}
        assert {one for one in alone if not one.startswith(("task.", "hydra."))} <= found
    with pytest.raises(LstmzooError, match=r"kth_sim_lstm.*davis_guided"):
        complete_choices(["task.start_from=kth_sim_lstm,davis_guided"])


@pytest.fixture
def checkpoint(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    contents = sound(write_tiny_kth(tmp_path / "kth"))
    torch.save(contents, tmp_path / "x.ckpt")
    return tmp_path / "x.ckpt", contents


def test_other_data_are_seen_as_before(checkpoint: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    def data(*given: str) -> Any:
        said = [f"task.start_from={checkpoint[0]}", *given, f"data.root={tmp_path / 'kth'}"]
        config = compose("train", said)
        inherit(config, said)
        return config.data

    assert (data("data=video_folder").size, data("data=video_folder").clip_len) == ([32, 32], 4)
    assert data("data=video_folder", "data.size=[48,64]").size == [48, 64]
    assert data("data=kth").protocol == "official"  # what is chosen by name has its own defaults
    assert data("data.folds=5").protocol == "kfold"


@pytest.mark.parametrize("data", [None, "kth", {"name": 3}, {"name": "flickr8k"}, {"name": "my_parts:Takes"}])
def test_data_that_no_model_of_this_task_takes_are_not_chosen(
    data: Any, checkpoint: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, contents = checkpoint
    contents["lstmzoo"]["config"]["data"] = data
    torch.save(contents, path)
    assert compose("train", [f"task.start_from={path}"]).data.name == "kth_simulated"


def test_where_data_are_is_for_the_checkpoint_to_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a run on own videos, which have no usual place."""
    monkeypatch.chdir(tmp_path)
    own = own_data("kth_simulated", tmp_path / "data")
    plain = ["model.feature_size=8", "model.hidden_size=8", *SHORT]
    assert main(["train", "model=action_framewise", *own, "data.root=data", *plain, "output=first"]) == 0
    assert main(["train", "task.start_from=first", *SHORT, "output=second"]) == 0
    assert main(["train", "-m", "task.start_from=first", "seed=1,2", *SHORT, "output=sweep"]) == 0
    assert lstmzoo.load("second").classes == ["hop", "walking"]  # type: ignore[comparison-overlap]
    config = read_metadata("second")["config"]
    assert config["data"]["root"] == str(tmp_path / "data")
    assert len([*(tmp_path / "sweep").glob("*/metrics.json")]) == 2
    capsys.readouterr()
    assert main(["train", "task.start_from=first", "task=captioning", *SHORT]) == 2
    assert "task=recognition" in capsys.readouterr().err
