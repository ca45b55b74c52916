"""Time, not frames, is what clips are measured in: videos of all frame rates are read alike."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from own_videos import classify_video

from lstmzoo.actions.data.video_folder import VideoFolder
from lstmzoo.actions.gates import read_spaced
from lstmzoo.actions.sliding_window import SlidingWindow
from lstmzoo.actions.task import RecognitionTask
from lstmzoo.errors import DataWarning
from lstmzoo.io.clips import ClipSampler
from lstmzoo.io.resampling import Resampler
from lstmzoo.io.video_stream import Stream
from lstmzoo.viz.video_file import video_file

RATES = st.sampled_from([5.0, 10.0, 12.5, 24.0, 25.0, 30000 / 1001, 30.0, 50.0, 60.0, 120.0])


def write_ramp(path: Path, rate: float, seconds: float = 4.0) -> Path:
    """A video that turns from black to white in proportion to the time, without loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"FFV1"), rate, (32, 24))
    for k in range(round(seconds * rate)):
        writer.write(np.full((24, 32, 3), round(255 * k / rate / seconds), np.uint8))
    writer.release()
    return path


class Slope(torch.nn.Module):
    """Tells how fast a clip grows brighter."""

    def __init__(self, fps: float | None = 25.0) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.classes = ["slow", "fast"]
        self.transform: dict[str, Any] = {"size": [8, 8], "grey": True, "clip_len": 6, "frame_interval": 3}
        if fps is not None:
            self.transform["fps"] = fps

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        level = clip.float().mean((2, 3, 4))  # (B, T)
        rise = (level[:, 1:] - level[:, :-1]).mean(1)  # at 25 frames per second 3/25 s of 255/4 a second: 7.65
        return torch.stack([torch.zeros_like(rise), rise], 1)


@given(wanted=RATES, rate=RATES)
def test_ticks_take_the_nearest_frame(wanted: float, rate: float) -> None:
    resampler = Resampler(wanted, rate, limit=100)
    taken = [k for k in range(120) for _ in range(resampler.repeats(k / rate))]
    for tick, frame in enumerate(taken):
        assert abs(frame / rate - tick / wanted) <= 0.5 / rate + 1e-5
    assert len(taken) == pytest.approx(120 * wanted / rate, abs=1 + 0.5 * wanted / rate)
    if wanted == rate:
        assert taken == list(range(120))


@given(st.lists(st.floats(0.0, 0.019), min_size=50, max_size=50))
def test_jitter_of_times_changes_nothing(jitter: list[float]) -> None:
    """Containers round times to milliseconds."""
    resampler = Resampler(25.0, 25.0, limit=10)
    assert [resampler.repeats(k / 25 + late / 3) for k, late in enumerate(jitter)] == [1] * 50


def test_a_leap_in_time_does_not_take_the_machine() -> None:
    resampler = Resampler(25.0, 25.0, limit=31)
    assert [resampler.repeats(time_s) for time_s in (0.0, 0.04, 1e9, 1e9 + 0.04)] == [1, 1, 31, 1]


@given(
    length=st.integers(1, 300), clip_len=st.integers(1, 20), interval=st.integers(1, 4), seed=st.integers(0, 2**32 - 1)
)
def test_clips_at_another_speed(length: int, clip_len: int, interval: int, seed: int) -> None:
    """At speed 1 the sampling is what it was; at speed k, every offset of frame_interval · k."""
    sampler = ClipSampler(clip_len, interval, num_clips=3)
    faster = ClipSampler(clip_len, interval * 2, num_clips=3)
    np.testing.assert_array_equal(sampler.even(length, 2.0), faster.even(length))
    drawn = (one.random(length, np.random.default_rng(seed), speed) for one, speed in ((sampler, 2.0), (faster, 1.0)))
    np.testing.assert_array_equal(*drawn)
    by_hand = np.rint(np.arange(clip_len) * interval * 2.4)
    if length > by_hand[-1]:
        np.testing.assert_array_equal(sampler.even(length, 2.4)[0], by_hand)


