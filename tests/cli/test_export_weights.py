"""``lstmzoo export``, and the names of weights on every command that takes a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import lstmzoo
from crafted_checkpoints import sound
from lstmzoo.cli import main
from lstmzoo.io.download import digest_of
from lstmzoo.models.checkpoint import read_metadata
from lstmzoo.models.pretrained import names
from lstmzoo.models.pretrained.card import NOT_STATED, licences_of
from lstmzoo.models.pretrained.names import CARD, CONFIG, TENSORS
from tiny_runs import settings, write_tiny_kth

RESULTS = {"sequence_accuracy": 0.5, "num_sequences": 12, "classes": ["a"], "video_accuracy": float("nan")}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_kth(tmp_path_factory.mktemp("data") / "kth")


@pytest.fixture
def run(root: Path, tmp_path: Path) -> Path:
    """A run folder, with results of its best checkpoint, of an ensemble with it, and of another one."""
    checkpoint = tmp_path / "run" / "checkpoints" / "best.ckpt"
    checkpoint.parent.mkdir(parents=True)
    torch.save(sound(root), checkpoint)
    own = {"sha256": digest_of(checkpoint), "split": "test", "overrides": [f"data.root={root}", "data.test_clips=1"]}
    for name, measured in {
        "eval_test": {**own, "overrides": [], "commit": "abc"},
        "eval_test_2": {**own, "overrides": ["data=kth_simulated", *own["overrides"]]},
        "a_run_of_two": {**own, "overrides": ["task.ensemble=[other.ckpt]"]},
        "eval_val": {**own, "sha256": "0" * 64},
    }.items():
        (tmp_path / "run" / name).mkdir()
        others = {"ensemble": ["other.ckpt"]} if name == "a_run_of_two" else {}
        (tmp_path / "run" / name / "metrics.json").write_text(json.dumps(RESULTS | others | {"measured": measured}))
    (tmp_path / "run" / "versions.json").write_text(json.dumps({"git": "def"}))
    return tmp_path / "run"


@pytest.fixture
def shipped(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """The weights of that run as weights in the package, `mine`, seen from an empty folder."""
    monkeypatch.setattr(names, "SHIPPED", tmp_path / "shelf")
    assert main(["export", f"ckpt_path={run}", f"output={tmp_path / 'shelf' / 'mine'}"]) == 0
    capsys.readouterr()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "shelf" / "mine"


@pytest.mark.parametrize("float16", ["true", "false"])
def test_a_run_is_exported_with_what_was_measured_of_it(float16: str, run: Path, root: Path, tmp_path: Path) -> None:
    output = tmp_path / "mine"
    assert main(["export", f"ckpt_path={run}", f"output={output}", f"float16={float16}"]) == 0
    config = json.loads((output / CONFIG).read_text())
    first, second = config["card"]["metrics"]
    assert first["values"] == second["values"] == {"sequence_accuracy": 0.5}
    assert (first["data"], first["command"], first["commit"]) == (
        "kth",
        "lstmzoo eval ckpt_path=mine split=test",
        "abc",
    )
    assert (second["data"], second["commit"]) == ("kth_simulated", "def")
    assert second["command"].endswith("split=test data=kth_simulated data.test_clips=1")
    assert (config["card"]["task"], config["card"]["licence"]) == ("recognition", "non-commercial use")
    assert str(tmp_path) not in (output / CONFIG).read_text() + (output / CARD).read_text()
    expected, found = lstmzoo.load(run), lstmzoo.load(output)
    assert found.classes == expected.classes
    tolerance = 1e-3 if float16 == "true" else 0
    for name, weight in expected.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], weight, rtol=tolerance, atol=tolerance)


def test_what_was_written_about_failures_stays(run: Path, tmp_path: Path) -> None:
    (tmp_path / "failures.md").write_text("Nobody **jogs**.\n")
    words = ["export", f"ckpt_path={run}", f"output={tmp_path / 'mine'}"]
    for more in ([f"failures={tmp_path / 'failures.md'}"], []):
        assert main([*words, "licence=of my own", *more]) == 0
        card = (tmp_path / "mine" / CARD).read_text()
        assert "Nobody **jogs**." in card
        assert "of my own" in card


def test_weights_that_are_written_anew_keep_what_was_said_of_them(run: Path, tmp_path: Path) -> None:
    (tmp_path / "failures.md").write_text("Nobody **jogs**.")
    first, second = tmp_path / "first", tmp_path / "second"
    words = [f"failures={tmp_path / 'failures.md'}", "licence=of my own", "float16=true"]
    assert main(["export", f"ckpt_path={run}", f"output={first}", *words]) == 0
    assert main(["export", f"ckpt_path={first}", f"output={second}", "float16=true"]) == 0
    before, after = (json.loads((folder / CONFIG).read_text()) for folder in (first, second))
    assert before["card"] == after["card"]
    assert (first / TENSORS).read_bytes() == (second / TENSORS).read_bytes()
    assert "before they were rounded" in (second / CARD).read_text()
    lstmzoo.load(second).save_pretrained(tmp_path / "third")
    assert "of my own" in (tmp_path / "third" / CARD).read_text()
    assert main(["export", f"ckpt_path={first}", f"output={tmp_path / 'whole'}"]) == 0
    assert "before they were rounded" not in (tmp_path / "whole" / CARD).read_text()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("metrics", "x"),
        ("metrics", [{}]),
        ("metrics", [{"data": "kth", "split": "test", "command": "lstmzoo", "values": 3}]),
        ("metrics", [{"data": "kth", "split": "test", "command": "lstmzoo", "values": {"a": "b"}}]),
        ("metrics", [{"data": "kth", "split": "test", "command": "lstmzoo", "values": {"a": 1}, "commit": 5}]),
        ("licence", 5),
        ("failures", ["x"]),
    ],
)
def test_cards_of_strangers_are_checked(
    key: str, value: Any, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = tmp_path / "first"
    assert main(["export", f"ckpt_path={run}", f"output={first}"]) == 0
    config = json.loads((first / CONFIG).read_text())
    config["card"][key] = value
    (first / CONFIG).write_text(json.dumps(config))
    assert main(["export", f"ckpt_path={first}", f"output={tmp_path / 'second'}"]) == 2
    assert str(first / CONFIG) in capsys.readouterr().err


def test_a_card_may_leave_out_what_is_not_known(run: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(["export", f"ckpt_path={run}", f"output={first}"]) == 0
    config = json.loads((first / CONFIG).read_text())
    config["card"] = {"metrics": [{"data": "kth", "split": "test", "command": "lstmzoo eval", "values": {"a": 1}}]}
    (first / CONFIG).write_text(json.dumps(config))
    assert main(["export", f"ckpt_path={first}", f"output={second}"]) == 0
    assert "at commit unknown" in (second / CARD).read_text()


def test_scores_of_rounded_weights_are_told_from_those_before(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["export", "output=mine", "float16=true"]
    assert main([*words, f"ckpt_path={run}"]) == 0
    measured = {"sha256": digest_of(tmp_path / "mine" / TENSORS), "split": "test", "overrides": [], "commit": "ghi"}
    (tmp_path / "runs" / "mine" / "eval_test").mkdir(parents=True)
    found = {"J&F-Mean": 0.25, "sequences": {"dog": {}, "bus": {}}, "measured": measured}
    (tmp_path / "runs" / "mine" / "eval_test" / "metrics.json").write_text(json.dumps(found))
    assert main([*words, "ckpt_path=mine"]) == 0
    (entry,) = json.loads((tmp_path / "mine" / CONFIG).read_text())["card"]["metrics"]
    assert (entry["values"], entry["type"], entry["sequences"]) == ({"J&F-Mean": 0.25}, "float16", ["bus", "dog"])
    card = (tmp_path / "mine" / CARD).read_text()
    assert "before they were rounded" not in card
    assert "2 sequences" in card
    assert "bus, dog" in card


def test_pictures_that_training_clips_are_made_of_have_licences_too() -> None:
    clean = licences_of({"data": {"name": "davis_simulated", "backgrounds": None}})
    assert clean == ["MIT"]
    assert licences_of({"data": {"name": "davis_simulated", "objects": "videos", "backgrounds": "photos"}}) == [
        *clean,
        f"{NOT_STATED} (data.backgrounds)",
        f"{NOT_STATED} (data.objects)",
    ]


def test_the_licences_of_all_data_are_said(run: Path, tmp_path: Path) -> None:
    checkpoint = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    checkpoint["lstmzoo"]["licences"] = ["MIT", f"{NOT_STATED} (video_folder)"]
    torch.save(checkpoint, run / "checkpoints" / "best.ckpt")
    export = ["export", f"ckpt_path={run}", f"output={tmp_path / 'mine'}"]
    assert main(export) == 0
    card = (tmp_path / "mine" / CARD).read_text()
    assert "Training data: MIT and not stated (video_folder)." in card
    assert "\nlicense:" not in card
    assert main([*export, "licence=CC0"]) == 0
    assert "Training data: MIT and CC0." in (tmp_path / "mine" / CARD).read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["format=onnxx"], "safetensors"),
        (["ckpt_path=kth_sim_lst"], "kth_sim_lstm"),
        (["failures=nowhere.md"], "nowhere.md"),
        (["output=full"], "thesis"),
    ],
)
def test_what_cannot_be_exported(
    words: list[str],
    said: str,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis").touch()
    monkeypatch.chdir(tmp_path)
    given = {"ckpt_path": str(run), "output": "mine"} | dict(word.split("=") for word in words)
    assert main(["export", *(f"{key}={value}" for key, value in given.items())]) == 2
    assert said in capsys.readouterr().err
    assert not Path("mine").exists()


def test_weights_are_listed(shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "weights"]) == 0
    line = capsys.readouterr().out
    for cell in ("mine", "recognition", "action_rnn", "kth", "sequence_accuracy 0.500", "MB", "non-commercial use"):
        assert cell in line
    assert f"{sum(weight.numel() for weight in lstmzoo.load('mine').parameters()):,}" in line


@pytest.mark.slow
def test_a_name_stands_for_a_checkpoint_in_every_command(shipped: Path, root: Path) -> None:
    before = {file: file.read_bytes() for file in shipped.rglob("*")}
    video = next(root.rglob("*.avi"))
    assert main(["eval", "ckpt_path=mine", f"data.root={root}", "split=val"]) == 0
    assert main(["predict", "ckpt_path=mine", f"input={video}", "output=out", "video=none"]) == 0
    assert main(["inspect", "ckpt_path=mine", f"data.root={root}"]) == 0
    assert main(["inspect", "ckpt_path=mine", f"input={video}"]) == 0
    assert main(["train", "task.start_from=mine", *settings(root), "trainer=debug", "output=again"]) == 0
    results = {file.parent.as_posix() for file in Path("runs").rglob("*.json")}
    assert results == {"runs/mine/eval_val", "runs/mine/inspect_test"}
    assert read_metadata("again")["config"]["task"]["start_from"] == "mine"
    assert {file: file.read_bytes() for file in shipped.rglob("*")} == before


@pytest.mark.parametrize("command", ["eval", "predict", "inspect", "train"])
def test_unknown_names(command: str, shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = {"predict": ["input=x"], "train": ["task.start_from=mime"]}.get(command, [])
    assert main([command, *([] if command == "train" else ["ckpt_path=mime"]), *words]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "did you mean 'mine'" in said
    if command != "train":
        assert main([command, "mine"]) == 2
        assert "ckpt_path=mine" in capsys.readouterr().err


def test_a_folder_of_weights_is_not_written_into(shipped: Path, root: Path) -> None:
    assert main(["eval", f"ckpt_path={shipped}", f"data.root={root}"]) == 0
    assert {file.name for file in shipped.iterdir()} == {CONFIG, TENSORS, CARD}
    assert list(Path("runs/mine").iterdir())
