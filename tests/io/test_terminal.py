"""Names and captions from files appear literally on terminals and in plots, and do nothing to them."""

from __future__ import annotations

import copy
import io
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from rich.table import Table

from captioning.tiny_captions import write_checkpoint
from crafted_checkpoints import put, saved, sound
from lstmzoo.captioning.metrics.scores import Scores
from lstmzoo.captioning.results import show_scores
from lstmzoo.cli import main
from lstmzoo.io.progress import progress_bar
from lstmzoo.io.terminal import PlainConsole, in_notebook, print_plain
from lstmzoo.viz import plots
from tiny_data import write_video
from tiny_runs import write_tiny_kth

NAMES = ["[red]a", "[/x]", "a\x1b[31m", ":smile:", "a\udc80", "\x1b]0;title\x07", "\x9b31m"]


def harmless(name: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)


def test_a_notebook_is_a_kernel_that_runs() -> None:
    """Not a module that something has imported, as the site's tools do."""
    pytest.importorskip("ipykernel.kernelapp")
    assert not in_notebook()


def test_tables_and_lines_show_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    file = io.StringIO()
    console = PlainConsole(file=file, width=200, force_terminal=True, color_system=None)
    for name in NAMES:
        table = Table(title=name, caption=name)
        table.add_column(name)
        table.add_row(name)
        console.print(table)
        console.print(name)
        assert file.getvalue().count(harmless(name)) >= 5, name
        print_plain(name)
        assert capsys.readouterr().out == f"{harmless(name)}\n"
        assert "\x1b" not in file.getvalue()
        assert "\x9b" not in file.getvalue()
        with progress_bar(name, 1, "videos") as advance:
            advance(1)
        assert harmless(name) in capsys.readouterr().err
        show_scores(Scores({"BLEU-1": 0.5}, "python", ""), name)
        assert harmless(name) in capsys.readouterr().out


def test_a_video_and_a_class_of_strange_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = copy.deepcopy(sound(write_tiny_kth(tmp_path / "kth")))
    classes = ["[red]b", "[/x]", "c\x1b[31m", "$\\frac$", "{0}", "%s"]
    put(base["lstmzoo"], "classes", classes)
    (tmp_path / "best.ckpt").write_bytes(saved(base))
    write_video(tmp_path / "[red]a.avi", frames=6)
    arguments = [f"ckpt_path={tmp_path / 'best.ckpt'}", f"input={tmp_path / '[red]a.avi'}"]
    assert main(["predict", *arguments, f"output={tmp_path / 'out'}"]) == 0
    said = capsys.readouterr().out
    assert "[red]a" in said
    assert "\x1b" not in said
    assert any(harmless(name) in said for name in classes)
    assert (tmp_path / "out" / "[red]a_labels.csv").is_file()


@pytest.mark.slow
def test_words_of_captions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_checkpoint(tmp_path / "best.ckpt", "caption_nic")
    checkpoint = torch.load(file, weights_only=True)
    words = checkpoint["lstmzoo"]["vocabulary"]["words"]
    checkpoint["lstmzoo"]["vocabulary"]["words"] = [f"\x1b[31m[red]{word}" for word in words]
    torch.save(checkpoint, file)
    cv2.imwrite(str(tmp_path / "[red]a.png"), np.zeros((40, 60, 3), np.uint8))
    arguments = [f"ckpt_path={file}", f"input={tmp_path / '[red]a.png'}", "device=cpu"]
    for command in ("predict", "inspect"):
        assert main([command, *arguments, f"output={tmp_path / command}"]) == 0
        said = capsys.readouterr().out
        assert "\\x1b[31m[red]" in said
        assert "\x1b" not in said


def test_class_names_are_no_mathematics(tmp_path: Path) -> None:
    names = ["$\\frac$", "$x^$", "a_b", "[/x]"]
    assert plots.confusion_matrix(np.eye(4, dtype=int), names, tmp_path / "matrix.png").is_file()
    bars = plots.accuracy_bars(dict.fromkeys(names, 0.5), tmp_path / "bars.png", "$\\frac$", dict.fromkeys(names, 2))
    assert bars.is_file()
