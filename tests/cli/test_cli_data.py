"""``lstmzoo data``: what it prints, its exit codes, and its messages."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lstmzoo.cli import data as command
from lstmzoo.errors import LstmzooError
from tiny_data import write_video

SMALL = {"person11_boxing_d1": [(1, 10), (11, 20)], "person22_running_d4": [(3, 8)]}


@pytest.mark.parametrize("argv", [[], ["--help"]])
def test_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    command.run(argv)
    assert "lstmzoo data simulate|prepare|check" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["chek"], r"'chek'.*'check'"),
        (["check"], "captions, .*davis, .*kth, .*video_folder"),
        (["check", "root=x"], "captions, .*video_folder"),
        (["check", "kht", "root=x"], r"'kht'.*'kth'"),
        (["simulate", "video_folder"], "'video_folder'.*kth"),
        (["check", "kth"], "root.*lstmzoo data check kth root=PATH"),
        (["check", "kth", "root"], "'root'.*option=value.*root, json"),
        (["check", "kth", "rot=x"], r"'rot'.*'root'"),
        (["check", "kth", "root="], "root="),
        (["check", "kth", "root=a", "root=b"], "root.*twice"),
        (["simulate", "kth", "root=x", "persons=many"], "persons=many.*whole number"),
        (["check", "kth", "root=nowhere"], "nowhere.*lstmzoo data prepare kth root=nowhere"),
        (["check", "video_folder", "root=nowhere"], "nowhere"),
        (["prepare", "kth", "root=x", "source=nowhere"], "nowhere.*boxing.zip"),
    ],
)
def test_messages(argv: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LstmzooError, match=message):
        command.run(argv)
    assert list(tmp_path.iterdir()) == []


def test_check_a_complete_and_an_incomplete_folder(
    make_kth: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_kth(SMALL)
    command.run(["check", "kth", f"root={root}", f"json={tmp_path}/out/report.json"])
    out = capsys.readouterr().out
    assert "lists a part of KTH: 2 persons, 2 actions" in out
    assert out.rstrip().endswith("Complete.")
    assert json.loads((tmp_path / "out" / "report.json").read_text())["complete"] is True
    (root / "running" / "person22_running_d4_uncomp.avi").unlink()
    with pytest.raises(SystemExit) as caught:
        command.run(["check", "kth", f"root={root}"])
    assert caught.value.code == 1
    out = capsys.readouterr().out
    assert "Missing: 1 video: person22_running_d4" in out
    assert "Not complete. Run `lstmzoo data prepare kth root=" in out


def test_check_of_the_published_list_shows_the_published_numbers(
    real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "00sequences.txt").write_bytes((real_data / "kth" / "00sequences.txt").read_bytes())
    with pytest.raises(SystemExit):
        command.run(["check", "kth", f"root={tmp_path}"])
    out = capsys.readouterr().out
    for number in ("760", "768", "863", "2391", "599"):
        assert number in out
    assert "Missing: 599 videos" in out


@pytest.mark.slow
def test_simulated_kth_is_said_to_be_simulated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("lstmzoo.actions.data.kth_simulated")
    root = tmp_path / "kth"
    command.run(
        ["simulate", "kth", f"root={root}", "persons=2", "scenarios=1", "actions=[boxing,running]", "workers=1"]
    )
    command.run(["check", "kth", f"root={root}"])
    out = capsys.readouterr().out
    assert "This is a simulated KTH: 2 persons, 2 actions." in out
    assert out.rstrip().endswith("Complete.")
    (root / "boxing" / "person01_boxing_d1_uncomp.avi").unlink()
    with pytest.raises(SystemExit):
        command.run(["check", "kth", f"root={root}"])
    assert "Not complete. Run `lstmzoo data simulate kth root=" in capsys.readouterr().out


def test_check_video_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, frames in enumerate((7, 9, 8)):
        write_video(tmp_path / "walk" / f"walk_{number}_1.avi", frames)
        write_video(tmp_path / "run" / f"run_{number}_1.avi", 5, fps=60 if number else 25)
    command.run(["check", "video_folder", f"root={tmp_path}"])
    out = capsys.readouterr().out
    rows = [line.replace("│", " ").split() for line in out.splitlines()]
    assert ["walk", "3", "24", "7", "9", "1", "1", "1"] in rows
    assert "Mixed frame rates: 25 (4 videos), 60 (2 videos)" in out
    assert "train: 1 group, 1; val: 1 group, 0; test: 1 group, 2" in out
    assert r"data.group_pattern='[-_ ](\d+)[-_ ]\d+[^-_ ]*$'" in out
    assert out.rstrip().endswith("Complete.")
    (tmp_path / "run" / "notes.pdf").write_bytes(b"x")
    (tmp_path / "run" / "run_3_1.avi").write_bytes(b"x")
    with pytest.raises(SystemExit):
        command.run(["check", "video_folder", f"root={tmp_path}", "data.group_pattern=_([0-9])_"])
    out = capsys.readouterr().out
    assert "Cannot be used" in out
    assert "notes.pdf" in out
    assert out.rstrip().endswith("Not complete.")


def test_check_video_folder_is_not_content_with_what_cannot_be_trained_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_video(tmp_path / "walk" / "a.avi", 7)
    write_video(tmp_path / "run" / "[red]b.avi", 5)
    with pytest.raises(SystemExit):
        command.run(["check", "video_folder", f"root={tmp_path}"])
    out = capsys.readouterr().out
    assert ["walk", "1", "7", "7", "7"] in [line.replace("│", " ").split()[:5] for line in out.splitlines()]
    assert "class 'run' has 1 group(s)" in out
    assert "[red]b.avi" in out
    assert out.rstrip().endswith("Not complete.")


@pytest.mark.slow
def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, lstmzoo.data, lstmzoo.cli.data\n"
        "print([m for m in ('torch', 'cv2', 'lightning', 'hydra') if m in sys.modules])\n"
        "from lstmzoo.data import KTH, VideoFolder, kth\n"
        "print([m for m in ('lightning', 'hydra', 'matplotlib') if m in sys.modules], kth.KTH is KTH)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "[] True"]
