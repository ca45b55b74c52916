"""train, eval and list as people run them: real processes, exit codes, messages, files."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest
import torch

import lstmzoo
import tiny_runs
from lstmzoo.cli import COMMANDS, main
from lstmzoo.config.groups import settings_of_choice
from tiny_data import write_video
from tiny_runs import Ended, end, run, start

EVAL_FILES = {"metrics.json", "confusion_matrix.csv", "confusion_matrix.png", "predictions.csv"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def data(folder: Path) -> Path:
    return tiny_runs.write_tiny_kth(folder / "my data (1)")


@pytest.fixture(scope="module")
def trained(folder: Path, data: Path) -> tuple[Ended, Path]:
    """A training run and its folder; the data is named relative to where it runs."""
    ended = run("train", *tiny_runs.settings(Path("..") / data.name), "callbacks.patience=null", cwd=folder / "work")
    assert ended.code == 0, ended.err
    (found,) = (folder / "work" / "runs").glob("kth_lstm/*")
    return ended, found


def assert_refused(ended: Ended, *said: str) -> None:
    assert ended.code == 2, ended
    assert "Traceback" not in ended.out + ended.err
    assert ended.err.startswith("lstmzoo: ")
    for part in said:
        assert part in ended.err


@pytest.mark.slow
def test_training_leaves_a_complete_run_folder(trained: tuple[Ended, Path]) -> None:
    found = trained[1]
    names = {path.name for path in found.iterdir()}
    assert {"config.yaml", "metrics.csv", "metrics.json", "versions.json", "curves.png", "eval_test"} <= names
    assert {path.name for path in (found / "eval_test").iterdir()} == EVAL_FILES
    assert not [path for path in found.rglob("*") if path.name.startswith(".") or path.suffix == ".tmp"]
    numbers = json.loads((found / "metrics.json").read_text())
    assert numbers["epochs"] == 2
    assert 0 <= numbers["data_wait"] <= 1
    assert numbers["test"]["num_sequences"] == 12
    assert numbers["best"] == pytest.approx(numbers["validation"]["val/accuracy"], abs=1e-5)


@pytest.mark.slow
def test_training_prints_a_line_per_epoch_and_where_things_are(trained: tuple[Ended, Path]) -> None:
    ended = trained[0]
    assert sum(line.startswith("epoch ") for line in ended.out.splitlines()) == 2
    assert len(ended.out.splitlines()) < 30
    assert "best.ckpt" in ended.out
    assert "Warning" not in ended.err
    assert "Tip" not in ended.out + ended.err


@pytest.mark.slow
def test_checkpoints_hold_no_objects(trained: tuple[Ended, Path]) -> None:
    for name in ("best.ckpt", "last.ckpt"):
        path = trained[1] / "checkpoints" / name
        checkpoint = torch.load(path, weights_only=True)
        assert checkpoint["lstmzoo"]["config"]["data"]["root"] == str(trained[1].parents[3] / "my data (1)")
        model = lstmzoo.load(path)
        assert (model.classes[0], model.transform["size"]) == ("boxing", [32, 32])


@pytest.mark.slow
def test_eval_needs_the_checkpoint_only(trained: tuple[Ended, Path], tmp_path: Path) -> None:
    checkpoint = trained[1] / "checkpoints" / "best.ckpt"
    alone = tmp_path / "best.ckpt"
    alone.write_bytes(checkpoint.read_bytes())
    ended = run("eval", f"ckpt_path={alone}", f"output={tmp_path}/out", cwd=tmp_path / "elsewhere")
    assert ended.code == 0, ended.err
    assert {path.name for path in (tmp_path / "out").iterdir()} == EVAL_FILES
    after_fit = json.loads((trained[1] / "metrics.json").read_text())["test"]
    assert tiny_runs.numbers(tmp_path / "out") == after_fit
    for said in ("sequences", "videos", "shuffled", "jogging", "scenario d1"):
        assert said in ended.out
    with open(tmp_path / "out" / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    right = sum(row["label"] == row["prediction"] for row in rows)
    assert right / 12 == pytest.approx(after_fit["sequence_accuracy"])
    assert all(
        max(row, key=lambda k: float(row[k]) if k.startswith("p_") else -1) == f"p_{row['prediction']}" for row in rows
    )
    with open(tmp_path / "out" / "confusion_matrix.csv", newline="") as file:
        table = list(csv.reader(file))
    assert [[int(cell) for cell in row[1:]] for row in table[1:]] == after_fit["confusion"]


@pytest.mark.slow
def test_command_line_wins_over_the_checkpoint(
    trained: tuple[Ended, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [f"ckpt_path={trained[1]}", "split=val", "trainer.limit_test_batches=1", "data.test_clips=1"]
    assert main(["eval", *arguments, f"output={tmp_path}"]) == 0
    assert json.loads((tmp_path / "metrics.json").read_text())["num_sequences"] == 4
    capsys.readouterr()
    for extra, said in [
        ("model.hidden_size=9", "rnn.weight_ih_l0"),
        ("data.rooot=x", "did you mean data.root"),
        ("split=tset", "did you mean 'test'"),
        ("data.protocol=oficial", "kfold (default: official), not 'oficial'"),
    ]:
        assert main(["eval", f"ckpt_path={trained[1]}", extra]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.slow
def test_mistakes_end_with_one_message_and_code_2(
    trained: tuple[Ended, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    foreign, pickled = tmp_path / "foreign.ckpt", tmp_path / "pickled.ckpt"
    torch.save({"state_dict": {"weight": torch.zeros(2)}}, foreign)
    torch.save(Path("/"), pickled)
    best = trained[1] / "checkpoints" / "best.ckpt"
    for arguments, said in [
        (["train", "model.hiden_size=3"], ["model.hidden_size"]),
        (["train", "model=foo"], ["'foo'", "action_rnn"]),
        (["train", "data=kth", "data.root=/no/such/kth"], ["/no/such/kth"]),
        (["train", "resume=/no/such/run"], ["/no/such/run"]),
        (["train", "resume=latest"], [str(tmp_path / "runs")]),
        (["eval", "ckpt_path=/no/such.ckpt"], ["/no/such.ckpt"]),
        (["eval", f"ckpt_path={foreign}"], ["foreign.ckpt"]),
        (["eval", f"ckpt_path={pickled}"], ["pickled.ckpt"]),
        (["eval", f"ckpt_path={best}", "data.root=/no/such/kth"], ["/no/such/kth", "data.root="]),
        (["eval", f"ckpt_path={best}", "data=davis", "data.root=x"], ["data=davis", "segmentation", "kth|"]),
        (["eval", f"ckpt_path={best}", "data=foo"], ["'foo'", "kth"]),
        (["eval", f"ckpt_path={best}", "data=video_folder"], ["data.root=PATH"]),
        (["eval", "split=val"], ["ckpt_path=PATH"]),
        (["compare", str(trained[1])], ["1", str(trained[1])]),
        (["compare", "/no/such/run", str(trained[1])], ["/no/such/run"]),
        (["check", "no_such_module"], ["'no_such_module'"]),
        (["check", "json"], ["json"]),
        (["completion", "tcsh"], ["bash", "fish", "zsh"]),
        (["trian"], ["did you mean 'train'"]),
    ]:
        code = main(arguments)
        ended = Ended(code, *capsys.readouterr())
        assert_refused(ended, *said)
    (real,) = [end(start("train", "model=foo", cwd=tmp_path / "work"))]
    assert_refused(real, "'foo'", "action_rnn")


@pytest.mark.slow
def test_own_videos_in_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The classes come from the folders; damaged files are named in one line and left out."""
    for name in ("hop", "jump", "skip"):
        for group in range(5):
            write_video(tmp_path / "videos" / name / f"{name}_g{group}_c0.avi", 16)
    (tmp_path / "videos" / "hop" / "broken_g0_c1.avi").write_bytes(b"no video")
    small = ["data.size=[32,32]", "data.clip_len=4", "model.feature_size=8", "model.hidden_size=8", "trainer=debug"]
    group = ["data.root=videos", r"data.group_pattern=_g(\d+)_", "data.val_groups=[1]", "data.test_groups=[2]"]
    ended = run("train", "experiment=video_folder", "trainer.accelerator=cpu", *small, *group, cwd=tmp_path)
    assert ended.code == 0, ended
    (found,) = (tmp_path / "runs" / "video_folder").iterdir()
    assert lstmzoo.load(found).classes == ["hop", "jump", "skip"]
    assert json.loads((found / "metrics.json").read_text())["test"]["num_sequences"] == 3
    warned = [line for line in ended.err.splitlines() if "broken_g0_c1.avi" in line]
    assert warned
    assert all(line.startswith("lstmzoo: warning: ") for line in warned)

    (tmp_path / "videos" / "skip").rename(tmp_path / "videos" / "walk")
    assert main(["eval", f"ckpt_path={found}"]) == 2
    assert "skip" in capsys.readouterr().err


