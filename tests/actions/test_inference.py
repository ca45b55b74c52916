"""Labels over time, annotated videos and pictures, on small videos written here."""

from __future__ import annotations

import csv
import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from own_videos import classify_video

from lstmzoo.actions.annotate import annotate
from lstmzoo.actions.sliding_window import SlidingWindow, classify_stream
from lstmzoo.errors import DataError, DataWarning, LstmzooError
from lstmzoo.io import video
from lstmzoo.io.atomic import csv_file, make_folder, replacing
from lstmzoo.io.sources import TimedFrame
from lstmzoo.io.video_stream import Stream
from lstmzoo.viz.overlay import TRACK, Overlay

CLASSES = ["dark", "middle", "bright"]


class Brightness(torch.nn.Module):
    """Tells apart by the frames' brightness, the later frames counting more."""

    def __init__(self, clip_len: int = 4, frame_interval: int = 2) -> None:
        super().__init__()
        self.centres = torch.nn.Parameter(torch.tensor([30.0, 128.0, 225.0]))
        self.classes = CLASSES
        self.transform = {"size": [12, 16], "grey": True, "clip_len": clip_len, "frame_interval": frame_interval}

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        assert clip.dtype == torch.uint8
        assert clip.shape[1:] == (self.transform["clip_len"], 1, 12, 16)
        weights = torch.arange(1.0, clip.shape[1] + 1)
        level = (clip.float().mean((2, 3, 4)) * weights).sum(1) / weights.sum()
        return -((level[:, None] - self.centres) ** 2) / 2000


