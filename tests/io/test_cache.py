"""The frame cache: decoded once, never half-written, never stale, safe with several workers and runs."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.io import cache as cache_module
from lstmzoo.io import video
from lstmzoo.io.cache import FrameCache, default_cache_dir
from lstmzoo.io.sources import FileSource, Source, TimedFrame
from tiny_data import read_number, write_video


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the videos that were decoded, in order."""
    names: list[str] = []
    open_source = video.open_source

    def noted(path: Path) -> Source:
        names.append(Path(path).name)
        return open_source(path)

    monkeypatch.setattr(video, "open_source", noted)
    return names


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")


@pytest.mark.parametrize("grey", [True, False])
def test_frames_equal_plain_decoding(tmp_path: Path, grey: bool) -> None:
    paths = [write_video(tmp_path / f"{n}.avi", 10 * n, start=n) for n in (1, 2, 3)]
    cache = FrameCache(tmp_path / "cache", size=(24, 48), grey=grey)
    assert cache.build(paths) == {}
    for path in paths:
        frames = cache.frames(path)
        assert isinstance(frames, np.memmap)
        assert (frames == video.read_frames(path, size=(24, 48), grey=grey)).all()
        assert cache.count(path) == len(frames)
        with pytest.raises(ValueError, match="read-only"):
            frames[0] = 0


def test_decoded_once(tmp_path: Path, decoded: list[str]) -> None:
    paths = [write_video(tmp_path / f"{n}.avi", 3) for n in range(4)]
    for _ in range(2):
        FrameCache(tmp_path / "cache", size=(8, 8)).build([*paths, paths[0]])
    assert sorted(decoded) == ["0.avi", "1.avi", "2.avi", "3.avi"]


def test_changed_source_is_decoded_again_and_the_old_frames_go(tmp_path: Path, decoded: list[str]) -> None:
    path, other = write_video(tmp_path / "a.avi", 5), write_video(tmp_path / "b.avi", 5)
    cache = FrameCache(tmp_path / "cache", size=(48, 96))
    cache.build([path, other])
    before = files(tmp_path / "cache")
    assert read_number(cache.frames(path)[0, ..., 0])[0] == 0
    write_video(path, 6, start=50)
    cache.build([path, other])
    assert decoded == ["a.avi", "b.avi", "a.avi"] or decoded == ["b.avi", "a.avi", "a.avi"]
    assert (cache.count(path), read_number(cache.frames(path)[0, ..., 0])[0]) == (6, 50)
    after = files(tmp_path / "cache")
    assert len(after) == 2
    assert len(set(before) & set(after)) == 1


def test_same_size_but_another_time_counts_as_changed(tmp_path: Path, decoded: list[str]) -> None:
    path = write_video(tmp_path / "a.avi", 5)
    cache = FrameCache(tmp_path / "cache", size=(8, 8))
    cache.build([path])
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    cache.build([path])
    assert decoded == ["a.avi", "a.avi"]


