"""Decoding: frames come out whole, in order, in the asked form; what cannot be decoded is named."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from lstmzoo.errors import DataError
from lstmzoo.io import video
from lstmzoo.io.sources import FileSource
from tiny_data import numbered_frame, read_number, write_video


def test_frames_come_in_order(tmp_path: Path) -> None:
    frames = video.read_frames(write_video(tmp_path / "a.avi", 30))
    assert frames.shape == (30, 48, 96, 1)
    assert frames.dtype == np.uint8
    assert [read_number(frame[..., 0]) for frame in frames] == [(number, False) for number in range(30)]


def test_size_is_height_then_width(tmp_path: Path) -> None:
    frames = video.read_frames(write_video(tmp_path / "a.avi", 3), size=(20, 48), grey=False)
    assert frames.shape == (3, 20, 48, 3)
    assert read_number(frames[2, :, :, 0])[0] == 2


def test_resizing_averages_areas() -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 96, 3), dtype=np.uint8)
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(float)
    blocks = grey.reshape(12, 4, 24, 4).mean(axis=(1, 3))
    small = video.convert(image, size=(12, 24), grey=True)
    assert np.abs(small[..., 0] - blocks).max() <= 1


def test_colours_are_rgb() -> None:
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 2] = 255  # OpenCV's order is blue, green, red
    assert video.convert(red, size=None, grey=False)[0, 0].tolist() == [255, 0, 0]
    assert video.convert(red, size=None, grey=True)[0, 0].tolist() == [76]  # 0.299 of 255, as in BT.601


def test_max_frames_and_iteration(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", 10)
    assert len(video.read_frames(path, max_frames=4)) == 4
    assert len(video.read_frames(path)) == 10


def test_counts_are_by_decoding(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", 12, declared=20, fps=30)
    assert video.declared_frames(path) == 20
    assert video.count_frames(path) == 12
    assert len(video.read_frames(path)) == 12
    assert video.frame_rate(path) == pytest.approx(30)


@pytest.mark.parametrize("content", [b"", os.urandom(4000), b"RIFF\x00\x00\x00\x00AVI LIST"])
def test_garbage_is_named(tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.avi"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"broken\.avi"):
        video.read_frames(path)
    assert capfd.readouterr().err == ""


def test_a_file_that_opens_but_has_no_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "hollow.avi", 5)
    content = path.read_bytes()
    start = content.index(b"movi")
    path.write_bytes(content[:start] + b"movi" + bytes(len(content) - start - 4))
    with pytest.raises(DataError, match=r"hollow\.avi"):
        video.read_frames(path)


def test_missing_file_and_camera(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.avi"):
        video.read_frames(tmp_path / "nothing.avi")
    with pytest.raises(DataError, match="camera 97"):
        video.open_source("97")
    with pytest.raises(DataError, match="camera 97"):
        video.open_source(97)


def test_a_file_may_be_called_like_a_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "0.avi", 2).rename(tmp_path / "0")
    monkeypatch.chdir(tmp_path)
    assert isinstance(video.open_source("0"), FileSource)


def test_count_all_keeps_going(tmp_path: Path) -> None:
    good, bad = write_video(tmp_path / "good.avi", 7), tmp_path / "bad.avi"
    bad.write_bytes(b"no video")
    counts, failed = video.count_all([good, bad])
    assert counts == {good: 7}
    assert list(failed) == [bad]
    assert "bad.avi" in failed[bad]


def test_numbers_of_the_test_pictures() -> None:
    assert read_number(numbered_frame(677)[..., 0]) == (677, False)
    assert read_number(numbered_frame(677)[:, ::-1, 0]) == (677, True)


def test_real_clips_decode(real_data: Path) -> None:
    paths = sorted(real_data.glob("actions/*/*.avi"))[:6]
    assert paths
    for path in paths:
        frames = video.read_frames(path, size=(64, 64))
        assert frames.shape == (video.count_frames(path), 64, 64, 1)
        assert frames.std() > 1
