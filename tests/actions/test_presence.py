"""Nobody there: scenes without a figure, and simulated and real films of which it is known when somebody is seen."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from lstmzoo.actions.annotate import annotate
from lstmzoo.actions.data.kth_files import parse_sequences
from lstmzoo.actions.presence import LEAST_PRESENCE, NOBODY, presence
from lstmzoo.io.video import read_frames
from lstmzoo.io.video_stream import Stream
from lstmzoo.synthetic import person_video as film
from lstmzoo.synthetic.scene import WIDTH
from lstmzoo.synthetic.script import write_script
from lstmzoo.viz.overlay import Overlay


def small(frames: list[np.ndarray] | np.ndarray) -> np.ndarray:
    """(T, 64, 64, 1), as a model sees them."""
    return np.stack([cv2.resize(frame, (64, 64), interpolation=cv2.INTER_AREA)[..., None] for frame in frames])


def noise(shape: tuple[int, ...], deviation: float = 2.0) -> np.ndarray:
    return np.random.default_rng(0).normal(128, deviation, shape)


def test_a_scene_without_anybody() -> None:
    scene = np.random.default_rng(1).uniform(0, 255, (1, 64, 64, 1))
    for deviation in (0.0, 1.0, 4.0):
        clip = scene + noise((16, 64, 64, 1), deviation) - 128
        assert presence(clip.clip(0, 255).astype(np.uint8)) == 0
    clip = noise((16, 64, 64, 1)) + np.linspace(-20, 20, 16)[:, None, None, None]  # the sun comes out
    assert presence(clip.astype(np.uint8)) == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_the_score_is_the_share_of_frames_with_somebody(channels: int) -> None:
    for occupied in range(9):  # fewer than half: the median is the scene
        clip = noise((20, 64, 64, channels)).astype(np.uint8)
        for k in range(occupied):
            clip[3 + k, 20:40, 5 + 5 * k : 15 + 5 * k] = 20
        assert presence(clip) == pytest.approx(occupied / 20)


def test_a_single_frame_says_nothing() -> None:
    assert presence(np.zeros((1, 64, 64, 1), np.uint8)) == 1


def test_a_camera_that_moves_shows_every_frame_occupied() -> None:
    scene = cv2.GaussianBlur(np.random.default_rng(1).uniform(0, 255, (64, 200)), (0, 0), 2) * 4 - 384
    clip = np.stack([scene[:, 5 * k : 5 * k + 64] for k in range(16)])[..., None].clip(0, 255).astype(np.uint8)
    assert presence(clip) == 1


def test_simulated_films() -> None:
    """On the spot somebody is always there; between two crossings nobody is."""
    right = total = 0
    for person, action in [(1, "boxing"), (2, "handwaving"), (3, "handclapping"), (4, "walking"), (5, "running")]:
        script = write_script(person, action, 1, 0)
        seen = np.abs(script.x - WIDTH / 2) < WIDTH / 2
        frames = small(list(film.shoot(person, action, 1, 0)))
        for first in range(0, len(frames) - 31, 8):
            clip = slice(first, first + 31, 2)
            if seen[clip].mean() in (0, 1):
                total += 1
                right += (presence(frames[clip]) >= LEAST_PRESENCE) == bool(seen[first])
    assert right >= 0.97 * total > 20


def test_real_films(real_data: Path) -> None:
    """In the annotated sequences of KTH somebody is seen; far from all of them, nobody."""
    videos = sorted((real_data / "kth" / "videos").glob("*.avi"))
    if not videos:
        pytest.skip(f"no videos in {real_data / 'kth' / 'videos'}")
    inside_and_empty = {}
    for path in videos:
        frames = read_frames(path, size=(64, 64))
        inside = np.zeros(len(frames), bool)
        for first, last in parse_sequences(videos[0].parent / "00sequences.txt")[path.stem.removesuffix("_uncomp")]:
            inside[first - 1 : last] = True
        starts = range(len(frames) - 30)
        shares = np.array([inside[first : first + 31].mean() for first in starts])
        empty = np.array([presence(frames[first : first + 31 : 2]) < LEAST_PRESENCE for first in starts])
        assert not empty[shares == 1].any()
        name = path.stem.removesuffix("_uncomp")
        inside_and_empty[name] = int((shares == 1).sum()), int(empty[shares == 0].sum()), int((shares == 0).sum())
    assert inside_and_empty == {
        "person01_handwaving_d1": (438, 0, 0),
        "person01_jogging_d1": (86, 119, 119),
        "person07_walking_d2": (293, 125, 133),
        "person14_walking_d2": (476, 138, 184),  # his shadow is seen long before him
        "person25_boxing_d4": (430, 0, 0),
    }


class Sure(torch.nn.Module):
    """Sees boxing everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(torch.tensor([9.0, 0.0]))
        self.classes = ["boxing", "walking"]
        self.transform = {"size": [64, 64], "grey": True, "clip_len": 8, "frame_interval": 1, "fps": 25.0}

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(clip), 2)