def test_debugging_shows_where_an_error_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSTMZOO_DEBUG", "1")
    with pytest.raises(lstmzoo.errors.LstmzooError):
        main(["list", "nothing"])


def test_interrupting_gives_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(argv: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lstmzoo.cli.catalogue.run_list", interrupted)
    assert main(["list"]) == 130
    assert capsys.readouterr().err == "lstmzoo: interrupted\n"


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    for kind, name in [("models", "action_rnn"), ("cells", "lstm"), ("experiments", "kth_lstm"), ("data", "kth")]:
        assert main(["list", kind]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line for line in lines if line.split()[0] == name]
        assert all(len(line.split()) > 2 for line in lines), "a name without a word about it"
    assert main(["list", "models", "*pool"]) == 0
    assert capsys.readouterr().out.split()[0] == "action_meanpool"
    assert main(["list", "models", "nosuch*"]) == 2
    assert main(["list", "modles"]) == 2
    assert "did you mean 'models'" in capsys.readouterr().err


@pytest.mark.slow
def test_listing_and_helping_load_nothing_heavy(tmp_path: Path) -> None:
    script = (
        "import sys; from lstmzoo.cli import main;"
        "heavy = lambda *names: [name for name in names if name in sys.modules];"
        "print(main([]), main(['--version']), heavy('torch', 'rich'));"
        "print(main(['list', 'models']), main(['list', 'cells']), heavy('lightning', 'hydra', 'cv2', 'torchvision'))"
    )
    ended = end(start(cwd=tmp_path, script=script))
    assert [line for line in ended.out.splitlines() if line[:2] == "0 "] == ["0 0 []"] * 2, ended


def test_helps(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    overview = capsys.readouterr().out
    assert all(name in overview for name in COMMANDS)
    assert main(["train", "--help"]) == 0
    text = capsys.readouterr().out
    for part in ("experiment", "kth_lstm*", "kth_simulated*", "resume", "lstmzoo train -m", "seed", "output="):
        assert part in text
    for command, parts in {
        "eval": ["ckpt_path", "split=test", "results=", "protocol"],
        "predict": ["ckpt_path", "device=auto", "num_beams", "first_mask"],
        "inspect": ["ckpt_path", "split=test"],
        "compare": ["output="],
        "data": ["simulate kth", "check video_folder", "persons"],
        "bench": ["cells", "repeats"],
        "list": ["encoders"],
        "check": ["MODULE"],
        "completion": ["bash|zsh|fish"],
    }.items():
        for words in ([command, "--help"],) if command == "check" else ([command, "--help"], [command]):
            assert main(words) == 0
            text = capsys.readouterr().out
            assert [part for part in parts if part not in text] == [], command


@pytest.mark.parametrize("choice", ["model=action_rnn", "data=kth", "task=captioning"])
def test_the_help_of_a_choice_explains_its_keys(choice: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", choice, "--help"]) == 0
    group, name = choice.split("=")
    text = capsys.readouterr().out
    for setting in settings_of_choice(group, name).values():
        assert setting.name in text
        assert setting.help.split()[0] in text


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="gloo over several processes is not tried on Windows")
def test_two_processes_measure_the_same(trained: tuple[Ended, Path], data: Path, tmp_path: Path) -> None:
    two = ["trainer.devices=2", "trainer.strategy=ddp"]
    measured = start("eval", f"ckpt_path={trained[1]}", *two, f"output={tmp_path}/out", cwd=tmp_path / "eval")
    ended = end(measured)
    assert ended.code == 0, ended.err
    after_fit = json.loads((trained[1] / "metrics.json").read_text())["test"]
    assert tiny_runs.numbers(tmp_path / "out") == after_fit

    ended = run("train", *tiny_runs.settings(data), *two, "trainer.max_epochs=1", cwd=tmp_path / "train")
    assert ended.code == 0, ended.err
    (found,) = (tmp_path / "train" / "runs").glob("kth_lstm/*")
    assert json.loads((found / "metrics.json").read_text())["test"]["num_sequences"] == 12
    assert torch.load(found / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 2  # 6 clips each
