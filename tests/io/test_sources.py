"""Video files of all kinds, as cameras, phones and strangers make them: read rightly, or refused by name."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from lstmzoo.errors import DataError, DataWarning
from lstmzoo.io import video
from lstmzoo.io.cache import FrameCache
from lstmzoo.io.sources import FileSource
from lstmzoo.io.video_stream import Stream
from tiny_data import SHADES, encode, write_video

INTERLACED: dict[str, dict[str, Any]] = {
    "mpeg2.mpg": {"codec": "mpeg2video", "flags": "+ilme+ildct"},
    "mpeg4.avi": {"codec": "mpeg4", "flags": "+ilme+ildct"},
    "h264.mp4": {"codec": "libx264", "x264-params": "tff=1"},
    "avchd.ts": {"codec": "libx264", "x264-params": "tff=1"},
    "prores.mov": {"codec": "prores", "flags": "+ildct", "pixels": "yuv422p10le"},
    "dv.avi": {"codec": "dvvideo", "size": (576, 720)},
}


@pytest.mark.parametrize("name", INTERLACED)
def test_interlaced_video_is_read(tmp_path: Path, name: str) -> None:
    """OpenCV 4.13 to 5.0.0.93 give uninitialised memory: https://github.com/vllm-project/vllm/pull/47853."""
    path = encode(tmp_path / name, **INTERLACED[name])
    with av.open(str(path)) as container:
        assert all(frame.interlaced_frame for frame in container.decode(video=0))
    means = video.read_frames(path, size=(8, 8)).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(means, SHADES, atol=4)


def test_the_files_that_others_failed_on(failing: Path) -> None:
    folder = failing / "video"
    base = video.read_frames(folder / "base.mp4", grey=False)
    for name in ("f.flv", "ts.ts", "noext", "anim.gif"):
        frames = video.read_frames(folder / name, grey=False)
        assert frames.shape == base.shape
        assert abs(frames.mean() - base.mean()) < 2
    for name in ("interl.mpg", "interl_avchd.ts", "interl_h264.mp4"):
        frames = video.read_frames(folder / name, size=(48, 64))
        assert len(np.unique(frames, axis=0)) == len(frames) > 20
        assert abs(frames.mean() - base.mean()) < 3
    upright = np.stack([cv2.rotate(frame, cv2.ROTATE_90_COUNTERCLOCKWISE) for frame in base])
    np.testing.assert_array_equal(video.read_frames(folder / "rot90.mp4", grey=False), upright)
    for name in ("pixswitch.avi", "sizeswitch.mpg"):  # OpenCV 4.11 repeats a frame, or mixes up the colours
        frames = video.read_frames(folder / name, grey=False)
        assert frames.shape[1:] == base.shape[1:]
        assert abs(frames[len(frames) // 2 :].mean() - base.mean()) < 3
    assert len(video.read_frames(folder / "damaged.mp4")) == 11
    with pytest.raises(DataError, match=r"trunc_mp4\.mp4"):
        video.read_frames(folder / "trunc_mp4.mp4")
    with Stream(folder / "vfr.mp4") as stream:
        times = [time_s for _, time_s in stream.timed()]
    assert times[31] == pytest.approx(1.2, abs=1e-3)


def test_frames_come_at_their_own_times(tmp_path: Path) -> None:
    """A phone's file: https://github.com/Breakthrough/PySceneDetect/issues/479."""
    times = [0.0, 0.04, 0.08, 0.48, 0.88, 1.0]
    with FileSource(encode(tmp_path / "vfr.mp4", "mpeg4", shades=SHADES[:6], times=times)) as source:
        assert [time_s for _, time_s in source.frames()] == pytest.approx(times, abs=2e-3)


def test_files_that_were_joined_have_one_clock(tmp_path: Path) -> None:
    part = encode(tmp_path / "a.ts", "mpeg2video").read_bytes()
    (tmp_path / "joined.ts").write_bytes(part + part)
    with FileSource(tmp_path / "joined.ts") as source:
        times = [time_s for _, time_s in source.frames()]
    assert len(times) == 24
    np.testing.assert_allclose(np.diff(times), 0.04, atol=1e-3)


def as_data(path: Path) -> dict[str, str]:
    """Why a video is refused as data, by where it would be used."""
    failed = FrameCache(path.parent / "cache", size=(8, 8)).build([path])
    return {"training": failed.get(path, ""), "check": video.count_all([path])[1].get(path, "")}


def watched(path: Path) -> int:
    with Stream(path, max_frames=8) as stream:
        return len(list(stream.timed()))


@pytest.mark.parametrize("options", [{"codec": "mpeg2video"}, INTERLACED["mpeg2.mpg"]])
@pytest.mark.parametrize("garbage", [True, False])
def test_frames_that_are_all_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], garbage: bool
) -> None:
    """Nobody learns from them, nor is measured by them; who only looks is told.

    What a decoder makes of an interlaced file when it refuses it, and recordings that froze, interlaced or not.
    """
    path = encode(tmp_path / "a.mpg", shades=SHADES if garbage else [16] * 12, **options)
    if garbage:
        monkeypatch.setattr(FileSource, "_image", lambda *_: np.full((48, 64, 3), 190, np.uint8))
    for reason in as_data(path).values():
        assert "all 12 frames" in reason
        assert "a.mpg" in reason
        assert "interlaced" not in reason
    with pytest.warns(DataWarning, match=r"all 12 .*a\.mpg.*alike"):
        assert len(video.read_frames(path)) == 12
    with pytest.warns(DataWarning, match=r"all 8 .*a\.mpg.*alike"):
        assert watched(path) == 8