def test_decoding_parameters_do_not_mix(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", 5)
    shapes = set()
    for size, grey in (((8, 16), True), ((16, 8), True), ((8, 16), False)):
        cache = FrameCache(tmp_path / "cache", size=size, grey=grey)
        cache.build([path])
        shapes.add(cache.frames(path).shape)
    assert shapes == {(5, 8, 16, 1), (5, 16, 8, 1), (5, 8, 16, 3)}


def test_same_name_in_two_folders(tmp_path: Path) -> None:
    paths = [write_video(tmp_path / folder / "v.avi", 4, start=n) for n, folder in enumerate("ab")]
    cache = FrameCache(tmp_path / "cache", size=(48, 96))
    cache.build(paths)
    assert [read_number(cache.frames(path)[0, ..., 0])[0] for path in paths] == [0, 1]


def test_undecodable_files_are_named_and_the_rest_is_built(tmp_path: Path) -> None:
    good, bad, gone = write_video(tmp_path / "good.avi", 4), tmp_path / "bad.avi", tmp_path / "gone.avi"
    bad.write_bytes(b"this is no video")
    cache = FrameCache(tmp_path / "cache", size=(8, 8))
    failed = cache.build([bad, good, gone])
    assert list(failed) == [bad, gone]
    assert "bad.avi" in failed[bad]
    assert "no such video file" in failed[gone]
    assert cache.count(good) == 4
    assert len(files(tmp_path / "cache")) == 1


def test_nothing_half_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.avi", 5)

    def full(*_: object, **__: object) -> Iterator[TimedFrame]:
        yield TimedFrame(np.zeros((8, 8, 3), np.uint8), 0.0)
        raise OSError(28, "No space left on device")

    cache = FrameCache(tmp_path / "cache", size=(8, 8))
    with monkeypatch.context() as patch:
        patch.setattr(FileSource, "frames", full)
        with pytest.raises(DataError, match=r"\(No space left on device\).*cache_dir="):
            cache.build([path])
    assert files(tmp_path / "cache") == []
    with pytest.raises(DataError, match=path.name):
        cache.frames(path)
    assert cache.build([path]) == {}
    assert cache.count(path) == 5


def test_leftovers_of_a_killed_run_do_no_harm(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", 5)
    cache = FrameCache(tmp_path / "cache", size=(8, 8))
    cache.build([path])
    (name,) = files(tmp_path / "cache")
    (cache.folder / name).unlink()
    (cache.folder / f"{name.rpartition('-')[0]}.tmp").write_bytes(b"half" * 5000)
    cache.build([path])
    assert files(tmp_path / "cache") == [name]
    assert cache.count(path) == 5


def test_damaged_cache_file_is_named(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", 5)
    cache = FrameCache(tmp_path / "cache", size=(8, 8))
    cache.build([path])
    (name,) = files(tmp_path / "cache")
    os.truncate(cache.folder / name, 200)
    with pytest.raises(DataError, match=rf"{name}.*damaged.*delete"):
        cache.frames(path)


def build_in_process(folder: str, barrier: Any) -> None:
    """Build the cache and note each decoding in a file."""
    open_source = video.open_source

    def noted(path: Path) -> Source:
        with open(Path(folder) / "decoded.txt", "a") as log:
            log.write(f"{Path(path).name}\n")
        return open_source(path)

    video.open_source = noted  # type: ignore[assignment]
    barrier.wait()
    paths = sorted(Path(folder).glob("*.avi"))
    cache = FrameCache(Path(folder) / "cache", size=(8, 8))
    assert cache.build(paths) == {}
    assert [cache.count(path) for path in paths] == [30] * len(paths)


@pytest.mark.slow
def test_two_runs_at_once_decode_every_video_once(tmp_path: Path) -> None:
    for number in range(12):
        write_video(tmp_path / f"v{number:02d}.avi", 30)
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    runs = [context.Process(target=build_in_process, args=(str(tmp_path), barrier)) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(60)
    assert [run.exitcode for run in runs] == [0, 0]
    assert sorted((tmp_path / "decoded.txt").read_text().split()) == [f"v{n:02d}.avi" for n in range(12)]


def test_two_threads_at_once(tmp_path: Path, decoded: list[str]) -> None:
    paths = [write_video(tmp_path / f"{n}.avi", 20) for n in range(6)]
    caches = [FrameCache(tmp_path / "cache", size=(8, 8)) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda cache: cache.build(paths), caches)) == [{}] * 3
    assert len(decoded) == 6


def test_reading_writes_nothing_and_survives_pickling(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", 500)
    cache = FrameCache(tmp_path / "cache", size=(16, 16))
    cache.build([path])
    frames = cache.frames(path)
    sent = pickle.dumps(cache)
    assert len(sent) < 2000  # no frames in it
    cache.folder.chmod(0o500)
    try:
        received = pickle.loads(sent)
        assert (received.frames(path) == frames).all()
    finally:
        cache.folder.chmod(0o700)


def test_few_files_are_open_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "MAX_OPEN", 3)
    paths = [write_video(tmp_path / f"{n}.avi", 3, start=n) for n in range(6)]
    cache = FrameCache(tmp_path / "cache", size=(48, 96))
    cache.build(paths)
    for _ in range(2):
        assert [read_number(cache.frames(path)[0, ..., 0])[0] for path in paths] == list(range(6))
    assert len(cache._open) == 3


def test_opencv_keeps_its_number_of_threads(tmp_path: Path) -> None:
    before = cv2.getNumThreads()
    FrameCache(tmp_path / "cache", size=(8, 8)).build([write_video(tmp_path / "a.avi", 3)])
    assert cv2.getNumThreads() == before


def test_default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    root = tmp_path / "data"
    root.mkdir()
    assert default_cache_dir(root) == root / ".lstmzoo_cache"
    root.chmod(0o555)
    try:
        elsewhere = default_cache_dir(root)
    finally:
        root.chmod(0o755)
    assert elsewhere.parent == tmp_path / "home" / "lstmzoo"
    assert elsewhere.name.startswith("data-")


@pytest.mark.parametrize("size", [(64,), (0, 64), (64, 2.5), 64, "64"])
def test_wrong_size(tmp_path: Path, size: Any) -> None:
    with pytest.raises(LstmzooError, match=r"size is \[height, width\]"):
        FrameCache(tmp_path, size=size)


def test_no_folder_appears_when_there_is_nothing_to_do(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    FrameCache(tmp_path / "cache", size=(8, 8)).build([])
    assert not (tmp_path / "cache").exists()
    assert capfd.readouterr().err == ""