def write_video(path: Path, frames: int, size: tuple[int, int] = (24, 32), rate: float = 25.0) -> Path:
    """A video that grows from black to white, with a bright square that moves."""
    height, width = size
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, (width, height))
    for k in range(frames):
        image = np.full((height, width, 3), 255 * k // max(frames - 1, 1), np.uint8)
        image[4:12, k % width : k % width + 8] = 200
        writer.write(image)
    writer.release()
    return path


def decode(path: Path) -> np.ndarray:
    capture, frames = cv2.VideoCapture(str(path)), []
    while (got := capture.read())[0]:
        frames.append(got[1])
    return np.stack(frames)


# Labels over time


@pytest.mark.parametrize(("frames", "stride"), [(40, 4), (41, 7), (5, 8), (1, 4), (12, 1)])
def test_labels_are_the_models_on_the_newest_clip(tmp_path: Path, frames: int, stride: int) -> None:
    model = Brightness()
    path = write_video(tmp_path / "a.avi", frames, rate=20.0)
    stored = video.read_frames(path, size=(12, 16))
    predictions = classify_video(model, path, stride=stride)

    expected_frames = sorted({*range(stride - 1, frames, stride), frames - 1})
    assert [p.frame for p in predictions] == expected_frames
    for p in predictions:
        if p.frame >= 6:  # a clip of 4 frames, 2 apart, fits
            chosen = [p.frame - 6, p.frame - 4, p.frame - 2, p.frame]
        else:  # looped
            chosen = [(2 * k) % (p.frame + 1) for k in range(4)]
        clip = torch.from_numpy(stored[chosen]).permute(0, 3, 1, 2)[None]
        by_hand = model(clip).softmax(-1)[0].detach().numpy()
        np.testing.assert_allclose(p.probabilities, by_hand, atol=1e-6)
        assert p.label == CLASSES[by_hand.argmax()]
        assert p.time_s == pytest.approx(p.frame / 20.0)


def test_labels_follow_the_video(tmp_path: Path) -> None:
    labels = [p.label for p in classify_video(Brightness(), write_video(tmp_path / "a.avi", 60))]
    assert labels == sorted(labels, key=CLASSES.index)
    assert set(labels) == set(CLASSES)


def test_max_frames_ends_early(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", 30)
    assert [p.frame for p in classify_video(Brightness(), path, max_frames=10)] == [3, 7, 9]


def test_memory_does_not_grow_with_the_stream() -> None:
    alive: list[weakref.ref] = []
    most = 0

    class Endless:
        name, rate, says_rate, total = "endless", 25.0, False, None

        def timed(self) -> Iterator[TimedFrame]:
            for k in range(600):
                image = np.full((24, 32, 3), k % 256, np.uint8)
                alive.append(weakref.ref(image))
                yield TimedFrame(image, k / self.rate)

    for _ in classify_stream(Brightness(), Endless(), stride=50):  # type: ignore[arg-type]
        most = max(most, sum(ref() is not None for ref in alive))
    gc.collect()
    assert len(alive) == 600
    assert most <= 4  # the one at hand and those a loop variable or the look-ahead still holds

    window = SlidingWindow(Brightness(clip_len=4, frame_interval=3))
    for k in range(200):
        window.push(np.full((24, 32, 3), k, np.uint8))
        assert len(window.frames) <= 10
    assert window.frames[0].shape == (12, 16, 1)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    empty, text, short = tmp_path / "empty.avi", tmp_path / "text.avi", tmp_path / "short.avi"
    empty.write_bytes(b"")
    text.write_text("not a video at all\n" * 50)
    whole = write_video(tmp_path / "whole.avi", 40).read_bytes()
    short.write_bytes(whole[: len(whole) // 2])
    for path in (empty, text, tmp_path / "missing.avi"):
        with pytest.raises(DataError, match=path.name):
            classify_video(Brightness(), path)
    with pytest.raises(DataError, match="camera 97"):
        classify_video(Brightness(), 97)
    with pytest.warns(DataWarning, match=r"short.avi .*40 "):
        predictions = classify_video(Brightness(), short)
    assert 0 < predictions[-1].frame < 39


def test_impossible_strides_and_lengths_are_named(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", 4)
    with pytest.raises(LstmzooError, match=r"stride .*1.* 0"):
        classify_video(Brightness(), path, stride=0)
    with pytest.raises(LstmzooError, match=r"max_frames .*1.* -1"):
        classify_video(Brightness(), path, max_frames=-1)


# Annotated videos


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_annotated_video_and_table(tmp_path: Path, suffix: str) -> None:
    model, path = Brightness(), write_video(tmp_path / "a.avi", 33, size=(60, 80))
    table, picture = tmp_path / "out" / "a.csv", tmp_path / "out" / f"a{suffix}"
    with Stream(path) as stream:
        outcome = annotate(model, stream, "a", table, picture, stride=4)

    predictions = classify_video(model, path, stride=4)
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["frame", "time_s", "label", "presence", "p_dark", "p_middle", "p_bright"]
    assert [int(row["frame"]) for row in rows] == [p.frame for p in predictions]
    for row, p in zip(rows, predictions, strict=True):
        assert row["label"] == p.label
        assert float(row["time_s"]) == pytest.approx(p.time_s, abs=5e-4)
        assert [float(row[f"p_{name}"]) for name in CLASSES] == pytest.approx(p.probabilities, abs=5e-5)

    # Every prediction stands for 4 frames, the last one for the one that is left of 33.
    spans = np.array([4] * 8 + [1])
    mean = (spans[:, None] * np.stack([p.probabilities for p in predictions])).sum(0) / 33
    assert (outcome.label, outcome.frames) == (CLASSES[mean.argmax()], 33)
    assert outcome.confidence == pytest.approx(mean.max())
    assert sum(outcome.shares.values()) == pytest.approx(1.0)
    dark = sum(span for span, p in zip(spans, predictions, strict=True) if p.label == "dark") / 33
    assert outcome.shares["dark"] == pytest.approx(dark)

    frames = decode(picture)
    overlay = Overlay(CLASSES, (60, 80), 25.0, 33)
    assert frames.shape == (33, overlay.height, overlay.width, 3)
    assert cv2.VideoCapture(str(picture)).get(cv2.CAP_PROP_FPS) == pytest.approx(25.0)
    original = decode(path)
    height, width = overlay.image
    assert width >= 320
    for k in (0, 16, 32):  # the frame itself is shown whole, enlarged
        shown = cv2.resize(frames[k][:height, :width], (80, 60), interpolation=cv2.INTER_AREA)
        assert np.abs(shown.astype(int) - original[k]).mean() < 8
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"a.csv", f"a{suffix}"}


def test_nothing_is_left_behind_when_a_video_has_no_frames(tmp_path: Path) -> None:
    class Nothing:
        name, rate, output_rate, says_rate, total = "stream", 25.0, 25.0, False, None

        def timed(self) -> Iterator[TimedFrame]:
            raise DataError("no frame")
            yield

    with pytest.raises(DataError):
        annotate(Brightness(), Nothing(), "n", tmp_path / "n.csv", tmp_path / "n.mp4")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("frames", [10, 3])
def test_an_interrupt_keeps_what_was_seen(tmp_path: Path, frames: int) -> None:
    class Interrupted:
        name, rate, output_rate, says_rate, total = "stream", 25.0, 25.0, False, None

        def timed(self) -> Iterator[TimedFrame]:
            for k in range(frames):
                yield TimedFrame(np.full((24, 32, 3), 20 * k, np.uint8), k / self.rate)
            raise KeyboardInterrupt

    paths = tmp_path / "c.csv", tmp_path / "c.mp4"
    if frames > 4:
        outcome = annotate(Brightness(), Interrupted(), "c", *paths)  # type: ignore[arg-type]
        assert isinstance(outcome.ended_by, KeyboardInterrupt)
        assert outcome.frames == 9  # the look-ahead holds the tenth
        assert len(decode(paths[1])) == 9
        assert sum(outcome.shares.values()) == pytest.approx(1.0)
    else:  # nothing was said yet
        with pytest.raises(KeyboardInterrupt):
            annotate(Brightness(), Interrupted(), "c", *paths)  # type: ignore[arg-type]
        assert list(tmp_path.iterdir()) == []


def line_of(overlay: Overlay, labels: list[int | None]) -> list[int]:
    """Draw frames with these labels; return the class of every column of the time line, -1 for none."""
    image = np.zeros((48, 64, 3), np.uint8)
    for frame, label in enumerate(labels):
        overlay.draw(image, frame, None if label is None else np.eye(len(overlay.classes))[label])
    known = {tuple(colour): k for k, colour in enumerate(overlay.colours)} | {TRACK: -1}
    return [known[tuple(int(v) for v in colour)] for colour in overlay.line]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=60), st.integers(1, 60))
def test_time_line_shows_every_label_in_its_place(labels: list[int], expected: int) -> None:
    overlay = Overlay(CLASSES, (48, 64), 25.0, expected)
    columns = line_of(overlay, list(labels))
    count = len(columns)
    shift = max(len(labels) * count // expected - count, 0)  # scrolls where the video is longer than expected
    for frame, label in enumerate(labels):
        first, end = frame * count // expected - shift, (frame + 1) * count // expected - shift
        assert set(columns[max(first, 0) : max(end, 0)]) <= {label}
    assert set(columns[len(labels) * count // expected :]) <= {-1}


@pytest.mark.slow
def test_time_line_of_an_endless_source_scrolls() -> None:
    overlay = Overlay(CLASSES, (48, 64), rate=10.0, total=None)
    columns = line_of(overlay, [None] * 3 + [0] * 200 + [1] * 100 + [2] * 100)  # 20 s are 200 frames
    half = len(columns) // 2
    assert columns == [1] * half + [2] * (len(columns) - half)


@pytest.mark.parametrize("size", [(120, 160), (48, 64), (33, 1001), (720, 1280), (500, 20)])
@pytest.mark.parametrize("count", [1, 6, 40])
def test_overlay_fits_any_frame_and_any_number_of_classes(size: tuple[int, int], count: int) -> None:
    overlay = Overlay([f"a class with the long name {k}" for k in range(count)], size, 25.0, 10)
    canvas = overlay.draw(np.full((*size, 3), 99, np.uint8), 0, np.full(count, 1 / count))
    assert canvas.shape == (overlay.size[1], overlay.size[0], 3)
    assert overlay.size[0] % 2 == overlay.size[1] % 2 == 0
    assert overlay.size[0] >= 320


# Files


def test_a_failed_write_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("old")

    def fail() -> None:
        with csv_file(path, ["a"]) as write_row:
            write_row([1])
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_folders_that_cannot_be_made_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LstmzooError, match="file/out"):
        make_folder(tmp_path / "file" / "out")
    (tmp_path / "taken.csv").mkdir()
    with (
        pytest.raises(LstmzooError, match=r"cannot write .*taken\.csv"),
        replacing(tmp_path / "taken.csv") as temporary,
    ):
        temporary.write_text("x")
