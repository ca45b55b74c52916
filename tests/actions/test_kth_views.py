"""The script that sees real videos as other cameras would: the column "views" of docs/kth.md."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lstmzoo
from tiny_data import write_kth

SCRIPT = Path(__file__).parents[2] / "scripts" / "kth_views"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


def seen(script: dict[str, Any], view: str, clip: np.ndarray) -> np.ndarray:
    return script["VIEWS"][view](clip, np.random.default_rng(0))


def blob(row: int = 60, column: int = 30, radius: int = 10) -> np.ndarray:
    """Two grey frames with a bright square, (2, 1, 120, 160) uint8."""
    clip = np.full((2, 1, 120, 160), 80, np.uint8)
    clip[:, :, row - radius : row + radius, column - radius : column + radius] = 200
    return clip


def area_and_middle(clip: np.ndarray) -> tuple[int, float, float]:
    rows, columns = np.nonzero(clip[0, 0] > 140)
    return len(rows), rows.mean(), columns.mean()


def test_every_view_is_a_video_of_the_same_kind(script: dict[str, Any]) -> None:
    clip = blob()
    for view in script["VIEWS"]:
        found = seen(script, view, clip)
        assert (found.shape, found.dtype) == (clip.shape, np.uint8)
        assert (view == "as it is") == np.array_equal(found, clip)


def test_cameras_do_what_they_are_called(script: dict[str, Any]) -> None:
    area, row, column = area_and_middle(blob())
    np.testing.assert_array_equal(seen(script, "mirrored", blob()), blob()[..., ::-1])
    assert area_and_middle(seen(script, "nearer", blob()))[0] == pytest.approx(1.2**2 * area, rel=0.1)
    assert area_and_middle(seen(script, "farther", blob()))[0] == pytest.approx(0.8**2 * area, rel=0.1)
    assert area_and_middle(seen(script, "to the left", blob()))[2] == pytest.approx(column - 0.12 * 160, abs=1)
    assert area_and_middle(seen(script, "lower", blob()))[1] == pytest.approx(row + 0.08 * 120, abs=1)
    assert seen(script, "darker", blob()).mean() < blob().mean() < seen(script, "brighter", blob()).mean()
    assert seen(script, "flat", blob()).std() < blob().std() < seen(script, "with contrast", blob()).std()
    assert (seen(script, "noisy", blob()).astype(int) - blob()).std() == pytest.approx(6, rel=0.1)


class Waver(torch.nn.Module):
    """Sees handwaving in everything."""

    classes = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")

    def forward(self, video: torch.Tensor) -> torch.Tensor:
        return 20 * torch.nn.functional.one_hot(torch.full((len(video),), 2), 6).float()


def test_every_view_of_every_sequence_is_counted(
    script: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["person01_handwaving_d1", "person02_walking_d1"]
    root = write_kth(tmp_path, {name: [(1, 20), (21, 40)] for name in names}, frames=40)
    monkeypatch.setattr(lstmzoo, "load", lambda _: Waver())
    script["main"]("any", str(root))
    *views, everything = capsys.readouterr().out.splitlines()
    assert len(views) == len(script["VIEWS"])
    assert all("2 of 4   mean p 0.50" in line for line in views)
    assert "24 of 48, 50.0%" in everything