def write_film(path: Path, occupied: set[int]) -> Path:
    """64 frames of noise; something dark moves through those that are occupied."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (64, 64))
    for k in range(64):
        image = noise((64, 64, 3), 3.0).astype(np.uint8)
        if k in occupied:
            image[20:40, 3 * (k - 32) % 60 :][:, :12] = 0
        writer.write(image)
    writer.release()
    return path


@pytest.mark.parametrize(("least", "nobody"), [(LEAST_PRESENCE, {False: 0.5, True: 1.0}), (0.0, {})])
def test_predictions_say_so(tmp_path: Path, least: float, nobody: dict[bool, float]) -> None:
    """A film whose first half is empty, and one that is empty to its end."""
    for empty in (False, True):
        path = write_film(tmp_path / "film.avi", set() if empty else {*range(32, 64)})
        with Stream(path) as stream:
            table = tmp_path / "film.csv"
            outcome = annotate(Sure(), stream, "film", table, tmp_path / "film.mp4", least_presence=least)
        with table.open() as file:
            rows = list(csv.DictReader(file))
        assert {row["label"] for row in rows} == {*[NOBODY] * bool(nobody), *["boxing"] * (not empty or not nobody)}
        for row in rows:
            assert 0 <= float(row["presence"]) <= 1
            assert (row["label"] == NOBODY) == (float(row["presence"]) < least)
            assert (row["label"] == NOBODY) == (row["p_boxing"] == "") == (row["p_walking"] == "")
        assert outcome.shares.get(NOBODY, 0.0) == pytest.approx(nobody.get(empty, 0.0), abs=0.1)
        assert outcome.label == (NOBODY if nobody and empty else "boxing")
        assert outcome.confidence > 0.9
        assert sum(outcome.shares.values()) == pytest.approx(1)


@pytest.mark.parametrize("least", [0.25, 0.14286, 0.2857142])
def test_the_score_that_is_written_never_contradicts_the_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, least: float
) -> None:
    """Shares of seven frames have no end in decimals; 1/7 is less than 0.14286, and 2/7 is more than 0.2857142."""
    path, model, notes = write_film(tmp_path / "film.avi", {20, 30, 31, 40, 41, 42}), Sure(), []
    model.transform = {**model.transform, "clip_len": 7}

    def draw(self: Overlay, image: np.ndarray, number: int, *shown: Any, **options: Any) -> np.ndarray:
        notes.append(shown[-1])
        return image

    monkeypatch.setattr(Overlay, "draw", draw)
    with Stream(path) as stream:
        annotate(model, stream, "film", tmp_path / "film.csv", tmp_path / "film.mp4", stride=1, least_presence=least)
    with (tmp_path / "film.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {"0.1429", "0.2857", "0.4286"} < {row["presence"] for row in rows}
    for row, note in zip(rows, notes, strict=True):
        assert (row["label"] == NOBODY) == (float(row["presence"]) < least)
        assert float(note.split()[-1]) == float(row["presence"])