def test_a_folder_with_one_image_again_and_again(tmp_path: Path) -> None:
    folder = tmp_path / "v"
    write_frames(folder, [f"{k}.png" for k in range(7)])
    assert set(as_data(folder).values()) == {""}
    for k in range(1, 7):
        (folder / f"{k}.png").write_bytes((folder / "0.png").read_bytes())
    assert all("all 7 frames" in reason for reason in as_data(folder).values())
    with pytest.warns(DataWarning, match="alike"):
        watched(folder)


def test_a_still_beginning_is_nothing_to_speak_of(tmp_path: Path) -> None:
    shades = [*[100] * 10, 160]
    path = encode(tmp_path / "a.mpg", "mpeg2video", shades=shades, flags="+ilme+ildct")
    few = encode(tmp_path / "few.mpg", "mpeg2video", shades=shades[:3], flags="+ilme+ildct")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(video.read_frames(path).mean(axis=(1, 2, 3)), shades, atol=3)
        assert len(video.read_frames(few)) == 3
    assert {*as_data(path).values(), *as_data(few).values()} == {""}


def test_names_that_look_like_addresses_are_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("concat:a.avi", "img_%03d.avi", "-"):
        write_video(tmp_path / "a.avi", 2).rename(tmp_path / name)
        assert len(video.read_frames(name)) == 2


def write_frames(folder: Path, names: list[str]) -> Path:
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((24, 32, 3), SHADES[number], np.uint8))
    return folder


def test_a_folder_of_frames_is_a_video(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "v", [f"{k}.png" for k in range(1, 12)])
    assert video.is_frame_folder(folder)
    assert video.read_frames(folder).mean(axis=(1, 2, 3)).tolist() == SHADES[:11]  # 2 before 10
    cache = FrameCache(tmp_path / "cache", size=(8, 8))
    assert cache.build([folder]) == {}
    assert (cache.count(folder), cache.rate(folder)) == (11, None)
    cv2.imwrite(str(folder / "12.png"), np.zeros((24, 32, 3), np.uint8))
    cache.build([folder])
    assert cache.count(folder) == 12
    cv2.imwrite(str(folder / "13.png"), np.zeros((20, 32, 3), np.uint8))
    with pytest.raises(DataError, match=r"13\.png has 32×20 pixels"):
        video.read_frames(folder)


def test_frames_beside_videos_are_thumbnails(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "v", ["a.jpg", "b.jpg"])
    write_video(folder / "a.avi", 2)
    assert not video.is_frame_folder(folder)
    assert not video.is_frame_folder(tmp_path)


@pytest.mark.parametrize("rate", [10.0, 24.0, 25.0, 60.0])
def test_the_cache_knows_the_rate(tmp_path: Path, rate: float) -> None:
    path = write_video(tmp_path / "a.avi", 9, fps=rate)
    cache = FrameCache(tmp_path / "cache", size=(8, 8))
    cache.build([path])
    assert cache.rate(path) == pytest.approx(rate)
    assert video.frame_rates([path, tmp_path / "missing.avi"]) == {path: pytest.approx(rate)}


def test_the_cache_measures_the_rate_where_the_header_is_wrong(tmp_path: Path) -> None:
    """As in an AVI with a place for every field: it says 50 and has 25 frames in a second."""
    path = encode(tmp_path / "a.mp4", "mpeg4", times=[k / 10 for k in range(12)])
    cache = FrameCache(tmp_path / "cache", size=(8, 8))
    cache.build([path])
    assert cache.rate(path) == pytest.approx(10, rel=0.02)


def test_cameras_are_counted_from_0(capfd: pytest.CaptureFixture[str]) -> None:
    for number in (-1, 93):
        with pytest.raises(DataError, match=f"camera {number}"):
            video.open_source(number)
    assert capfd.readouterr().err == ""  # nor does OpenCV say what it tried


def test_a_camera_ends_when_it_gives_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Camera:
        left = 3

        def __init__(self, index: int) -> None:
            assert index == 0

        def isOpened(self) -> bool:
            return True

        def get(self, key: int) -> float:
            return 30.0

        def read(self) -> tuple[bool, Any]:
            self.left -= 1
            return self.left >= 0, np.zeros((4, 4, 3), np.uint8)

        def release(self) -> None:
            pass

    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    with Stream(0) as stream:
        assert [time_s for _, time_s in stream.timed()] == pytest.approx([0, 1 / 30, 2 / 30])
    with Stream(0, max_frames=2) as stream:
        assert len(list(stream.timed())) == 2


def test_warnings_of_short_files_look_at_the_time(tmp_path: Path) -> None:
    """A file with a place for every field declares twice the frames it has; it is whole all the same."""

    def caught(path: Path) -> list[str]:
        with warnings.catch_warnings(record=True) as got, Stream(path) as stream:
            warnings.simplefilter("always")
            list(stream.timed())
        return [str(one.message) for one in got]

    assert caught(write_video(tmp_path / "whole.avi", 30)) == []
    assert len(caught(write_video(tmp_path / "short.avi", 12, declared=40))) == 1