@pytest.mark.parametrize("fps", [None, 50.0])
def test_a_folder_of_mixed_rates(tmp_path: Path, fps: float | None) -> None:
    """Clips of all videos are equally long in time; the rate of most is what frame_interval is meant for."""
    for name, rate in (("a", 25.0), ("b", 25.0), ("c", 60.0), ("d", 12.5)):
        write_ramp(tmp_path / "ramp" / f"{name}.avi", rate)
    data = VideoFolder(tmp_path, "all", clip_len=5, frame_interval=4, size=(8, 8), train=False, fps=fps)
    assert data.fps == (fps or 25.0)
    for item in range(4):
        levels = data[item]["video"].float().mean((1, 2, 3))
        rise = float(levels[-1] - levels[0])
        assert rise == pytest.approx(255 / 4 * 16 / data.fps, abs=255 / 4 * 0.5 / 12.5 + 1)  # to half a frame


@pytest.mark.parametrize("rate", [12.5, 25.0, 50.0, 60.0])
def test_predictions_do_not_depend_on_the_rate(tmp_path: Path, rate: float) -> None:
    predictions = classify_video(Slope(), write_ramp(tmp_path / "a.avi", rate))
    at_2_s = min(predictions, key=lambda p: abs(p.time_s - 2))
    assert at_2_s.time_s == pytest.approx(2, abs=4 / rate)
    logits = np.log(at_2_s.probabilities)
    assert logits[1] - logits[0] == pytest.approx(7.65, abs=255 / 4 / rate / 5 + 0.1)  # to a frame from end to end


@pytest.mark.parametrize("rate", [25.0, 60.0])
def test_gates_are_watched_by_time(tmp_path: Path, rate: float) -> None:
    path = write_ramp(tmp_path / "a.avi", rate)
    frames, watched_rate = read_spaced(Slope(), path)
    assert watched_rate == pytest.approx(25 / 3)
    levels = frames.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(levels, 255 / 4 * np.arange(len(levels)) * 3 / 25, atol=255 / 4 * 0.5 / rate + 1)
    assert len(levels) == pytest.approx(4 * 25 / 3, abs=1)
    assert len(read_spaced(Slope(), path, max_frames=5)[0]) == 5


def test_an_old_checkpoint_goes_by_frames(tmp_path: Path) -> None:
    path = write_ramp(tmp_path / "a.avi", 50.0)
    with pytest.warns(DataWarning, match="frame rate"):
        old = classify_video(Slope(fps=None), path)
    assert np.log(old[-1].probabilities[1] / old[-1].probabilities[0]) == pytest.approx(7.65 / 2, abs=0.6)


def test_too_few_frames_are_said(tmp_path: Path) -> None:
    with pytest.warns(DataWarning, match=r"a\.avi .* 5 .* 8\.33"):
        classify_video(Slope(), write_ramp(tmp_path / "a.avi", 5.0))


def test_a_window_of_a_source_without_a_rate_goes_by_frames() -> None:
    window = SlidingWindow(Slope())
    for k in range(40):
        window.push(np.full((8, 8, 3), k, np.uint8))
    assert [int(frame.mean()) for frame in window.frames] == list(range(24, 40))


def test_training_keeps_the_rate_of_its_videos() -> None:
    task = SimpleNamespace(transform={"clip_len": 4}, trainer=SimpleNamespace(datamodule=SimpleNamespace(fps=29.97)))
    RecognitionTask.setup(task, "test")  # type: ignore[arg-type]
    assert "fps" not in task.transform
    RecognitionTask.setup(task, "fit")  # type: ignore[arg-type]
    assert task.transform["fps"] == 29.97


def test_a_film_shows_frames_at_their_times(tmp_path: Path) -> None:
    """Ten frames in the first second, then one a second: the film lasts as long."""
    times = [*(k / 10 for k in range(10)), 1.0, 2.0, 3.0]
    with video_file(tmp_path / "a.avi", 10.0) as film:
        for k, time_s in enumerate(times):
            film.write(np.full((32, 32, 3), 20 * k, np.uint8), time_s)
    with Stream(tmp_path / "a.avi") as stream:
        levels = [(round(image.mean() / 20), time_s) for image, time_s in stream.timed()]
    for level, time_s in levels:
        assert level == max(k for k, shown in enumerate(times) if shown <= time_s + 1e-6)
    assert levels[-1][1] == pytest.approx(3.0)


def test_a_film_of_more_frames_than_it_shows(tmp_path: Path) -> None:
    with video_file(tmp_path / "a.avi", 10.0) as film:
        for k in range(60):
            film.write(np.full((32, 32, 3), 4 * k, np.uint8), k / 30)
        film.write(np.zeros((32, 32, 3), np.uint8), 1e9)  # a leap in time is cut short
        assert film.frames <= 20 + 10 * 10 + 2
