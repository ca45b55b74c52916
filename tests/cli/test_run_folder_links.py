"""A run folder of someone else: nothing outside of it is written, deleted or waited for."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from crafted_checkpoints import Checkpoint, resumable, saved, sound
from lstmzoo.cli import main
from lstmzoo.errors import LstmzooError
from lstmzoo.runs.lock import owned
from tiny_runs import write_tiny_kth

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes of Unix")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return sound(write_tiny_kth(tmp_path_factory.mktemp("data") / "kth"))


@pytest.fixture
def run(tmp_path: Path, base: Checkpoint) -> Path:
    """A run folder that can be resumed and evaluated."""
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    for name in ("best.ckpt", "last.ckpt"):
        (run / "checkpoints" / name).write_bytes(saved(resumable(base)))
    (run / "config.yaml").write_text(yaml.safe_dump(base["lstmzoo"]["config"]))
    return run


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that must stay as it is."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / ".hidden.ckpt").write_text("precious")
    (folder / "file").write_text("precious")
    return folder


def link_in_place(path: Path, target: Path) -> None:
    if path.is_dir():
        for one in path.iterdir():
            os.replace(one, target / one.name)
        path.rmdir()
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(target)


RESUMED = [".lock", "checkpoints", "eval_test", "metrics.csv", "tensorboard", "checkpoints/x"]
EVALUATED = ["eval_val", "eval_val/metrics.json", "eval_val/predictions.csv"]


def contents(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in sorted(folder.iterdir())}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["link", "dangling", "pipe"])
@pytest.mark.parametrize("name", [*RESUMED, *EVALUATED])
def test_nothing_leads_out_of_a_run_folder(
    name: str, kind: str, run: Path, outside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run / name
    if kind == "pipe":
        if name == "checkpoints":
            pytest.skip("there are no checkpoints then")
        path.parent.mkdir(exist_ok=True)
        os.mkfifo(path)
    else:
        there = outside if "." not in path.name[1:] and name != ".lock" else outside / "file"
        link_in_place(path, there if kind == "link" or name == "checkpoints" else outside / "new")
    before = contents(outside)
    command = ["train", f"resume={run}"] if name in RESUMED else ["eval", f"ckpt_path={run}", "split=val"]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert str(path) in said
    assert said.count("\n") <= 2
    assert contents(outside) == before


@pytest.mark.parametrize("name", ["config.yaml", "checkpoints/last.ckpt", "checkpoints/best.ckpt"])
def test_pipes_are_not_waited_for(name: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / name).unlink()
    os.mkfifo(run / name)
    assert main(["train", f"resume={run}"]) == 2
    assert str(run) in capsys.readouterr().err


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("how", [os.symlink, os.link])
def test_the_file_that_locks_a_folder_is_never_cut_off(
    how: Callable[[Path, Path], None], new: bool, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.write_text("precious")
    (tmp_path / "run").mkdir()
    how(mine, tmp_path / "run" / ".lock")
    if how is os.link:  # only someone on this machine can make one
        with owned(tmp_path / "run", new=new):
            pass
    else:
        with pytest.raises(LstmzooError, match="lock"), owned(tmp_path / "run", new=new):
            pass
    assert mine.read_text() == "precious"


def test_links_within_a_run_and_to_a_run_are_fine(run: Path, tmp_path: Path) -> None:
    (run / "kept").mkdir()
    (run / "checkpoints" / "epoch3.ckpt").symlink_to("best.ckpt")
    (run / "eval_test").symlink_to(run / "kept")
    (run / "elsewhere").symlink_to(tmp_path)  # nothing of ours
    (tmp_path / "link").symlink_to(run)
    with owned(tmp_path / "link", new=False):
        pass
